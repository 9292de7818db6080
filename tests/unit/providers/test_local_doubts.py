"""What the local provider must not assume: that a region is mounted, that a folder contains only our files, that a
description can be read, that a directory is not a link."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.local_galleries import REGION, provider_at, provider_with_image, publish, run, version

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable
from reconciler.providers.protocol import Applied, Condition, Operation, Provider, Scope, Step, Verb
from reconciler.testing.operations import (
    CONTENT,
    EAST,
    GALLERY,
    VERSION,
    WEST,
    Results,
    applied,
    owner_of,
    writer_of,
)


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return provider_with_image(tmp_path)


def computed(results: Results) -> Any:
    return json.loads(applied(results, VERSION).computed)


def test_unmanaged_objects_are_sorted_by_address(provider: Provider, tmp_path: Path) -> None:
    publish(provider, EAST, WEST)
    (tmp_path / "regions/eastus/theirs").mkdir()
    (tmp_path / "regions/eastus/theirs/gallery.json").write_text('{"attributes": {}}')
    found = [one.address for one in provider.scan(Scope({}, unmanaged=True)).unmanaged]
    assert found == sorted(found)


def test_reading_in_an_unmounted_region_is_unavailable(tmp_path: Path) -> None:
    provider = provider_at(tmp_path, regions={"eastus": "east", "westus": "west"})
    for address in (EAST, VERSION, GALLERY):
        with pytest.raises(Unavailable):
            provider.read(address)


@pytest.mark.parametrize("address", [EAST, VERSION, GALLERY], ids=str)
def test_deleting_in_an_unmounted_region_fails(tmp_path: Path, address: Address) -> None:
    provider = provider_at(tmp_path, regions={"eastus": "east"})
    prior = REGION if address.region else version()
    result = run(provider, Step(Verb.DELETE, address, prior=prior))[address]
    assert isinstance(result, Unavailable)


@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.CREATE])
def test_recreating_a_region_does_not_remove_foreign_files(provider: Provider, tmp_path: Path, verb: Verb) -> None:
    results = publish(provider, EAST)
    stray = tmp_path / "regions/eastus/corp/ubuntu/1.0.3/notes.txt"
    stray.write_text("mine")
    step = Step(verb, EAST, REGION, REGION if verb is Verb.REPLACE else None)
    result = run(provider, step, computed=computed(results))[EAST]
    assert stray.exists()
    assert isinstance(result, (Applied, ObjectConflict))


def test_a_shallow_region_is_damaged_when_its_source_changes_or_is_gone(provider: Provider, tmp_path: Path) -> None:
    results = publish(provider, EAST, replicationMode="Shallow")
    wanted = {EAST: applied(results, EAST).fingerprint}
    (tmp_path / "image.raw").write_bytes(CONTENT[::-1])
    assert provider.scan(Scope(wanted)).observed[EAST].condition is Condition.DAMAGED
    (tmp_path / "image.raw").unlink()
    assert provider.scan(Scope(wanted)).observed[EAST].condition is Condition.DAMAGED


def test_an_unchanged_shallow_region_matches(provider: Provider) -> None:
    results = publish(provider, EAST, replicationMode="Shallow")
    assert provider.scan(Scope({EAST: applied(results, EAST).fingerprint})).matching == {EAST}


@pytest.mark.parametrize("harm", ["garbage", "empty", "gone"])
def test_a_region_whose_description_is_broken_is_repaired(provider: Provider, tmp_path: Path, harm: str) -> None:
    results = publish(provider, EAST)
    path = tmp_path / "regions/eastus/corp/ubuntu/1.0.3/region.json"
    path.unlink()
    if harm != "gone":
        path.write_text("{" if harm == "garbage" else "")
    seen = provider.scan(Scope({EAST: applied(results, EAST).fingerprint})).observed[EAST]
    assert seen.condition is Condition.DAMAGED
    assert owner_of().owns(seen.mark, EAST)
    result = run(provider, Step(Verb.REPLACE, EAST, REGION, REGION), computed=computed(results))[EAST]
    assert isinstance(result, Applied), result
    repaired = provider.read(EAST)
    assert repaired is not None
    assert repaired.condition is Condition.READY


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_scan_does_not_follow_a_symbolic_link(provider: Provider, tmp_path: Path, depth: int) -> None:
    publish(provider, EAST)
    real = (tmp_path / "regions/eastus").joinpath(*EAST[:depth])
    real.rename(tmp_path / "away")
    real.symlink_to(tmp_path / "away")
    scan = provider.scan(Scope({EAST: None}))
    seen = scan.observed.get(EAST)
    assert EAST in scan.unreachable or (seen is not None and seen.condition is Condition.DAMAGED)


def test_the_identity_of_an_ovf_is_the_recorded_one_and_follows_its_disks(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "vm.ovf").write_text(
        '<E><References><File id="f" href="one.raw"/></References><Disk diskId="d" fileRef="f"/></E>'
    )
    (tmp_path / "one.raw").write_bytes(CONTENT)
    source = {"file": "vm.ovf"}
    results = publish(provider, EAST, source=source)
    before = provider.source_identity(source)
    assert computed(results)["disks"]["os"]["source"] == before
    (tmp_path / "one.raw").write_bytes(CONTENT[::-1])
    assert provider.source_identity(source) != before


@pytest.mark.parametrize("address", [GALLERY, VERSION], ids=str)
def test_another_owners_object_in_another_region_is_a_conflict(
    provider: Provider, tmp_path: Path, address: Address
) -> None:
    path = tmp_path / "regions/westus/corp" / ("ubuntu/1.0.3.json" if address.version else "gallery.json")
    path.parent.mkdir(parents=True)
    path.write_text('{"attributes": {"location": "westus"}}')
    result = run(provider, Step(Verb.CREATE, address, version()))[address]
    assert isinstance(result, ObjectConflict)


def test_a_missing_source_is_reported_if_no_copy_can_replace_it(provider: Provider, tmp_path: Path) -> None:
    results = publish(provider, EAST)
    (tmp_path / "image.raw").unlink()
    (tmp_path / "regions/eastus/corp/ubuntu/1.0.3/replica-1.os.raw").unlink()
    error = run(provider, Step(Verb.CREATE, WEST, REGION), computed=computed(results))[WEST]
    assert isinstance(error, ProviderError)
    assert "image.raw" in error.message


def test_adding_replicas_reports_progress(provider: Provider) -> None:
    results = publish(provider, EAST)
    heard: list[Any] = []
    step = Step(Verb.UPDATE, EAST, {**REGION, "replicas": 3}, REGION)
    provider.begin(
        Operation(VERSION, writer_of(), (step,), version(), computed(results)), lambda *told: heard.append(told)
    )
    assert heard


def test_large_descriptions_are_read_in_full(provider: Provider) -> None:
    tags = {f"tag{number}": "x" * 200 for number in range(40)}
    step = Step(Verb.CREATE, GALLERY, {"location": "eastus", "tags": tags})
    assert isinstance(run(provider, step)[GALLERY], Applied)
    seen = provider.read(GALLERY)
    assert seen is not None
    assert seen.attributes["tags"] == tags

"""What remains of an object when its folder was emptied, its descriptions are lost, or its copies are not files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.local_galleries import REGION, provider_with_image, publish, run, version

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.protocol import Applied, Condition, Observed, Provider, Scope, Step, Verb
from reconciler.testing.operations import (
    CONTENT,
    EAST,
    GALLERY,
    VERSION,
    WEST,
    Results,
    applied,
    failed,
    owner_of,
)

TWO = {**REGION, "replicas": 2}


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return provider_with_image(tmp_path)


def folder_of(project: Path, region: Address) -> Path:
    return project.joinpath("regions", region.region, *region[:3])


def seen_by(provider: Provider, address: Address) -> Observed:
    seen = provider.read(address)
    assert seen is not None
    return seen


def published_twice(provider: Provider) -> tuple[Results, Any]:
    """A region with two replicas, and what is recorded of its version."""
    own = Step(Verb.CREATE, VERSION, version())
    results = run(provider, own, Step(Verb.CREATE, EAST, TWO))
    return results, json.loads(applied(results, VERSION).computed)


def repair(provider: Provider, computed: Any, *, recorded: bool = True, planned: Any = REGION) -> Any:
    step = Step(Verb.REPLACE, EAST, planned, planned, recorded=recorded)
    return run(provider, step, computed=computed)[EAST]


def lose_descriptions(project: Path) -> None:
    """Those of the region and of its version."""
    (folder_of(project, EAST) / "region.json").unlink()
    (folder_of(project, EAST).parent / "1.0.3.json").unlink()


def test_an_emptied_folder_is_absent_and_filled_again(tmp_path: Path, provider: Provider) -> None:
    results = publish(provider, EAST, WEST)
    folder = folder_of(tmp_path, WEST)
    for path in folder.iterdir():
        path.unlink()
    assert provider.read(WEST) is None
    wanted = {WEST: applied(results, WEST).fingerprint}
    scan = provider.scan(Scope({**wanted, EAST: None, VERSION: None}, unmanaged=True))
    assert (dict(scan.unreachable), scan.unmanaged, WEST in scan.observed) == ({}, (), False)
    computed = json.loads(applied(results, VERSION).computed)
    applied(run(provider, Step(Verb.CREATE, WEST, REGION), computed=computed), WEST)
    assert seen_by(provider, WEST).condition is Condition.READY


def test_an_emptied_folder_goes_with_its_region_and_with_its_version(tmp_path: Path, provider: Provider) -> None:
    publish(provider, EAST, WEST)
    for region in (EAST, WEST):
        for path in folder_of(tmp_path, region).iterdir():
            path.unlink()
    run(provider, Step(Verb.DELETE, WEST, prior=REGION))
    assert not folder_of(tmp_path, WEST).exists()
    run(provider, Step(Verb.DELETE, VERSION, prior=version()))
    assert not folder_of(tmp_path, EAST).exists()


def test_lost_descriptions_are_written_again_around_the_same_copies(tmp_path: Path, provider: Provider) -> None:
    """Of the version and of the region: nothing in the world names the owner any more, the record does."""
    results, computed = published_twice(provider)
    copies = {path.name: path.stat().st_ino for path in folder_of(tmp_path, EAST).glob("replica-*")}
    lose_descriptions(tmp_path)
    (tmp_path / "image.raw").unlink()  # it is not needed
    seen = provider.scan(Scope({EAST: applied(results, EAST).fingerprint})).observed[EAST]
    assert (seen.mark, seen.mark_lost, seen.condition) == (None, True, Condition.DAMAGED)
    own = Step(Verb.CREATE, VERSION, version(), recorded=True)
    again = run(provider, own, Step(Verb.REPLACE, EAST, TWO, TWO, recorded=True), computed=computed)
    for address in (VERSION, EAST):
        now = seen_by(provider, address)
        assert owner_of().owns(now.mark, address)
        assert (now.condition, now.fingerprint) == (Condition.READY, applied(again, address).fingerprint)
        assert now.computed == applied(results, address).computed == applied(again, address).computed
    assert {path.name: path.stat().st_ino for path in folder_of(tmp_path, EAST).glob("replica-*")} == copies


@pytest.mark.parametrize("harm", ["other bytes", "a copy less", "a copy more", "one file"])
def test_a_region_without_description_whose_copies_are_not_whole_is_filled_again(
    tmp_path: Path, provider: Provider, harm: str
) -> None:
    _, computed = published_twice(provider)
    folder = folder_of(tmp_path, EAST)
    first, second = folder / "replica-1.os.raw", folder / "replica-2.os.raw"
    (folder / "region.json").unlink()
    if harm == "a copy more":
        shutil.copy(first, folder / "replica-3.os.raw")
    else:
        second.unlink()
    if harm == "other bytes":
        second.write_bytes(CONTENT[::-1])
    if harm == "one file":
        second.hardlink_to(first)
    assert isinstance(repair(provider, computed, planned=TWO), Applied)
    assert [path.read_bytes() for path in sorted(folder.glob("replica-*"))] == [CONTENT, CONTENT]
    assert seen_by(provider, EAST).condition is Condition.READY


def test_what_has_no_mark_is_not_ours_without_a_record(tmp_path: Path, provider: Provider) -> None:
    _, computed = published_twice(provider)
    lose_descriptions(tmp_path)
    assert isinstance(repair(provider, computed, recorded=False), ObjectConflict)
    delete = Step(Verb.DELETE, EAST, prior=REGION)
    assert isinstance(failed(run(provider, delete), EAST), ObjectConflict)
    assert len(list(folder_of(tmp_path, EAST).iterdir())) == 2
    applied(run(provider, replace(delete, recorded=True)), EAST)
    assert not folder_of(tmp_path, EAST).exists()


def test_what_has_no_mark_and_a_file_of_others_is_not_ours(tmp_path: Path, provider: Provider) -> None:
    _, computed = published_twice(provider)
    lose_descriptions(tmp_path)
    (folder_of(tmp_path, EAST) / "notes.txt").write_text("mine")
    seen = seen_by(provider, EAST)
    assert (seen.mark, seen.mark_lost) == (None, False)
    assert "notes.txt" in seen.defects[0]
    assert isinstance(repair(provider, computed), ObjectConflict)
    assert (folder_of(tmp_path, EAST) / "notes.txt").exists()


def test_a_damaged_description_of_a_gallery_is_written_again_if_it_is_recorded(
    tmp_path: Path, provider: Provider
) -> None:
    attributes = {"location": "eastus"}
    applied(run(provider, Step(Verb.CREATE, GALLERY, attributes)), GALLERY)
    path = tmp_path / "regions/eastus/corp/gallery.json"
    path.chmod(0o644)
    path.write_text("")
    seen = seen_by(provider, GALLERY)
    assert (seen.mark_lost, seen.condition) == (True, Condition.DAMAGED)
    step = Step(Verb.UPDATE, GALLERY, attributes, attributes)
    assert isinstance(failed(run(provider, step), GALLERY), ObjectConflict)
    applied(run(provider, replace(step, recorded=True)), GALLERY)
    assert seen_by(provider, GALLERY).condition is Condition.READY


def test_a_description_of_a_newer_release_is_neither_damaged_nor_touched(tmp_path: Path, provider: Provider) -> None:
    results = publish(provider, EAST)
    path = folder_of(tmp_path, EAST) / "region.json"
    content = {**json.loads(path.read_text()), "format": 99}
    path.chmod(0o644)
    path.write_text(json.dumps(content))
    scan = provider.scan(Scope({EAST: applied(results, EAST).fingerprint}, unmanaged=True))
    assert "99" in scan.unreachable[EAST]
    computed = json.loads(applied(results, VERSION).computed)
    for step in (Step(Verb.DELETE, EAST, prior=REGION), Step(Verb.REPLACE, EAST, REGION, REGION, recorded=True)):
        assert "99" in failed(run(provider, step, computed=computed), EAST).message
    assert json.loads(path.read_text()) == content


def test_two_replicas_that_are_one_file_count_once(tmp_path: Path, provider: Provider) -> None:
    results, computed = published_twice(provider)
    folder = folder_of(tmp_path, EAST)
    (folder / "replica-2.os.raw").unlink()
    (folder / "replica-2.os.raw").hardlink_to(folder / "replica-1.os.raw")
    for deep in (False, True):
        seen = provider.scan(Scope({EAST: applied(results, EAST).fingerprint}, deep=deep)).observed[EAST]
        assert seen.condition is Condition.DAMAGED
        assert "same file as replica-1.os.raw" in seen.defects[0]
    assert isinstance(repair(provider, computed, planned=TWO), Applied)
    assert len({path.stat().st_ino for path in folder.glob("replica-*")}) == 2


@pytest.mark.parametrize("inside", [False, True])
def test_a_directory_in_the_place_of_a_copy_is_damage_and_what_is_in_it_stays(
    tmp_path: Path, provider: Provider, *, inside: bool
) -> None:
    results = publish(provider, EAST)
    copy = folder_of(tmp_path, EAST) / "replica-1.os.raw"
    copy.unlink()
    copy.mkdir()
    if inside:
        (copy / "notes.txt").write_text("mine")
    seen = provider.scan(Scope({EAST: applied(results, EAST).fingerprint})).observed[EAST]
    assert seen.defects == ("replica-1.os.raw is not a regular file",)
    before = sorted(os.listdir(folder_of(tmp_path, EAST)))
    result = repair(provider, json.loads(applied(results, VERSION).computed))
    assert isinstance(result, ObjectConflict if inside else Applied)
    assert sorted(os.listdir(folder_of(tmp_path, EAST))) == before
    assert copy.is_dir() is inside


def test_a_shallow_version_whose_source_is_gone_fails_with_its_name(tmp_path: Path, provider: Provider) -> None:
    results = publish(provider, EAST, replicationMode="Shallow")
    (tmp_path / "image.raw").unlink()
    attributes = version(replicationMode="Shallow")
    computed = json.loads(applied(results, VERSION).computed)
    for step in (Step(Verb.CREATE, WEST, REGION), Step(Verb.REPLACE, EAST, REGION, REGION)):
        error = failed(run(provider, step, attributes=attributes, computed=computed), step.address)
        assert "image.raw" in error.message
        assert "Shallow" in error.message
        assert error.remedy


def test_a_copy_with_other_bytes_is_found_without_a_fingerprint(tmp_path: Path, provider: Provider) -> None:
    """As in a region whose repair was interrupted: what was recorded of it is not compared then."""
    publish(provider, EAST)
    copy = folder_of(tmp_path, EAST) / "replica-1.os.raw"
    copy.unlink()
    copy.write_bytes(CONTENT[::-1])
    seen = provider.scan(Scope({EAST: None})).observed[EAST]
    assert seen.defects == ("replica-1.os.raw has other content than was published",)
    step = Step(Verb.UPDATE, EAST, {**REGION, "excludeFromLatest": True}, REGION)
    assert "other content" in failed(run(provider, step), EAST).message

"""The directories of the local provider: names, links, full and read-only disks, and files of others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.local_galleries import REGION, provider_at, provider_with_image, publish, run, version
from support.mounts import btrfs, read_only, tmpfs

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import decode_mark
from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError, Unavailable, Unsupported
from reconciler.providers.protocol import Applied, Condition, Done, Operation, Provider, Scope, Step, Verb
from reconciler.testing.operations import CONTENT, EAST, GALLERY, VERSION, WEST, Results, owner_of, writer_of


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return provider_with_image(tmp_path)


def made(results: Results, *addresses: Address) -> None:
    for address in addresses:
        assert isinstance(results[address], Applied), results[address]


def refused(results: Results, address: Address, kind: type[ProviderError] = ProviderError) -> ProviderError:
    error = results[address]
    assert isinstance(error, kind), error
    assert error.remedy
    return error


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_layout_is_readable(tmp_path: Path, provider: Provider) -> None:
    made(run(provider, Step(Verb.CREATE, GALLERY, {"location": "eastus"})), GALLERY)
    made(publish(provider, EAST, WEST), EAST, WEST)
    assert everything(tmp_path / "regions") == {
        "eastus",
        "eastus/corp",
        "eastus/corp/gallery.json",
        "eastus/corp/ubuntu",
        "eastus/corp/ubuntu/1.0.3.json",
        "eastus/corp/ubuntu/1.0.3",
        "eastus/corp/ubuntu/1.0.3/region.json",
        "eastus/corp/ubuntu/1.0.3/replica-1.os.raw",
        "westus",
        "westus/corp",
        "westus/corp/ubuntu",
        "westus/corp/ubuntu/1.0.3",
        "westus/corp/ubuntu/1.0.3/region.json",
        "westus/corp/ubuntu/1.0.3/replica-1.os.raw",
    }
    text = (tmp_path / "regions/westus/corp/ubuntu/1.0.3/region.json").read_text()
    assert decode_mark(json.loads(text)["owner"]) == owner_of().mark(WEST)
    assert "\n  " in text


def test_published_files_are_read_only(tmp_path: Path, provider: Provider) -> None:
    publish(provider, EAST)
    for path in (tmp_path / "regions/eastus/corp/ubuntu/1.0.3").iterdir():
        assert path.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("gallery", ["..", ".", ".hidden", "a/b", "a\0b", "-x"])
def test_a_name_that_would_lead_elsewhere_is_refused(tmp_path: Path, provider: Provider, gallery: str) -> None:
    with pytest.raises(Unsupported, match="cannot be the name of a directory"):
        run(provider, Step(Verb.CREATE, Address(gallery), {"location": "eastus"}))
    with pytest.raises(Unsupported):
        run(provider, Step(Verb.CREATE, Address("corp", gallery), {"location": "eastus"}))
    assert not (tmp_path / "regions").exists()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nothing_is_written_or_deleted_through_a_symbolic_link(tmp_path: Path, provider: Provider, depth: int) -> None:
    """A link instead of GALLERY, DEFINITION or VERSION."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    link = (tmp_path / "regions/eastus").joinpath(*EAST[:depth])
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    attributes = version(location="westus")
    steps = (Step(Verb.CREATE, EAST, REGION), Step(Verb.CREATE, WEST, REGION))
    results = run(provider, Step(Verb.CREATE, VERSION, attributes), *steps, attributes=attributes)
    refused(results, EAST, ObjectConflict)
    made(results, WEST, VERSION)
    refused(run(provider, Step(Verb.DELETE, EAST, prior=REGION)), EAST)
    assert everything(outside) == {"precious"}
    assert link.is_symlink()


def test_a_link_in_the_place_of_a_copy_is_damage(tmp_path: Path, provider: Provider) -> None:
    made(publish(provider, EAST), EAST)
    copy = tmp_path / "regions/eastus/corp/ubuntu/1.0.3/replica-1.os.raw"
    copy.unlink()
    copy.symlink_to(tmp_path / "image.raw")
    seen = provider.read(EAST)
    assert seen is not None
    assert seen.condition is Condition.DAMAGED


@pytest.mark.root
def test_a_full_disk_fails_only_its_region_and_leaves_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "image.raw").write_bytes(os.urandom(3 << 20))
    (tmp_path / "east").mkdir()
    with tmpfs(tmp_path / "west", 2 << 10) as west:
        provider = provider_at(tmp_path, regions={"eastus": "east", "westus": "west"})
        results = publish(provider, EAST, WEST)
        made(results, VERSION, EAST)
        error = refused(results, WEST)
        assert "No space left" in error.message
        assert "space" in error.remedy
        assert list(west.iterdir()) == []
        assert provider.read(WEST) is None


@pytest.mark.root
def test_only_a_read_only_region_fails(tmp_path: Path) -> None:
    (tmp_path / "image.raw").write_bytes(CONTENT)
    for name in ("east", "west"):
        (tmp_path / name).mkdir()
    provider = provider_at(tmp_path, regions={"eastus": "east", "westus": "west"})
    with read_only(tmp_path / "west"):
        results = publish(provider, EAST, WEST)
        made(results, VERSION, EAST)
        assert "writable" in refused(results, WEST).remedy


def test_only_an_unmounted_region_fails_and_it_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "image.raw").write_bytes(CONTENT)
    (tmp_path / "east").mkdir()
    provider = provider_at(tmp_path, regions={"East US": "east", "westus": "west"})
    assert provider.capabilities().regions == frozenset({"eastus", "westus"})
    results = publish(provider, EAST, WEST)
    made(results, VERSION, EAST)
    refused(results, WEST, Unavailable)
    assert not (tmp_path / "west").exists()
    scan = provider.scan(Scope({EAST: None, WEST: None, VERSION: None, Address("other"): None}))
    assert scan.observed.keys() == {EAST, VERSION}
    assert scan.unreachable.keys() == {WEST, Address("other")}
    assert all("is it mounted?" in why for why in scan.unreachable.values())


@pytest.mark.root
def test_a_region_on_a_file_system_that_shares_blocks_costs_no_space(tmp_path: Path) -> None:
    with btrfs(tmp_path / "disk") as disk:
        (disk / "image.raw").write_bytes(os.urandom(24 << 20))
        os.sync()
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        made(publish(provider_at(disk), EAST, WEST), EAST, WEST)
        os.sync()
        used = free - os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        assert used < 12 << 20


def test_a_source_that_changes_while_it_is_copied_publishes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    path.write_bytes(os.urandom(8 << 20))
    provider = provider_at(tmp_path)

    def change(*_: object) -> None:
        with path.open("r+b") as file:
            file.write(os.urandom(512))

    steps = (Step(Verb.CREATE, VERSION, version()), Step(Verb.CREATE, EAST, REGION), Step(Verb.CREATE, WEST, REGION))
    answer = provider.begin(Operation(VERSION, writer_of(), steps, version()), change)
    assert isinstance(answer, Done)
    for region in (EAST, WEST):
        assert "changed while it was read" in refused(answer.results, region, SourceError).message
    assert not [name for name in everything(tmp_path / "regions") if "1.0.3/" in name or "staging" in name]


def test_replacing_leaves_nothing_of_the_previous_content(tmp_path: Path, provider: Provider) -> None:
    results = publish(provider, EAST)
    before = everything(tmp_path / "regions")
    own = results[VERSION]
    assert isinstance(own, Applied)
    again = run(provider, Step(Verb.REPLACE, EAST, REGION, REGION), computed=json.loads(own.computed))
    made(again, EAST)
    assert everything(tmp_path / "regions") == before


def test_a_root_that_is_gone_is_unreachable_and_one_never_created_is_empty(tmp_path: Path, provider: Provider) -> None:
    assert not provider.scan(Scope({EAST: None})).unreachable
    scan = provider.scan(Scope({EAST: "eastus/corp/ubuntu/1.0.3|region.json 1:2:3", VERSION: None}))
    assert scan.unreachable.keys() == {EAST, VERSION}
    assert all("is it mounted?" in why for why in scan.unreachable.values())


def test_a_copy_with_the_same_size_and_another_time_is_read(tmp_path: Path, provider: Provider) -> None:
    """A copy that was only touched is fine; its bytes are read to find that out."""
    east = publish(provider, EAST)[EAST]
    assert isinstance(east, Applied)
    copy = tmp_path / "regions/eastus/corp/ubuntu/1.0.3/replica-1.os.raw"
    os.utime(copy)
    scan = provider.scan(Scope({EAST: east.fingerprint}))
    assert scan.matching == frozenset()
    assert scan.observed[EAST].condition is Condition.READY
    assert scan.observed[EAST].fingerprint != east.fingerprint


def test_a_version_stays_while_a_region_of_it_cannot_be_deleted(tmp_path: Path, provider: Provider) -> None:
    publish(provider, EAST, WEST)
    (tmp_path / "regions/westus/corp/ubuntu/1.0.3/notes.txt").write_text("mine")
    steps = [Step(Verb.DELETE, region, prior=REGION) for region in (EAST, WEST)]
    results = run(provider, *steps, Step(Verb.DELETE, VERSION, prior=version()))
    made(results, EAST)
    refused(results, WEST, ObjectConflict)
    assert str(WEST) in refused(results, VERSION).message
    assert provider.read(VERSION) is not None

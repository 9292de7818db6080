"""Regions that are not where they were, on the local provider: unmounted disks, other roots, files in their place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.estates import Estate, definition, gallery, version
from support.mounts import tmpfs

from reconciler.applying.place_changes import accept_place
from reconciler.errors import Unreachable
from reconciler.manifests.address import Address
from reconciler.planning.actions import Action, Reason
from reconciler.providers.local.directories.markers import MARKER

EAST, WEST = (Address.parse(f"corp/ubuntu/1.0.0@{region}") for region in ("eastus", "westus"))


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path / "project")
    made.image("a.raw", b"first")
    made.write([gallery(), definition(), version({"file": "../images/a.raw"})])
    return made


def settings(estate: Estate, provider: str) -> None:
    (estate.directory / "reconciler.yaml").write_text(
        f"project: test\nmanifests: [manifests]\nprovider: {{type: local, {provider}}}\n"
    )


def is_unknown(estate: Estate, *addresses: Address) -> None:
    """Plan and drift report nothing but that they do not know; nothing is forgotten either."""
    recorded = estate.engine().state()
    plan = estate.plan()
    assert {address for address, _ in plan.unreachable} == set(addresses)
    assert not plan.changes
    with estate.engine() as engine:
        report = engine.drift()
    assert {address for address, _ in report.unreachable} == set(addresses)
    assert not report.found
    for why in dict(plan.unreachable).values():
        assert "mount" in why or "leads through a link" in why
    for options in ({"destroy": True}, {}):
        with pytest.raises(Unreachable):
            estate.apply(**options)
    assert estate.engine().state().records.keys() == recorded.records.keys()


@pytest.mark.root
def test_an_unmounted_disk_is_unknown_and_nothing_is_written_under_it(estate: Estate) -> None:
    settings(estate, "regions: {eastus: east, westus: mnt/west}")
    (estate.directory / "east").mkdir()
    mounted = estate.directory / "mnt/west"
    with tmpfs(mounted, 4 << 10):
        estate.apply()
        assert estate.plan().changes == ()
    is_unknown(estate, WEST)
    assert list(mounted.iterdir()) == []


@pytest.mark.parametrize("content", ["an empty directory", "nothing", "a file", "a dangling link"])
def test_a_region_of_a_root_that_is_something_else_is_unknown(estate: Estate, content: str) -> None:
    estate.apply()
    west, away = estate.regions / "westus", estate.directory / "away"
    west.rename(away)
    if content == "an empty directory":
        west.mkdir()
    elif content == "a file":
        west.write_text("")
    elif content == "a dangling link":
        west.symlink_to("nowhere")
    is_unknown(estate, WEST)
    if west.is_dir():
        west.rmdir()
    west.unlink(missing_ok=True)
    away.rename(west)
    assert estate.plan().changes == ()


def test_a_directory_that_lost_its_id_is_unknown_though_the_last_plan_was_empty(estate: Estate) -> None:
    estate.apply()
    for _ in range(2):
        assert estate.plan().changes == ()
    (estate.regions / "westus" / MARKER).unlink()
    is_unknown(estate, WEST)


@pytest.mark.parametrize("exists", [True, False])
def test_another_root_is_unknown(estate: Estate, *, exists: bool) -> None:
    estate.apply()
    if exists:
        (estate.directory / "other").mkdir()
    settings(estate, "root: other")
    is_unknown(estate, *estate.engine().state().records)
    assert list((estate.directory / "other").glob("*")) == []


def test_two_regions_that_were_swapped_are_unknown(estate: Estate) -> None:
    estate.apply()
    east, west, away = estate.regions / "eastus", estate.regions / "westus", estate.directory / "away"
    east.rename(away)
    west.rename(east)
    away.rename(west)
    is_unknown(estate, *estate.engine().state().records)


def test_the_home_region_of_a_gallery_alone_is_unknown(estate: Estate) -> None:
    """No target region is recorded in it."""
    image = {"file": "../images/a.raw"}
    estate.write([gallery(location="northeurope"), definition(location="eastus"), version(image, location="eastus")])
    estate.apply()
    (estate.regions / "northeurope").rename(estate.directory / "away")
    (estate.regions / "northeurope").mkdir()
    plan = estate.plan()
    assert Address("corp") in dict(plan.unreachable)
    assert not plan.changes


def test_a_region_that_is_new_is_not_created_in_another_root(estate: Estate) -> None:
    """What an unmounted disk leaves of a root is an empty directory, in which a new region would be hidden later."""
    estate.apply()
    estate.regions.rename(estate.directory / "away")
    estate.regions.mkdir()
    image = {"file": "../images/a.raw"}
    everywhere = ["eastus", "westus", "northeurope"]
    estate.write([gallery(), definition(), version(image, targetRegions=everywhere), gallery("labs")])
    with pytest.raises(Unreachable):
        estate.apply()
    assert list(estate.regions.iterdir()) == []


def test_a_root_that_is_lost_for_good_is_accepted_region_by_region(estate: Estate) -> None:
    estate.apply()
    before = estate.tree()
    shutil.rmtree(estate.regions)
    for region in ("eastus", "westus"):
        with estate.engine() as engine:
            accept_place(engine, region, "")
    assert {change.reason for change in estate.plan().changes} == {Reason.VANISHED}
    estate.apply()
    assert estate.tree() == before
    assert estate.plan().changes == ()


def test_what_vanished_from_its_region_is_made_again(estate: Estate) -> None:
    """All of it, even the folders: the region itself is the one that it was."""
    estate.apply()
    shutil.rmtree(estate.regions / "westus/corp")
    (change,) = estate.plan().changes
    assert (change.address, change.action, change.reason) == (WEST, Action.CREATE, Reason.VANISHED)
    estate.apply()
    assert estate.plan().changes == ()


@pytest.mark.parametrize("file", ["*", "region.json", "../1.0.0.json"])
def test_what_lost_files_is_repaired_and_deleted(estate: Estate, file: str) -> None:
    """A folder that was emptied, and one whose descriptions are lost, of the version as well."""
    estate.apply()
    before = estate.tree()
    folder = estate.regions / "eastus/corp/ubuntu/1.0.0"
    for path in [*folder.glob(file)] or [folder / file]:
        path.unlink()
    if file == "region.json":
        (folder.parent / "1.0.0.json").unlink()
    outcome = estate.apply()
    assert outcome.result is not None
    assert outcome.result.complete, outcome.result
    assert estate.plan().changes == ()
    assert estate.tree() == before
    for path in [*folder.glob(file)] or [folder / file]:
        path.unlink()
    outcome = estate.apply(destroy=True)
    assert outcome.result is not None
    assert outcome.result.complete, outcome.result
    assert not [path for path in estate.tree() if path.count("/") > 2]

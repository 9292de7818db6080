"""Runs that lose their lease while they work: suspended past its end, overtaken by a clock, twins on copies of a state.
Whatever they had queued, they change nothing in the regions any more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fuzz.runs import Ended, Stopped, apply, in_child, stopped_apply, wait_for
from support.estates import Document, Estate, definition, gallery, version

CONSENT = {"allow_deletes": 999, "allow_loss": ("corp",)}
NUMBER = 6
STOPS = (1, 3, 8, 15, 25, 40, 60)


def documents(estate: Estate, numbers: Sequence[int], description: str = "first") -> list[Document]:
    """A definition with these versions, each in two regions."""
    sources = {number: {"file": estate.image(f"{number}.raw", f"image {number}".encode())} for number in numbers}
    versions = [version(source, name=f"1.0.{number}") for number, source in sources.items()]
    return [gallery(description=description), definition(), *versions]


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path / "estate")


def sleepers(estate: Estate, before: Sequence[int], after: Sequence[int], ttl_s: float) -> Iterator[Stopped]:
    """Runs on the way from some versions to others, suspended at various moments; the manifests are then taken back."""
    fresh = estate.directory.with_name("fresh")
    estate.write(documents(estate, before))
    assert estate.apply().result
    shutil.copytree(estate.directory, fresh, symlinks=True)
    for at in STOPS:
        shutil.rmtree(estate.directory)
        shutil.copytree(fresh, estate.directory, symlinks=True)
        estate.apply(**CONSENT)  # whose files have other numbers now: what they are is recorded again
        estate.write(documents(estate, after))
        stopped = stopped_apply(estate.directory, CONSENT, at, ttl_s)
        if isinstance(stopped, str):
            return
        estate.write(documents(estate, before, "so that the next run has something to do"))
        try:
            yield stopped
        finally:
            stopped.end()


def check_taken_over(estate: Estate, rival: Ended, sleeper: Stopped) -> None:
    """Nothing changes when the run wakes up that another one has taken over from, and nothing is left to do."""
    tree = estate.tree()
    assert rival.how == "done", rival
    assert sleeper.go_on() == "lost"
    assert estate.tree() == tree
    assert estate.plan(**CONSENT).changes == ()


@pytest.mark.slow(30)
@pytest.mark.parametrize(
    ("before", "after"), [(range(NUMBER), range(1)), (range(1), range(NUMBER))], ids=["delete", "create"]
)
def test_a_run_suspended_past_its_lease_changes_nothing_more(
    estate: Estate, before: Sequence[int], after: Sequence[int]
) -> None:
    woken = 0
    for sleeper in sleepers(estate, before, after, ttl_s=0.06):
        check_taken_over(estate, apply(estate.directory, CONSENT), sleeper)
        woken += 1
    assert woken > 3


@pytest.mark.slow(15)
def test_a_run_overtaken_by_a_clock_that_is_ahead_changes_nothing_more(estate: Estate) -> None:
    woken = 0
    for sleeper in sleepers(estate, range(NUMBER), range(1), ttl_s=60.0):
        check_taken_over(estate, apply(estate.directory, CONSENT, ahead_s=120.0), sleeper)
        woken += 1
    assert woken > 3


def published(estate: Estate) -> dict[str, list[bytes]]:
    """Each folder of a version in a region, with what its copies begin with."""
    folders = (path for path in estate.regions.glob("*/corp/ubuntu/*") if path.is_dir() and path.name[0] != ".")
    return {
        str(folder.relative_to(estate.regions)): [
            copy.read_bytes().rstrip(b"\0") for copy in sorted(folder.glob("replica-*"))
        ]
        for folder in folders
    }


@pytest.mark.slow(20)
def test_projects_that_share_regions_on_copies_of_one_state_never_publish_half_a_version(tmp_path: Path) -> None:
    estate, twin = Estate(tmp_path / "estate"), Estate(tmp_path / "twin")
    estate.write(documents(estate, ()))
    estate.apply()
    shutil.rmtree(twin.directory)
    shutil.copytree(estate.directory, twin.directory, symlinks=True)
    shutil.rmtree(twin.regions)
    twin.regions.symlink_to(estate.regions)
    for round_number in range(4):
        numbers = range(NUMBER * (round_number + 1))
        for one in (estate, twin):
            one.write(documents(one, numbers))
        for pid in [in_child(lambda one=one: apply(one.directory, {})) for one in (estate, twin)]:  # type: ignore[misc]
            assert wait_for(pid) in ("done", "nothing", "incomplete", "refused", "error", "lost")
        for folder, copies in published(estate).items():
            assert copies == [f"image {os.path.basename(folder).rpartition('.')[2]}".encode()], folder
    assert apply(estate.directory, {}).how in ("done", "nothing")
    assert len(published(estate)) == 2 * len(numbers)

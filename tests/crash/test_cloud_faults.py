"""Something goes wrong at every call of the quickstart: an apply converges, or says what is left for the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.workloads import CloudEstate, cloud_estate, make_images

from reconciler.manifests.errors import ReconcilerError
from reconciler.providers.emulator.core.injected_faults import Fault

SHARES = 4
FAULTS = {
    "error": Fault("error", status=500),
    "unavailable": Fault("error", status=503, code="ServiceUnavailable"),
    "drop": Fault("drop"),
    "lose-answer": Fault("lose-answer"),
    "throttle": Fault("throttle", seconds=0),
    "expire-token": Fault("expire-token"),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("images") / "made")


def requests(estate: CloudEstate) -> int:
    """How many calls were made so far."""
    counted: int = estate.world.emulator.request_log.summary()["total"]
    return counted


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, azurite: RunningAzurite, images: Path
) -> tuple[int, list[str]]:
    """How many calls an apply makes, and what is there afterwards."""
    with cloud_estate(tmp_path_factory.mktemp("undisturbed") / "project", azurite, images) as estate:
        assert estate.apply().result is not None
        return requests(estate), settled(estate)


def settled(estate: CloudEstate) -> list[str]:
    """What is there, names of disks left out."""
    return [name for name in estate.world.objects() if not name.endswith(".vhd")]


def check_converged(estate: CloudEstate, objects: list[str]) -> None:
    """Nothing to do, nothing missing, nothing more than there should be, no upload left, nothing in the journal."""
    plan = estate.plan()
    assert not plan.changes, [(change.address, change.action, change.reason) for change in plan.changes]
    assert not plan.unreachable
    assert settled(estate) == objects
    assert not [name for name in estate.world.objects() if name.startswith("staging")]
    with estate.engine() as engine:
        assert not engine.state().intents
        assert len(engine.state().records) == 15


def apply_through(estate: CloudEstate, *, destroy: bool = False, most: int = 2) -> None:
    """Applies until it is done: at most `most` times. A run that does not get there says why."""
    told: list[str] = []
    for _ in range(most - 1):
        try:
            outcome = estate.apply(destroy=destroy, allow_deletes=99, allow_loss=() if destroy else ("corp",))
        except ReconcilerError as error:
            told.append(error.message)
            continue
        if outcome.result is None or outcome.result.complete:
            return
        assert outcome.result.failed
        assert all(error.message for _, error in outcome.result.failed)
    assert all(told)
    last = estate.apply(destroy=destroy, allow_deletes=99, allow_loss=() if destroy else ("corp",))
    assert last.result is None or last.result.complete, last.result


def points(calls: int, share: int) -> Iterator[int]:
    """A few more than were counted: disturbed runs make more calls, and threads make them in another order."""
    return iter(range(share, calls + 5, SHARES))


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_at_every_call(
    tmp_path: Path, azurite: RunningAzurite, images: Path, undisturbed: tuple[int, list[str]], name: str, share: int
) -> None:
    calls, objects = undisturbed
    happened = 0
    for skip in points(calls, share):
        with cloud_estate(tmp_path / str(skip), azurite, images) as estate:
            fault = replace(FAULTS[name], skip=skip)
            estate.set_faults(fault)
            apply_through(estate)
            happened += fault.spent
            estate.set_faults()
            check_converged(estate, objects)
    assert happened >= (calls - 5) // SHARES


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", ["error", "lose-answer"])
def test_one_fault_at_every_call_of_a_change_and_of_the_end(
    tmp_path: Path, azurite: RunningAzurite, images: Path, undisturbed: tuple[int, list[str]], name: str, share: int
) -> None:
    """A region goes, another one comes, a version is changed and one removed; then everything is destroyed."""
    happened, calls = 0, undisturbed[0]
    for skip in points(calls, share):
        with cloud_estate(tmp_path / str(skip), azurite, images) as estate:
            estate.allow_removal()
            assert estate.apply().result is not None
            estate.change()
            fault = replace(FAULTS[name], skip=skip)
            estate.set_faults(fault)
            apply_through(estate)
            assert not estate.plan().changes
            names = settled(estate)
            assert not [one for one in names if one.endswith("web/versions/1.1.0@westus") or "/worker/" in one]
            assert [one for one in names if one.endswith("web/versions/1.1.0@uksouth")]
            apply_through(estate, destroy=True)
            happened += fault.spent
            estate.set_faults()
            assert estate.world.objects() == []
    assert happened >= (calls - 5) // SHARES


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("region", ["eastus", "westus", "northeurope"])
def test_a_region_that_fails_is_made_by_the_next_apply(
    tmp_path: Path, azurite: RunningAzurite, images: Path, undisturbed: tuple[int, list[str]], region: str, times: int
) -> None:
    with cloud_estate(tmp_path / "project", azurite, images) as estate:
        estate.set_faults(Fault("fail-region", region=region, times=times))
        first = estate.apply().result
        assert first is not None
        assert len(first.failed) == min(times, 3)
        assert {address.region for address, _ in first.failed} == {region}
        assert all("internal error" in error.message and error.remedy for _, error in first.failed)
        others = {name for name in settled(estate) if name.partition("@")[2] in {"eastus", "westus", "northeurope"}}
        assert len(others) == 9
        second = estate.apply().result
        assert second is not None
        assert sum(second.done.values()) == min(times, 3) - len(second.failed)
        if second.failed:
            estate.apply()
        check_converged(estate, undisturbed[1])


def test_parents_that_are_not_seen_yet_and_children_that_are_seen_too_long(
    tmp_path: Path, azurite: RunningAzurite, images: Path, undisturbed: tuple[int, list[str]]
) -> None:
    with cloud_estate(tmp_path / "project", azurite, images) as estate:
        estate.set_faults(Fault("hide-parent", times=4), Fault("busy-parent", times=4))
        apply_through(estate, most=1)
        check_converged(estate, undisturbed[1])
        apply_through(estate, destroy=True, most=1)
        assert estate.world.objects() == []

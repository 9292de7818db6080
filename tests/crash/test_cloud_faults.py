"""Something goes wrong at every call of the quickstart: one apply converges, or says what is left and the next does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azurite import RunningAzurite
from support.cloud_estates import CloudEstate, cloud_estate, make_images

from manifests.errors import ReconcilerError
from providers.emulator.faults import Fault

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
    counted: int = estate.world.emulator.traffic.shown()["total"]
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


def apply_through(estate: CloudEstate) -> None:
    """Applies until it is done: at most twice."""
    try:
        outcome = estate.apply()
        if outcome.result is not None and outcome.result.complete:
            return
        assert outcome.result is not None
        assert outcome.result.failed
        assert all(error.message for _, error in outcome.result.failed)
    except ReconcilerError as error:
        assert error.message
    again = estate.apply()
    assert again.result is None or again.result.complete, again.result


def points(calls: int, share: int) -> Iterator[int]:
    """A few more than were counted: disturbed runs make more calls, and threads make them in another order."""
    return iter(range(share, calls + 5, SHARES))


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_at_every_call(
    tmp_path: Path, azurite: RunningAzurite, images: Path, undisturbed: tuple[int, list[str]], name: str, share: int
) -> None:
    calls, objects = undisturbed
    for skip in points(calls, share):
        with cloud_estate(tmp_path / str(skip), azurite, images) as estate:
            fault = FAULTS[name]
            estate.set_faults(Fault(fault.action, skip=skip, status=fault.status, code=fault.code))
            apply_through(estate)
            estate.set_faults()
            check_converged(estate, objects)

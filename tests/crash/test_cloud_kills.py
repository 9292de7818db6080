"""A run on Azure's API killed at any call of the provider, call to the service or state write; the next one settles it.

The child process kills itself with SIGKILL when it reaches its point; the emulator lives on in the parent, and the blob
service beside it. Afterwards a plain apply must converge to what an undisturbed run makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.kill_points import install
from support.azure.workloads import CloudEstate, cloud_estate, make_images
from support.killing import killed_at

STRIDE, SLOW_STRIDE = 5, 11
"""A killed run and its repair take two to three seconds, slow ones three times as long: too much for every point. Odd
steps meet points before and after the same calls in turn."""

SLOW = 0.0025
"""A copy takes a second then, and every operation is still under way when its first answer comes."""


@dataclass(frozen=True)
class Outcome:
    """What there is after a run: objects by name, how many disks the service keeps, records."""

    names: tuple[str, ...]
    disks: int
    records: frozenset[str]


def outcome_of(estate: CloudEstate) -> Outcome:
    objects = estate.world.objects()
    names = tuple(name for name in objects if not name.endswith(".vhd"))
    with estate.engine() as engine:
        state = engine.state()
        assert not state.intents
        return Outcome(names, len(objects) - len(names), frozenset(map(str, state.records)))


@dataclass(frozen=True)
class Scenario:
    """What comes before the run that is killed, and what there is after one that is not."""

    prepare: Callable[[CloudEstate], None]
    wanted: Outcome


def nothing_before(_: CloudEstate) -> None:
    """The quickstart is applied for the first time."""


def changed_before(estate: CloudEstate) -> None:
    """It was applied, and then its manifests changed."""
    estate.allow_removal()
    assert estate.apply().result is not None
    estate.change()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("images") / "made")


@pytest.fixture(scope="module", params=[nothing_before, changed_before], ids=["create", "change"])
def scenario(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, azurite: RunningAzurite, images: Path
) -> Scenario:
    with cloud_estate(tmp_path_factory.mktemp("undisturbed") / "project", azurite, images) as estate:
        request.param(estate)
        estate.apply(allow_deletes=99, allow_loss=("corp",))
        wanted = outcome_of(estate)
    assert not [name for name in wanted.names if name.startswith("staging")]
    return Scenario(request.param, wanted)


def estates_killed(
    folder: Path, azurite: RunningAzurite, images: Path, scenario: Scenario, points: range, slow: float
) -> Iterator[CloudEstate]:
    """An estate after a run that was killed, for each point that such a run has."""
    for at in points:
        with cloud_estate(folder / str(at), azurite, images) as estate:
            scenario.prepare(estate)
            estate.world.set_time_scale(slow)
            if not killed_at(at, install, partial(estate.apply, allow_deletes=99, allow_loss=("corp",))):
                return
            yield estate


def check_settled(estate: CloudEstate, wanted: Outcome) -> None:
    """One plain apply is enough, and leaves what an undisturbed run leaves."""
    outcome = estate.apply(allow_deletes=99, allow_loss=("corp",))
    assert outcome.result is None or outcome.result.complete, outcome.result
    assert outcome_of(estate) == wanted
    assert not estate.plan().changes


@pytest.mark.slow(30)
def test_killed_anywhere_the_next_run_converges(
    tmp_path: Path, azurite: RunningAzurite, images: Path, scenario: Scenario
) -> None:
    settled = 0
    for estate in estates_killed(tmp_path, azurite, images, scenario, range(1, 10_000, STRIDE), 0):
        check_settled(estate, scenario.wanted)
        settled += 1
    assert settled > 5


@pytest.mark.slow(60)
def test_killed_while_the_service_is_at_it_the_next_run_waits_and_converges(
    tmp_path: Path, azurite: RunningAzurite, images: Path, scenario: Scenario
) -> None:
    settled, handles = 0, 0
    for estate in estates_killed(tmp_path, azurite, images, scenario, range(3, 10_000, SLOW_STRIDE), SLOW):
        with estate.engine() as engine:
            handles += any(intent.handle for intent in engine.state().intents.values())
        check_settled(estate, scenario.wanted)
        settled += 1
    assert settled > 2
    assert handles

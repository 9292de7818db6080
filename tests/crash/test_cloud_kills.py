"""A run on Azure's API killed at any call of the provider, call to the service or state write; the next one settles it.

The child process kills itself with SIGKILL when it reaches its point; the emulator lives on in the parent, and the blob
service beside it. Afterwards a plain apply must converge to what an undisturbed run makes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.azurite import RunningAzurite
from support.cloud_estates import CloudEstate, cloud_estate, make_images

STRIDE, SLOW_STRIDE = 5, 11
"""A killed run and its repair take two to three seconds, slow ones three times as long: too much for every point. Odd
steps meet points before and after the same calls in turn."""

SLOW = 0.0025
"""A copy takes a second then, and every operation is still under way when its first answer comes."""

PROVIDER_CALLS = ("begin", "poll", "tidy")
SERVICE_CALLS = (
    "put_gallery",
    "put_definition",
    "put_version",
    "delete_gallery",
    "delete_definition",
    "delete_version",
)
BLOB_CALLS = ("create_page_blob", "upload_page", "set_blob_metadata", "delete_blob")


class Killer:
    """Kills the process at point number `at`, there being one before and one after each call that is wrapped."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._count = 0

    def wrap(self, owner: type, *names: str) -> None:
        for name in names:
            setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._point()
            result = call(*args, **kwargs)
            self._point()
            return result

        return counted

    def _point(self) -> None:
        self._count += 1
        if self._count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def install(killer: Killer) -> None:
    """Puts the killer around everything that has an effect outside of the process."""
    from azure.storage.blob import BlobClient

    from providers.azure.api import Api
    from providers.azure.provider import AzureProvider
    from state.sql_store.store import SqlStore

    killer.wrap(SqlStore, "write")
    killer.wrap(AzureProvider, *PROVIDER_CALLS)
    killer.wrap(Api, *SERVICE_CALLS)
    killer.wrap(BlobClient, *BLOB_CALLS)


def run_killed(estate: CloudEstate, at: int) -> bool:
    """Applies in a child process that dies at its point; whether it came that far."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            install(Killer(at))
            outcome = estate.apply(allow_deletes=99)
            status = 0 if outcome.result is not None and outcome.result.complete else 1
        finally:
            os._exit(status)
    ended = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0, (at, ended)
    return os.WIFSIGNALED(ended)


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
        estate.apply(allow_deletes=99)
        wanted = outcome_of(estate)
    assert not [name for name in wanted.names if name.startswith("staging")]
    return Scenario(request.param, wanted)


def killed_at(
    folder: Path, azurite: RunningAzurite, images: Path, scenario: Scenario, points: range, slow: float
) -> Iterator[CloudEstate]:
    """An estate after a run that was killed, for each point that such a run has."""
    for at in points:
        with cloud_estate(folder / str(at), azurite, images) as estate:
            scenario.prepare(estate)
            estate.world.set_time_scale(slow)
            if not run_killed(estate, at):
                return
            yield estate


def check_settled(estate: CloudEstate, wanted: Outcome) -> None:
    """One plain apply is enough, and leaves what an undisturbed run leaves."""
    outcome = estate.apply(allow_deletes=99)
    assert outcome.result is None or outcome.result.complete, outcome.result
    assert outcome_of(estate) == wanted
    assert not estate.plan().changes


def test_killed_anywhere_the_next_run_converges(
    tmp_path: Path, azurite: RunningAzurite, images: Path, scenario: Scenario
) -> None:
    settled = 0
    for estate in killed_at(tmp_path, azurite, images, scenario, range(1, 10_000, STRIDE), 0):
        check_settled(estate, scenario.wanted)
        settled += 1
    assert settled > 5


def test_killed_while_the_service_is_at_it_the_next_run_waits_and_converges(
    tmp_path: Path, azurite: RunningAzurite, images: Path, scenario: Scenario
) -> None:
    settled, handles = 0, 0
    for estate in killed_at(tmp_path, azurite, images, scenario, range(3, 10_000, SLOW_STRIDE), SLOW):
        with estate.engine() as engine:
            handles += any(intent.handle for intent in engine.state().intents.values())
        check_settled(estate, scenario.wanted)
        settled += 1
    assert settled > 2
    assert handles

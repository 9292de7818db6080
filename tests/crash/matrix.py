"""Every point at which a run can be killed, by provider and action: `make crash-matrix` counts them all.

For each point there is an estate of its own, a run on it that is killed there, and the plain apply after it, which has
to settle everything. Points are before and after every call of the provider, every effect outside of the process and
every write to the journal.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz import runs
from fuzz.campaign import MEMORY, service_of
from fuzz.checks import Violation
from fuzz.life import Life, Step
from fuzz.replaying import place_at
from support.libvirt.trusting import trusting

from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.ownership import owner_of
from reconciler.planning.plan import PlanOptions

PROVIDERS = ("local", "emulator", "libvirt")
BASE = (Step("add_gallery"), Step("add_version", 0, 1), Step("build_version"), Step("settle"))
"""A gallery with two versions in one and in two regions, and one that is built from the first."""


def _steps(*steps: Step) -> Callable[[Life], None]:
    def take(life: Life) -> None:
        for step in steps:
            life.take(step)

    return take


def _taint(life: Life) -> None:
    """The next apply replaces a version."""
    with Engine(life.folder, trust=trusting(life.folder)) as engine:
        engine.records.mark([Address.parse(life.model.versions[1].address)], tainted=True)


def _retain(life: Life) -> None:
    life.model.versions[1].retain = True
    life.take(Step("tag_version", 1, 1))
    life.take(Step("settle"))
    life.take(Step("remove_version", 1))


ACTIONS: Mapping[str, Callable[[Life], None]] = {
    "create": _steps(Step("add_definition"), Step("add_version", 1, 2)),
    "update": _steps(Step("describe", 0, 2), Step("tag_definition", 0, 2), Step("tag_version", 1, 2)),
    "change replicas": _steps(Step("change_replicas", 1, 2)),
    "add region": _steps(Step("add_region", 0, 0)),
    "remove region": _steps(Step("remove_region", 0, 0)),
    "repair": _steps(Step("damage", 1, 1)),
    "replace": _taint,
    "rename": _steps(Step("rename_gallery"), Step("tag_version", 0, 3)),
    "delete": _steps(Step("remove_version", 1)),
    "retain": _retain,
    "rebuild": _steps(),
}
"""Action -> what makes the next apply do it; a rebuild is a run of its own."""


@dataclass(frozen=True)
class Row:
    provider: str
    action: str
    points: int
    settled: int


def row(provider: str, action: str, folder: Path, service: Any = None, stride: int = 1) -> Row:
    """Kills runs at every `stride`-th point. Raises: Violation when the next apply does not settle."""
    points = settled = 0
    for at in range(1, 100_000, stride):
        killed = _killed_and_settled(provider, action, folder / str(at), service, at)
        if not killed:
            break
        points, settled = at, settled + 1
    return Row(provider, action, points, settled)


def _killed_and_settled(provider: str, action: str, folder: Path, service: Any, at: int) -> bool:
    """Whether a run came to that point."""
    place = place_at(provider, folder, service)
    try:
        life = Life(place, 1, Counter())
        _steps(*BASE)(life)
        ACTIONS[action](life)
        if action == "rebuild":
            ended = _killed_rebuild(life, at)
        else:
            ended = runs.killed_apply(folder, life.options(1), at, place.install)
        life.take(Step("settle"))
        return ended == "killed"
    finally:
        place.close()


def _killed_rebuild(life: Life, at: int) -> str:
    """The state is lost, and the run that makes its records again is killed; the next one has to make all of them."""
    with Engine(life.folder, trust=trusting(life.folder)) as engine:
        state = engine.state()
    shutil.rmtree(life.folder / ".reconciler")
    ended = runs.killed(lambda: runs.rebuild(life.folder, owner_of(state)), at, life.place.install)
    runs.rebuild(life.folder, owner_of(state))
    with Engine(life.folder, trust=trusting(life.folder)) as engine:
        again = engine.state()
        planned = engine.plan(PlanOptions())
    if (again.records.keys(), again.lineage) != (state.records.keys(), state.lineage) or planned.changes:
        raise Violation(f"not all records were made again: {sorted(map(str, again.records))}")
    return ended


def main() -> int:
    parser = argparse.ArgumentParser(prog="make crash-matrix ARGS=...", description=__doc__)
    parser.add_argument("--provider", choices=PROVIDERS, action="append", help="this one alone; repeatable")
    parser.add_argument("--action", choices=ACTIONS, action="append", help="this one alone; repeatable")
    parser.add_argument("--stride", type=int, default=1, help="every so many points (1)")
    options = parser.parse_args()
    write = sys.stdout.write
    write(f"{'provider':10}{'action':18}{'points':>8}{'killed':>8}{'settled':>9}\n")
    for found in _rows(options.provider or PROVIDERS, options.action or tuple(ACTIONS), options.stride):
        write(f"{found.provider:10}{found.action:18}{found.points:8}{found.settled:8}{found.settled:9}\n")
        sys.stdout.flush()
    return 0


def _rows(providers: tuple[str, ...], actions: tuple[str, ...], stride: int) -> Iterator[Row]:
    for provider in providers:
        memory = MEMORY if provider == "local" and MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory("-crash", dir=memory) as name, service_of(provider, Path(name)) as service:
            for action in actions:
                yield row(provider, action, Path(name) / action.replace(" ", "-"), service, stride)


if __name__ == "__main__":
    sys.exit(main())

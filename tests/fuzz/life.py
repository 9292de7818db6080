"""One life of an estate: steps are taken, and after each the world is compared with the model."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from fuzz import runs
from fuzz.checks import Checks, Violation, explained
from fuzz.edits import EDITS
from fuzz.estate import Model
from fuzz.place import Place, Snapshot
from support.libvirt.trusting import trusting

from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError

_LONGEST_STEP_S = 120


@dataclass(frozen=True)
class Step:
    """`kind` is an edit, or a method of `Life`; the numbers choose on what, when and how."""

    kind: str
    a: int = 0
    b: int = 0


class Life:
    """`counts` says what was done; a place belongs to one life."""

    def __init__(self, place: Place, seed: int, counts: Counter[str]) -> None:
        self.place = place
        self.folder = place.folder
        self.model = Model(seed, permits=place.settings["type"] == "emulator")
        self.counts = counts
        self.is_settled = False
        self._with_strangers = False
        self._checks = Checks(place, self.model)
        (self.folder / "images").mkdir(parents=True, exist_ok=True)
        (self.folder / "manifests").mkdir(exist_ok=True)
        project = {"project": "fuzz", "manifests": ["manifests"], "provider": place.settings}
        (self.folder / "reconciler.yaml").write_text(yaml.safe_dump(project))
        self._write()

    def live(self, steps: Sequence[Step]) -> None:
        """Takes all steps, settles, and destroys everything. Raises: Violation."""
        for step in [*steps, Step("settle"), Step("end")]:
            with _limited(step):
                self.take(step)

    def take(self, step: Step) -> None:
        if edit := EDITS.get(step.kind):
            if edit(self.model, step.a, step.b):
                self.counts["edits"] += 1
                self.is_settled = False
                self._write()
            return
        getattr(self, step.kind)(step.a, step.b)

    # What happens beside edits.

    def damage(self, a: int, b: int) -> None:
        """Damages one copy. `drift --deep` names it, and nothing else, if everything was in order before."""
        with Engine(self.folder, trust=trusting(self.folder)) as engine:
            records = engine.state().records
        declared = {f"{one.address}@{region}" for one in self.model.versions for region in one.regions}
        names = {str(record.named or address) for address, record in records.items() if str(address) in declared}
        named = self.place.damage(a, b, names)
        if not named:
            return
        self.place.forget_strangers()
        self.counts["damages"] += 1
        if self.is_settled:
            self._checks.drift_is({str(Address.parse(named).unit)}, f"after damage {b} to {named}")
        self.is_settled = False

    def stranger(self, a: int, b: int) -> None:
        if self.place.add_stranger(a):
            self.counts["strangers"] += 1
            self._with_strangers = True
            self.is_settled = False

    def mv(self, a: int, b: int) -> None:
        """Renames a definition in the state and in the manifests."""
        taken = {id(move.moved) for move in self.model.moves}
        free = [one for one in self.model.definitions if not {id(one), id(one.gallery)} & taken]
        if not free:
            return
        definition = free[a % len(free)]
        before, name = definition.address, definition.name
        definition.name = self.model.new_name("m")
        with Engine(self.folder, trust=trusting(self.folder)) as engine:
            try:
                engine.records.move(Address.parse(before), Address.parse(definition.address))
            except ReconcilerError:
                definition.name = name
                return
        self.counts["moves"] += 1
        self.is_settled = False
        self._write()

    # Runs.

    def apply(self, a: int, b: int) -> None:
        self._run(a, lambda options: runs.apply(self.folder, options))

    def clock(self, a: int, b: int) -> None:
        """An apply on a machine whose clock is an hour or a year off."""
        ahead_s = (3600.0, -3600.0, 365 * 86400.0)[b % 3]
        self.counts["clock jumps"] += 1
        self._run(a, lambda options: runs.apply(self.folder, options, ahead_s))

    def kill(self, a: int, b: int) -> None:
        self._count(self._run(a, lambda options: runs.killed_apply(self.folder, options, 1 + b, self.place.install)))

    def interrupt(self, a: int, b: int) -> None:
        self.counts["signals"] += 1 + (1 + b) % 2
        self._run(a, lambda options: runs.signalled_apply(self.folder, options, 1 + b, self.place.install))

    def command(self, a: int, b: int) -> None:
        """The real command, with a real signal at some moment of its second."""
        number = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)[b % 3]
        self.counts[f"commands, {number.name}"] += 1
        self._run(a, lambda options: runs.command_apply(self.folder, options, number, (a % 100) / 80))

    def rivals(self, a: int, b: int) -> None:
        self.counts["rivals"] += 1
        self._run(a, lambda options: runs.rival_applies(self.folder, options, 2 + b % 2))

    def stop(self, a: int, b: int) -> None:
        """A run sleeps past its lease, another one takes over, and the first one wakes up."""
        options = self.options(a)
        before = self.place.snapshot()
        stopped = runs.stopped_apply(self.folder, options, 1 + b)
        if isinstance(stopped, str):
            self._check_run(before, a, stopped)
            return
        self.counts["suspensions"] += 1
        try:
            rival = runs.apply(self.folder, options)
            tree = self.place.everything()
        finally:
            woken = stopped.go_on()
        self.counts[f"suspended: {woken}"] += 1
        changed = set(tree.items()) ^ set(self.place.everything().items())
        if changed and woken == "lost":
            raise Violation(f"a run that lost its lease changed {sorted(changed)}")
        if changed and rival.how == "done" and rival.plan and woken in ("done", "incomplete"):
            raise Violation(f"two runs at a time: the suspended one ended {woken}, and changed {sorted(changed)}")
        self._check_run(before, a, rival)

    def fault(self, a: int, b: int) -> None:
        """An apply whose backend fails in some way; it may end in any way that loses nothing."""
        options, before = self.options(a), self.place.snapshot()
        with self.place.fault(a, b) as failing:
            ended = runs.apply(self.folder, options)
        if not failing:
            self._check_run(before, a, ended)
            return
        self.counts["faults"] += 1
        self.counts["runs"] += 1
        self.counts[f"ended {ended.how}"] += 1
        self.is_settled = False
        self._checks.no_loss(before, consented=bool(a % 2))

    def settle(self, a: int, b: int) -> None:
        """One apply with consent to everything that is planned does all of it, and leaves nothing to do."""
        self.place.remove_strangers()
        self._with_strangers = False
        ended = self._run(1, lambda options: runs.apply(self.folder, options))
        if ended.how not in ("done", "nothing"):
            raise Violation(f"did not settle: {explained(ended)}")
        self._checks.settled(self.options(1))
        self.is_settled = True

    def end(self, a: int, b: int) -> None:
        """Without protection everything can be destroyed, and then nothing of ours is left."""
        for version in self.model.versions:
            version.protect = version.retain = False
        self._write()
        self.settle(0, 0)
        if self.model.kept:
            return
        ended = runs.apply(self.folder, {**self.options(1), "destroy": True}, command="destroy")
        self.counts["runs"] += 1
        if ended.how not in ("done", "nothing"):
            raise Violation(f"destroy: {explained(ended)}")
        if leftovers := self.place.leftovers():
            raise Violation(f"left after destroy: {leftovers}")
        with Engine(self.folder, trust=trusting(self.folder)) as engine:
            state = engine.state()
        if state.records or state.intents:
            raise Violation(f"recorded after destroy: {sorted(map(str, [*state.records, *state.intents]))}")

    # What ends a run.

    def _run(self, a: int, call: Callable[[dict[str, Any]], runs.Ended | str | list[str]]) -> runs.Ended:
        """One run, with consent to everything for odd `a`."""
        before = self.place.snapshot()
        return self._check_run(before, a, call(self.options(a)))

    def _check_run(self, before: Snapshot, a: int, ended: runs.Ended | str | list[str]) -> runs.Ended:
        self.counts["runs"] += len(ended) if isinstance(ended, list) else 1
        self.is_settled = False
        for one in ended if isinstance(ended, list) else [ended]:
            self._check_end(one if isinstance(one, runs.Ended) else runs.Ended(one), consented=bool(a % 2))
        self._checks.no_loss(before, consented=bool(a % 2))
        if gone := self.place.strangers_gone():
            raise Violation(f"what is not ours was changed: {gone}")
        return ended if isinstance(ended, runs.Ended) else runs.Ended(str(ended))

    def _check_end(self, ended: runs.Ended, *, consented: bool) -> None:
        self.counts[f"ended {ended.how}"] += 1
        if ended.how == "error":
            raise Violation(f"a run ended with {explained(ended)}")
        if ended.result and any("bug" in error.message for _, error in ended.result.failed):
            raise Violation(f"a bug was reported: {explained(ended)}")
        if self._with_strangers:
            return
        if ended.plan and ended.plan.errors:
            raise Violation(f"a valid manifest has errors in the plan: {explained(ended)}")
        if consented and ended.how == "refused" and ended.plan:
            raise Violation(f"blocked, with consent to everything: {explained(ended)}")
        if ended.how == "incomplete" and ended.result and ended.result.failed:
            raise Violation(f"failed: {explained(ended)}")

    # Files.

    def options(self, a: int) -> dict[str, Any]:
        """Consent to everything for odd `a`."""
        if not a % 2:
            return {}
        with Engine(self.folder, trust=trusting(self.folder)) as engine:
            recorded = {address.gallery for address in engine.state().records}
        moved = {move.source for move in self.model.moves}
        names = (recorded - moved) | {one.name for one in self.model.galleries}
        return runs.consent_options(tuple(sorted(names)), tuple(version.address for version in self.model.versions))

    def _write(self) -> None:
        for number, content in enumerate(self.model.images):
            path = self.folder / "images" / f"{number}.raw"
            if not path.exists():
                path.write_bytes(content)
        path = self.folder / "manifests" / "all.yaml"
        aside = path.with_suffix(".new")
        aside.write_text(yaml.dump_all(self.model.documents(), Dumper=yaml.CSafeDumper, sort_keys=False))
        os.replace(aside, path)

    def _count(self, ended: runs.Ended) -> None:
        self.counts["kills"] += ended.how == "killed"


@contextmanager
def _limited(step: Step) -> Iterator[None]:
    """Raises: Violation when a step takes too long, after telling where all threads are."""

    def late(*_: object) -> None:
        faulthandler.dump_traceback()
        raise Violation(f"{step} took more than {_LONGEST_STEP_S} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_LONGEST_STEP_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

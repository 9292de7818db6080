"""One life of an estate: steps are taken, and after each the world is compared with the model."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from typing import Any

import yaml
from fuzz import runs
from fuzz.edits import EDITS
from fuzz.estate import Model
from fuzz.place import Place, Snapshot

from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.plan import Plan, PlanOptions

GUARDED = "allow_loss" in {field.name for field in fields(PlanOptions)}
_LONGEST_STEP_S = 120


@dataclass(frozen=True)
class Step:
    """`kind` is an edit, or a method of `Life`; the numbers choose on what, when and how."""

    kind: str
    a: int = 0
    b: int = 0


class Violation(AssertionError):
    """The product broke one of its promises."""


class Life:
    """`counts` says what was done; a place belongs to one life."""

    def __init__(self, place: Place, seed: int, counts: Counter[str]) -> None:
        self.place = place
        self.folder = place.folder
        self.model = Model(seed)
        self.counts = counts
        self.is_settled = False
        self._written_images = 0
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
        with Engine(self.folder) as engine:
            records = engine.state().records
        names = {str(record.named or address) for address, record in records.items()}
        named = self.place.damage(a, b, names)
        if not named:
            return
        self.counts["damages"] += 1
        if self.is_settled:
            self._drift_is({str(Address.parse(named).unit)}, f"after damage {b} to {named}")
        self.is_settled = False

    def stranger(self, a: int, b: int) -> None:
        if self.place.add_stranger(a):
            self.counts["strangers"] += 1
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
        with Engine(self.folder) as engine:
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

    def rivals(self, a: int, b: int) -> None:
        self.counts["rivals"] += 1
        self._run(a, lambda options: runs.rival_applies(self.folder, options, 2 + b % 2))

    def stop(self, a: int, b: int) -> None:
        """A run sleeps past its lease, another one takes over, and the first one wakes up."""
        options = self._options(a)
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

    def settle(self, a: int, b: int) -> None:
        """One apply with consent to everything that is planned does all of it, and leaves nothing to do."""
        self.place.remove_strangers()
        ended = self._run(1, lambda options: runs.apply(self.folder, options))
        if ended.how not in ("done", "nothing"):
            raise Violation(f"did not settle: {_explained(ended)}")
        self._check_settled()

    def end(self, a: int, b: int) -> None:
        """Without protection everything can be destroyed, and then nothing of ours is left."""
        for version in self.model.versions:
            version.protect = version.retain = False
        self._write()
        self.settle(0, 0)
        if self.model.kept:
            return
        ended = runs.apply(self.folder, {**self._options(1), "destroy": True}, command="destroy")
        self.counts["runs"] += 1
        if ended.how not in ("done", "nothing"):
            raise Violation(f"destroy: {_explained(ended)}")
        if leftovers := self.place.leftovers():
            raise Violation(f"left after destroy: {leftovers}")
        with Engine(self.folder) as engine:
            state = engine.state()
        if state.records or state.intents:
            raise Violation(f"recorded after destroy: {sorted(map(str, [*state.records, *state.intents]))}")

    # Checks.

    def _run(self, a: int, call: Callable[[dict[str, Any]], runs.Ended | str | list[str]]) -> runs.Ended:
        """One run, with consent to everything for odd `a`."""
        before = self.place.snapshot()
        return self._check_run(before, a, call(self._options(a)))

    def _check_run(self, before: Snapshot, a: int, ended: runs.Ended | str | list[str]) -> runs.Ended:
        self.counts["runs"] += len(ended) if isinstance(ended, list) else 1
        self.is_settled = False
        for one in ended if isinstance(ended, list) else [ended]:
            self._check_end(one if isinstance(one, runs.Ended) else runs.Ended(one), consented=bool(a % 2))
        self._check_loss(before, consented=bool(a % 2))
        if gone := self.place.strangers_gone():
            raise Violation(f"what is not ours was changed: {gone}")
        return ended if isinstance(ended, runs.Ended) else runs.Ended(str(ended))

    def _check_end(self, ended: runs.Ended, *, consented: bool) -> None:
        self.counts[f"ended {ended.how}"] += 1
        if ended.how == "error":
            raise Violation(f"a run ended with {_explained(ended)}")
        if ended.result and any("bug" in error.message for _, error in ended.result.failed):
            raise Violation(f"a bug was reported: {_explained(ended)}")
        if self.place.strangers if hasattr(self.place, "strangers") else False:
            return
        if ended.plan and ended.plan.errors:
            raise Violation(f"a valid manifest has errors in the plan: {_explained(ended)}")
        if consented and ended.how == "refused" and ended.plan:
            raise Violation(f"blocked, with consent to everything: {_explained(ended)}")
        if ended.how == "incomplete" and ended.result and ended.result.failed:
            raise Violation(f"failed: {_explained(ended)}")

    def _check_loss(self, before: Snapshot, *, consented: bool) -> None:
        after = self.place.snapshot().places
        wanted = self._wanted()
        for key, places in before.places.items():
            if key[0] not in self._digests():
                continue
            needed = min(places, wanted[key]) if consented or not GUARDED else places
            if after[key] < needed:
                image = self._digests()[key[0]]
                raise Violation(f"image {image} was in {places} places of {key[1]}, and is in {after[key]} now")

    def _digests(self) -> dict[str, int]:
        while self._written_images < len(self.model.images):
            self._known[hashlib.sha256(self.model.images[self._written_images]).hexdigest()] = self._written_images
            self._written_images += 1
        return self._known

    def _wanted(self) -> Counter[tuple[str, str]]:
        digests = {image: digest for digest, image in self._digests().items()}
        return Counter({(digests[image], region): n for (image, region), n in self.model.wanted_copies().items()})

    def _check_settled(self) -> None:
        with Engine(self.folder) as engine:
            plan, state = engine.plan(PlanOptions(**self._options(1))), engine.state()
        if plan.changes or not plan.applicable:
            raise Violation(f"something is planned after an apply that was complete: {_planned(plan)}")
        snapshot = self.place.snapshot()
        images = {(self._digests()[digest], region) for digest, region in snapshot.places if digest in self._digests()}
        self.model.settled(images)
        wanted = self._wanted()
        if snapshot.places != wanted:
            raise Violation(
                f"published is {_shown(snapshot.places, self._digests())}, not {_shown(wanted, self._digests())}"
            )
        self._check_replicas(snapshot)
        if state.intents:
            raise Violation(f"in the journal after an apply that was complete: {sorted(map(str, state.intents))}")
        self._check_records({str(address) for address in state.records})
        self._check_file()
        self._drift_is(set(), "after an apply that was complete")
        self.is_settled = True

    def _check_replicas(self, snapshot: Snapshot) -> None:
        kept = {version.image for version in self.model.kept}
        wanted: Counter[tuple[int, str]] = Counter()
        for version in self.model.versions:
            wanted.update({(version.image, region): count for region, count in version.regions.items()})
        for (digest, region), count in snapshot.replicas.items():
            image = self._digests()[digest]
            if image not in kept and wanted[image, region] != count:
                raise Violation(f"image {image} has {count} copies in {region}, not {wanted[image, region]}")

    def _check_records(self, recorded: set[str]) -> None:
        declared = {one.name for one in self.model.galleries} | {one.address for one in self.model.definitions}
        for version in self.model.versions:
            declared |= {version.address, *(f"{version.address}@{region}" for region in version.regions)}
        if recorded != declared:
            raise Violation(f"recorded and not declared, or the other way round: {sorted(recorded ^ declared)}")

    def _check_file(self) -> None:
        with closing(sqlite3.connect(self.folder / ".reconciler" / "state.db")) as database:
            (answer,) = database.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            raise Violation(f"the state file is damaged: {answer}")

    def _drift_is(self, names: set[str], when: str) -> None:
        """`names` are those of units at the provider."""
        with Engine(self.folder) as engine:
            report, records = engine.drift(deep=True), engine.state().records
        found = set()
        for drift in report.drifts:
            record = records.get(drift.address)
            found.add(str((record.named if record and record.named else drift.address).unit))
        if found != names or report.unreachable:
            raise Violation(f"drift {when}: {sorted(found)}, {report.unreachable}, not {sorted(names)}")

    # Files.

    @property
    def _known(self) -> dict[str, int]:
        return self.__dict__.setdefault("_digests_known", {})

    def _options(self, a: int) -> dict[str, Any]:
        """Consent to everything for odd `a`."""
        if not a % 2:
            return {} if GUARDED else {"allow_deletes": 999}
        with Engine(self.folder) as engine:
            recorded = {address.gallery for address in engine.state().records}
        moved = {move.source for move in self.model.moves}
        names = (recorded - moved) | {one.name for one in self.model.galleries}
        return runs.consent_options(tuple(sorted(names)))

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
    """Raises: Violation when a step takes too long."""

    def late(*_: object) -> None:
        raise Violation(f"{step} took more than {_LONGEST_STEP_S} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_LONGEST_STEP_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _planned(plan: Plan) -> str:
    said = [f"{change.action} {change.address} {change.reason} {change.block or ''}" for change in plan.changes]
    return "; ".join([*said, *(str(one) for one in (*plan.errors, *plan.blocks))])


def _explained(ended: runs.Ended) -> str:
    failed = [f"{address}: {error.message}" for address, error in ended.result.failed] if ended.result else []
    refused = [_planned(ended.plan)] if ended.plan and ended.how == "refused" else []
    return "; ".join([ended.how, *filter(None, [ended.said]), *failed, *refused])


def _shown(places: Counter[tuple[str, str]], known: dict[str, int]) -> str:
    return ", ".join(
        sorted(f"{known.get(digest, digest[:8])}@{region}x{count}" for (digest, region), count in places.items())
    )

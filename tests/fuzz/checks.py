"""What has to hold after every run, and once an estate has settled."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from fuzz.estate import Model
from fuzz.place import Place, Snapshot
from fuzz.runs import Ended
from support.libvirt.trusting import trusting

from reconciler.engine import Engine
from reconciler.planning.plan import Plan, PlanOptions


class Violation(AssertionError):
    """The product broke one of its promises."""


class Checks:
    """Compares the world with a model. Raises: Violation."""

    def __init__(self, place: Place, model: Model) -> None:
        self.place = place
        self.folder: Path = place.folder
        self.model = model
        self._known: dict[str, int] = {}

    def no_loss(self, before: Snapshot, *, consented: bool) -> None:
        """What was published before a run still is, unless its loss was consented to and intended."""
        after = self.place.snapshot().places
        wanted = self._wanted()
        permitted = {version.image for version in self.model.versions if self.model.permits_loss_of(version)}
        for key, places in before.places.items():
            if key[0] not in self._digests():
                continue
            allowed = consented or self._digests()[key[0]] in permitted
            needed = min(places, wanted[key]) if allowed else places
            if after[key] < needed:
                image = self._digests()[key[0]]
                raise Violation(f"image {image} was in {places} places of {key[1]}, and is in {after[key]} now")

    def _digests(self) -> dict[str, int]:
        """Digest -> image, for every image that there ever was."""
        for number in range(len(self._known), len(self.model.images)):
            self._known[hashlib.sha256(self.model.images[number]).hexdigest()] = number
        return self._known

    def _wanted(self) -> Counter[tuple[str, str]]:
        digests = {image: digest for digest, image in self._digests().items()}
        return Counter({(digests[image], region): n for (image, region), n in self.model.wanted_copies().items()})

    def settled(self, consent: dict[str, Any]) -> None:
        """Everything is as declared, recorded and known, and nothing is left over."""
        with Engine(self.folder, trust=trusting(self.folder)) as engine:
            plan, state = engine.plan(PlanOptions(**consent)), engine.state()
        if plan.changes or not plan.applicable:
            raise Violation(f"something is planned after an apply that was complete: {planned(plan)}")
        snapshot = self.place.snapshot()
        images = {(self._digests()[digest], region) for digest, region in snapshot.places if digest in self._digests()}
        self.model.settled(images)
        wanted, places = self._wanted(), snapshot.places
        if self.model.kept:  # which are let go of as they are, also with a damaged copy
            places = Counter({key: count for key, count in places.items() if key[0] in self._digests()})
        if places != wanted:
            raise Violation(f"published is {_shown(places, self._digests())}, not {_shown(wanted, self._digests())}")
        self._check_replicas(snapshot)
        if state.intents:
            raise Violation(f"in the journal after an apply that was complete: {sorted(map(str, state.intents))}")
        self._check_records({str(address) for address in state.records})
        self._check_file()
        self.drift_is(set(), "after an apply that was complete")

    def _check_replicas(self, snapshot: Snapshot) -> None:
        kept = {version.image for version in self.model.kept}
        wanted: Counter[tuple[int, str]] = Counter()
        for version in self.model.versions:
            wanted.update({(version.image, region): count for region, count in version.regions.items()})
        for (digest, region), count in snapshot.replicas.items():
            image = self._digests().get(digest)
            if image is None:
                continue  # of what is kept, as it is
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

    def drift_is(self, names: set[str], when: str) -> None:
        """`names` are those of units at the provider."""
        with Engine(self.folder, trust=trusting(self.folder)) as engine:
            report, records = engine.drift(deep=True), engine.state().records
        found = set()
        for drift in report.drifts:
            record = records.get(drift.address)
            found.add(str((record.named if record and record.named else drift.address).unit))
        if found != names or report.unreachable:
            raise Violation(f"drift {when}: {sorted(found)}, {report.unreachable}, not {sorted(names)}")


def planned(plan: Plan) -> str:
    said = [f"{change.action} {change.address} {change.reason} {change.block or ''}" for change in plan.changes]
    return "; ".join([*said, *(str(one) for one in (*plan.errors, *plan.blocks))])


def explained(ended: Ended) -> str:
    failed = [f"{address}: {error.message}" for address, error in ended.result.failed] if ended.result else []
    refused = [planned(ended.plan)] if ended.plan and ended.how == "refused" else []
    return "; ".join([ended.how, *filter(None, [ended.said]), *failed, *refused])


def _shown(places: Counter[tuple[str, str]], known: dict[str, int]) -> str:
    return ", ".join(
        sorted(f"{known.get(digest, digest[:8])}@{region}x{count}" for (digest, region), count in places.items())
    )

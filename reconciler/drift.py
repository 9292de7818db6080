"""`find_drift`: recorded against observed. Reports what changed without us, and proposes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from reconciler.manifests.address import Address
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.resource import DriftException
from reconciler.planning.actions import AttributeChange
from reconciler.planning.diff import attribute_changes
from reconciler.planning.refresh import World
from reconciler.providers.protocol import Condition, Observed
from reconciler.state.records import Record, State


class DriftKind(StrEnum):
    MISSING = "missing"
    DAMAGED = "damaged"
    CHANGED = "changed"
    FOREIGN = "foreign"  # the object there now is not ours
    UNMANAGED = "unmanaged"  # exists, and is not recorded


class DriftSeverity(StrEnum):
    CRITICAL = "critical"  # what people rely on is missing, or is not what they think it is
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Drift:
    """One object that is not as recorded. `changes` go from recorded to observed; `defects` are sentences."""

    address: Address
    kind: DriftKind
    changes: tuple[AttributeChange, ...] = ()
    defects: tuple[str, ...] = ()
    object_id: str = ""

    @property
    def severity(self) -> DriftSeverity:
        """Without a version or a region no machine can be created; a changed description harms nothing."""
        harmless = self.kind in (DriftKind.CHANGED, DriftKind.UNMANAGED)
        return DriftSeverity.WARNING if harmless else DriftSeverity.CRITICAL


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All drift, sorted by address. `checked` counts the records that were compared, `ignored` is what `ignoreDrift`
    allows. Unmanaged objects alone are no drift.
    """

    lineage: str
    serial: int
    checked: int
    drifts: tuple[Drift, ...]
    unmanaged: tuple[Drift, ...] = ()
    ignored: tuple[Drift, ...] = ()
    unreachable: tuple[tuple[Address, str], ...] = ()

    @property
    def found(self) -> bool:
        return bool(self.drifts)

    @property
    def critical(self) -> int:
        """How many of the drifts are critical."""
        return sum(drift.severity is DriftSeverity.CRITICAL for drift in self.drifts)


def find_drift(state: State, world: World, manifest: Manifest, today: date) -> DriftReport:
    """The report for one refresh. Pure: equal inputs give equal reports."""
    unreachable = {
        address: why for address in state.records if (why := world.why_unknown(state.records[address].named or address))
    }
    drifts: list[Drift] = []
    ignored: list[Drift] = []
    for address, record in sorted(state.records.items(), key=lambda pair: pair[0].sort_key):
        name = record.named or address
        if name in world.matching or address in unreachable or address in state.intents:
            continue
        drift = _drift(record, world.observed.get(name), state.lineage)
        if drift is None:
            continue
        resource = manifest.resources.get(address)
        exceptions = _in_force(resource.lifecycle.ignore_drift if resource else (), today)
        (ignored if _is_ignored(drift, exceptions) else drifts).append(drift)
    return DriftReport(
        lineage=state.lineage,
        serial=state.serial,
        checked=len(state.records) - len(unreachable),
        drifts=tuple(drifts),
        unmanaged=tuple(_unmanaged(world.unmanaged)),
        ignored=tuple(ignored),
        unreachable=tuple(sorted(unreachable.items())),
    )


def _drift(record: Record, observed: Observed | None, lineage: str) -> Drift | None:
    address = record.address
    if observed is None:
        return Drift(address, DriftKind.MISSING, object_id=record.object_id)
    mark = observed.mark
    if (mark is None or mark.lineage != lineage) and observed.condition is not Condition.DAMAGED:
        return Drift(address, DriftKind.FOREIGN, defects=observed.defects, object_id=observed.object_id)
    changes = attribute_changes(record.attributes, observed.attributes, address.kind)
    if observed.condition in (Condition.DAMAGED, Condition.INCOMPLETE):
        return Drift(address, DriftKind.DAMAGED, changes, observed.defects, observed.object_id)
    return Drift(address, DriftKind.CHANGED, changes, object_id=observed.object_id) if changes else None


def _in_force(exceptions: tuple[DriftException, ...], today: date) -> tuple[str, ...]:
    return tuple(
        exception.attribute
        for exception in exceptions
        if not exception.until or date.fromisoformat(exception.until[:10]) >= today
    )


def _is_ignored(drift: Drift, ignored: tuple[str, ...]) -> bool:
    """Only changed attributes can be ignored, and only when all of them are."""
    return drift.kind is DriftKind.CHANGED and all(
        any(change.path == path or change.path.startswith(f"{path}.") for path in ignored) for change in drift.changes
    )


def _unmanaged(strangers: tuple[Observed, ...]) -> Iterator[Drift]:
    for stranger in strangers:
        yield Drift(stranger.address, DriftKind.UNMANAGED, defects=stranger.defects, object_id=stranger.object_id)

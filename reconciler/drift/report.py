"""`DriftReport`: what differs from the state, what is not settled, and what could not be compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.latest import LatestChange
from reconciler.manifests.address import Address
from reconciler.planning.actions import AttributeChange


class DriftKind(StrEnum):
    MISSING = "missing"
    DAMAGED = "damaged"
    CHANGED = "changed"
    FOREIGN = "foreign"  # the object there now is not ours
    LATEST = "latest"  # a version that is not ours is latest of our definition
    UNSETTLED = "unsettled"  # how the last operation on it ended is not recorded
    UNMANAGED = "unmanaged"  # exists, and is not recorded


_NOT_COMPARED = frozenset({DriftKind.LATEST, DriftKind.UNSETTLED, DriftKind.UNMANAGED})


class DriftSeverity(StrEnum):
    CRITICAL = "critical"  # what people rely on is missing, or is not what they think it is
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class IgnoredChange:
    """A change that `lifecycle.ignoreDrift` expects, with the reason given there, and until when (ISO, or empty)."""

    change: AttributeChange
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """One object that is not as recorded. `changes` go from recorded to observed, without the `ignored` ones; `defects`
    are sentences. `latest` says for a definition where a version of somebody else is latest now.

    `harmed`: of an unsettled object, whether it is certainly not complete.
    """

    address: Address
    kind: DriftKind
    changes: tuple[AttributeChange, ...] = ()
    defects: tuple[str, ...] = ()
    object_id: str = ""
    ignored: tuple[IgnoredChange, ...] = ()
    latest: tuple[LatestChange, ...] = ()
    harmed: bool = False

    @property
    def only_ignored(self) -> bool:
        """Whether nothing is left of it without the ignored changes."""
        return self.kind is DriftKind.CHANGED and not self.changes

    @property
    def severity(self) -> DriftSeverity:
        """Without a version or a region no machine can be created; a changed description harms nothing."""
        if self.kind is DriftKind.UNSETTLED:
            return DriftSeverity.CRITICAL if self.harmed else DriftSeverity.WARNING
        harmless = self.kind in (DriftKind.CHANGED, DriftKind.UNMANAGED)
        return DriftSeverity.WARNING if harmless else DriftSeverity.CRITICAL


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All drift, sorted by address. Unmanaged objects alone are no drift.

    `checked` counts the records that were compared: what is unsettled or unreachable was not. `ignored` is what
    `ignoreDrift` allows. `unrecorded` counts the declared objects where nothing at all is recorded, and
    `unrecorded_present` those of them that exist: there is nothing to compare with.
    """

    lineage: str
    serial: int
    checked: int
    drifts: tuple[Drift, ...]
    unmanaged: tuple[Drift, ...] = ()
    ignored: tuple[Drift, ...] = ()
    unreachable: tuple[tuple[Address, str], ...] = ()
    unrecorded: int = 0
    unrecorded_present: int = 0

    @property
    def unchanged(self) -> int:
        """How many of the compared records are as their objects are."""
        compared = sum(drift.kind not in _NOT_COMPARED for drift in self.drifts)
        return self.checked - compared - len(self.ignored)

    @property
    def found(self) -> bool:
        return bool(self.drifts)

    @property
    def inconclusive(self) -> bool:
        """Whether something could not be compared."""
        return bool(self.unreachable or self.unrecorded)

    @property
    def unsettled(self) -> int:
        """How many of the drifts are unsettled operations."""
        return sum(drift.kind is DriftKind.UNSETTLED for drift in self.drifts)

    @property
    def critical(self) -> int:
        """How many of the drifts are critical."""
        return sum(drift.severity is DriftSeverity.CRITICAL for drift in self.drifts)

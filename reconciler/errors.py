"""What stops the engine.

ReconcilerError (reconciler.manifests.errors)
├── PlanRefused        the plan has errors or blocked changes, so nothing is applied; carries the plan
├── Unreachable        a provider could not be reached, so nothing is known about some addresses
├── StalePlan          something has changed since the plan was saved
├── NotApproved        the saved plan lacks the approval that is required
├── BadPlanFile        not a plan file, from another version, or changed since it was written
└── ReferenceCycle     versions are built from each other
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.manifests.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reconciler.manifests.address import Address
    from reconciler.planning.plan import Plan


class PlanRefused(ReconcilerError):
    """Nothing was applied, as `plan` has errors or blocked changes."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("nothing was applied: the plan has errors or blocked changes")
        self.plan = plan


class Unreachable(ReconcilerError):
    """`parts` maps each address that nothing is known about to the reason."""

    def __init__(self, parts: Mapping[Address, str]) -> None:
        shown = "\n".join(f"  {addresses}: {why}" for why, addresses in _by_reason(parts))
        super().__init__(f"could not reach a provider for:\n{shown}", "nothing was changed; try again when it responds")
        self.parts = parts


def _by_reason(parts: Mapping[Address, str]) -> Iterator[tuple[str, str]]:
    """Each reason, with the first address it applies to and the number of the others."""
    by_reason: dict[str, list[Address]] = {}
    for address, why in sorted(parts.items()):
        by_reason.setdefault(why, []).append(address)
    for why, (first, *others) in by_reason.items():
        yield why, f"{first} and {len(others)} more" if others else str(first)


class StalePlan(ReconcilerError):
    """The saved plan no longer fits; `differences` say where, a sentence each."""

    def __init__(self, differences: Sequence[str]) -> None:
        shown = "\n".join(f"  {line}" for line in differences)
        super().__init__(f"the saved plan is stale:\n{shown}", "make a new plan, review it, and apply that")
        self.differences = tuple(differences)


class BadPlanFile(ReconcilerError):
    """The plan file cannot be trusted or read."""


class NotApproved(ReconcilerError):
    """Nobody who may do so has approved the saved plan."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Versions that are built from each other: `path` in order, the first not repeated, and `others` that are part of
    further cycles with them."""

    path: tuple[Address, ...]
    others: tuple[Address, ...] = ()

    @property
    def members(self) -> tuple[Address, ...]:
        return (*self.path, *self.others)

    def __str__(self) -> str:
        path = " -> ".join(str(address) for address in [*self.path, self.path[0]])
        return f"{path}, and with them {', '.join(map(str, self.others))}" if self.others else path


class ReferenceCycle(ReconcilerError):
    """Versions are built from each other: `cycles` share no member. `place` says where a version is declared."""

    def __init__(self, cycles: Sequence[Cycle], place: Callable[[Address], str]) -> None:
        separator = " " if len(cycles) == 1 else "\n  "
        shown = "".join(f"{separator}{cycle}" for cycle in cycles)
        members = [address for cycle in cycles for address in cycle.members]
        places = "".join(f"\n  {address} at {where}" for address in members if (where := place(address)))
        super().__init__(
            f"versions are built from each other:{shown}{places}",
            "in each cycle, give one version a source that is not a version",
        )
        self.cycles = tuple(cycles)

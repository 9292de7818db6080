"""`Plan`: the changes that make the observed world the desired one. A value, made by the planner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.latest import LatestChange
from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic
from reconciler.planning.actions import Action, Block, ResourceChange


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The options of a plan. `targets` and `excludes` are addresses or globs; `allow_replace` and `allow_loss`
    addresses, which stand for everything in them too; `allow_deletes` is a number of objects; `destroy` means that
    nothing is desired."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    allow_replace: tuple[str, ...] = ()
    allow_deletes: int = 0
    destroy: bool = False
    allow_loss: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do, sorted by address. Equal inputs give equal plans.

    `errors` and `unreachable` (address, why) make it inapplicable; so does a block, in a change or in `blocks`. Before
    anything else, `moves` (old address, new address) are made in the state; `rewritten` are the records that refer to
    something that moves. `reread` are unchanged objects that were read in full, as their fingerprints are not the
    recorded ones: apply records the new fingerprints, and nothing else changes. `not_read` is what a plan of a project
    that is not trusted did not look at, a phrase for each thing; it is never applied.
    """

    changes: tuple[ResourceChange, ...]
    unchanged: int
    latest: tuple[LatestChange, ...]
    lineage: str
    serial: int
    manifest_digest: str
    options: PlanOptions
    errors: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    blocks: tuple[Block, ...] = ()
    unreachable: tuple[tuple[Address, str], ...] = ()
    moves: tuple[tuple[Address, Address], ...] = ()
    rewritten: tuple[Address, ...] = ()
    reread: tuple[ResourceChange, ...] = ()
    not_read: tuple[str, ...] = ()

    @property
    def blocked(self) -> tuple[ResourceChange, ...]:
        return tuple(change for change in self.changes if change.block)

    @property
    def removals(self) -> tuple[tuple[Address, str], ...]:
        """What is also removed, besides objects of the state, each with the version whose making removes it."""
        return tuple((change.address, what) for change in self.changes if not change.block for what in change.removes)

    @property
    def applicable(self) -> bool:
        """Whether apply may start: nothing is wrong, blocked or unknown."""
        return not (self.errors or self.blocks or self.unreachable or self.blocked)

    @property
    def counts(self) -> Mapping[Action, int]:
        """The number of changes of each action, without blocked ones."""
        counts: dict[Action, int] = defaultdict(int)
        for change in self.changes:
            if not change.block:
                counts[change.action] += 1
        return dict(counts)

    @property
    def galleries(self) -> frozenset[str]:
        """The galleries that apply would write to, in the state or at a provider."""
        moved = (address for move in self.moves for address in move)
        return frozenset(
            address.gallery for address in (*(change.address for change in self.changes), *moved, *self.rewritten)
        )

"""`Records`: what is recorded, looked up by address and edited by hand. No object is touched."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.manifest import Move
from reconciler.manifests.resource import Origin
from reconciler.naming.moves import WHY_VERSIONS_STAY, Renames, plan_moves, touched, write_of
from reconciler.naming.object_names import within
from reconciler.provenance import current_user, utc_now
from reconciler.state.records import Record, Run, State, Status
from reconciler.state.store import Lease, StateStore, StateWrite
from reconciler.state.upkeep import Change

HoldLease = Callable[[frozenset[str]], AbstractContextManager[Lease]]
"""Galleries -> a lease on them for the length of a `with` block."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one state. Every edit holds the lease of the galleries that it writes to."""

    store: StateStore
    hold: HoldLease

    def get(self, addresses: Sequence[Address]) -> tuple[Record, ...]:
        """The records of these addresses, in their order. Raises: ReconcilerError when one is not recorded."""
        records = self.store.read().records
        _refuse_unknown(addresses, records.keys())
        return tuple(records[address] for address in addresses)

    def forget(self, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """Drops records and journal entries with everything inside them, and returns their addresses; objects stay.

        Raises: ReconcilerError when one is not recorded.
        """
        state = self.store.read()
        known = state.records.keys() | state.intents.keys()
        _refuse_unknown(addresses, known)
        dropped = _sorted(address for address in known if any(within(address, wanted) for wanted in addresses))
        with self.hold(frozenset(address.gallery for address in dropped)) as lease:
            run = edit_run("state forget", {"forget": len(dropped)})
            changes = tuple(Change(address, "forgotten", run.id) for address in dropped)
            self.store.write(lease, StateWrite(forget=dropped, clear_intents=dropped, put_changes=changes, edit=run))
        return dropped

    def move(self, source: Address, target: Address) -> tuple[tuple[Address, Address], ...]:
        """Renames the record of `source`, and all records inside it, to `target`; returns (before, after) of each.

        Raises: ReconcilerError when that is not possible.
        """
        state = self.store.read()
        renames = _renames(state, source, target)
        moved = tuple((address, renames[address]) for address in _sorted(renames))
        run = edit_run("state mv", {"move": len(moved)})
        changes = tuple(Change(after, f"moved from {before}", run.id) for before, after in moved)
        with self.hold(touched(state, renames)) as lease:
            self.store.write(lease, replace(write_of(state, renames), put_changes=changes, edit=run))
        return moved

    def mark(self, addresses: Sequence[Address], *, tainted: bool) -> tuple[Address, ...]:
        """Taints these records, so that the next apply replaces their objects, or removes the taint.

        Raises: ReconcilerError when one is not recorded.
        """
        status = Status.TAINTED if tainted else Status.READY
        records = tuple(replace(record, status=status) for record in self.get(addresses))
        with self.hold(frozenset(address.gallery for address in addresses)) as lease:
            action = "taint" if tainted else "untaint"
            run = edit_run(f"state {action}", {action: len(records)})
            changes = tuple(Change(record.address, f"{action}ed", run.id) for record in records)
            self.store.write(lease, StateWrite(put_records=records, put_changes=changes, edit=run))
        return tuple(addresses)


def edit_run(command: str, counts: Mapping[str, int]) -> Run:
    """An edit of the state, made now, as it is recorded: it is over when it is written."""
    now = utc_now().isoformat()
    return Run(uuid.uuid4().hex[:12], command, current_user(), now, now, "done", counts=counts)


def _sorted(addresses: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(sorted(addresses, key=lambda address: address.sort_key))


def _refuse_unknown(addresses: Iterable[Address], known: Collection[Address]) -> None:
    unknown = [str(address) for address in addresses if address not in known]
    if unknown:
        raise ReconcilerError(f"not recorded: {', '.join(unknown)}", "list what is recorded: reconciler state list")


def _renames(state: State, source: Address, target: Address) -> Renames:
    """What a move renames. Raises: ReconcilerError when it cannot be made."""
    _refuse_unknown([source], state.records.keys())
    if source.kind is not target.kind:
        raise ReconcilerError(f"{source} cannot become {target}", "a move keeps the kind")
    if source.version:
        raise ReconcilerError(f"{source} cannot be renamed", WHY_VERSIONS_STAY)
    if any(within(address, source) for address in state.intents):
        raise ReconcilerError(f"{source} has unfinished operations", "finish them first: reconciler apply")
    _, moves = plan_moves(state, [Move(source, target, Origin("", 0))])
    for refused in moves.refused:
        raise ReconcilerError(refused.why, refused.remedy)
    if not moves.renames:
        raise ReconcilerError(f"{source} has that address already", "name another one")
    return moves.renames

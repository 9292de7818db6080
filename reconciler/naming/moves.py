"""Moves: one atomic change of the state that gives what is recorded other addresses. No object is touched.

A move comes first: the state is renamed as a whole (records, journal, dependencies, and the versions that sources
name), and everything after that sees the renamed state alone. So an edit together with a move ends as the move followed
by the edit.

Objects stay where they are and keep their names. That is why only galleries, and definitions within their gallery, can
be renamed: a version is known by its number and its definition, and an object cannot leave its container.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.manifest import Move
from reconciler.manifests.values import canonical_json
from reconciler.naming.object_names import ObjectNames, renamed, within
from reconciler.naming.source_names import rename_sources
from reconciler.state.records import Intent, Record, State
from reconciler.state.store import StateWrite

WHY_VERSIONS_STAY = "people use a version by its number and its definition: publish it again under another one"

Renames = Mapping[Address, Address]
"""Old address -> new address, for every address in the records or the journal that gets another one."""


@dataclass(frozen=True, slots=True)
class RefusedMove:
    """A move that cannot be made, why, and what to do instead."""

    move: Move
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Moves:
    """What moves do to a state. `renames` are their effect; `rewritten` are the records that keep their address and
    refer to one that does not."""

    renames: Renames = field(default_factory=dict)
    rewritten: frozenset[Address] = frozenset()
    refused: tuple[RefusedMove, ...] = ()

    @property
    def before(self) -> Mapping[Address, Address]:
        """New address -> the address that it has in the state so far."""
        return {new: old for old, new in self.renames.items()}


def plan_moves(state: State, moves: Iterable[Move]) -> tuple[State, Moves]:
    """The state after these moves, and what they do to it. Those that have been made already do nothing; if one is
    refused, none is made."""
    moves = tuple(moves)
    known = [*state.records, *(address for address in state.intents if address not in state.records)]
    renames = {old: new for old in known if (new := _target(old, moves)) != old} if moves else {}
    if not renames:
        return state, Moves()
    after = renamed_state(state, renames)
    refused = tuple(_refusals(state, after, moves, renames))
    if refused:
        return state, Moves(refused=refused)
    stay = after.records.keys() - set(renames.values())
    rewritten = frozenset(address for address in stay if after.records[address] != state.records[address])
    return after, Moves(renames, rewritten)


def _target(address: Address, moves: tuple[Move, ...]) -> Address:
    """Where the moves take an address: the most specific one first, then those of what contains its new address."""
    for _ in moves:
        inside = [move for move in moves if within(address, move.source)]
        if not inside:
            return address
        move = max(inside, key=lambda move: sum(map(bool, move.source)))
        address = renamed(address, move.source, move.target)
    return address


def renamed_state(state: State, renames: Renames) -> State:
    """The state with other addresses: everything in it that names an object by its address names it by the new one."""

    def new(address: Address) -> Address:
        return renames.get(address, address)

    records = {new(address): _renamed_record(record, new) for address, record in state.records.items()}
    intents = {new(address): _renamed_intent(intent, new) for address, intent in state.intents.items()}
    return replace(state, records=MappingProxyType(records), intents=MappingProxyType(intents))


def _renamed_record(record: Record, new: Callable[[Address], Address]) -> Record:
    address = new(record.address)
    name = record.named or record.address
    dependencies = tuple(new(needed) for needed in record.dependencies)
    canonical = _renamed_canonical(record.address, record.canonical, new)
    if (address, dependencies, canonical) == (record.address, record.dependencies, record.canonical):
        return record
    return replace(
        record,
        address=address,
        named=None if name == address else name,
        dependencies=dependencies,
        canonical=canonical,
    )


def _renamed_intent(intent: Intent, new: Callable[[Address], Address]) -> Intent:
    address = new(intent.address)
    name = intent.named or intent.address
    return replace(
        intent,
        address=address,
        unit=new(intent.unit),
        named=None if name == address else name,
        canonical=_renamed_canonical(intent.address, intent.canonical, new),
    )


def _renamed_canonical(address: Address, canonical: str, new: Callable[[Address], Address]) -> str:
    """A version's attributes with the versions in its sources renamed; only those that name one are decoded."""
    if address.kind is not Kind.IMAGE_VERSION or '"version":' not in canonical:
        return canonical
    attributes = json.loads(canonical)
    changed = rename_sources(attributes, new)
    return canonical if changed is attributes else canonical_json(changed)


def _refusals(state: State, after: State, moves: Iterable[Move], renames: Renames) -> Iterable[RefusedMove]:
    """What the moves would break: an object that is not in its container any more, or two under one address."""
    counts = Counter(renames.values())
    taken = [new for new in counts if counts[new] > 1 or (new in state.records and new not in renames)]
    names = ObjectNames.of(after)
    apart = {new for new in counts if new.parent is not None and names.name(new).parent != names.name(new.parent)}
    for move in moves:
        inside = [new for new in taken if within(new, move.target)]
        if inside and any(within(old, move.source) for old in renames):
            yield RefusedMove(
                move,
                f"{move.target} is recorded already, and is another object than {move.source}",
                f"forget one of the two first: reconciler state forget {inside[0]}, or choose another address",
            )
        elif move.target in apart:
            yield RefusedMove(move, *why_not_in(move.source, move.target))


def why_not_in(source: Address, target: Address) -> tuple[str, str]:
    """Why something cannot move to another container, and what to do instead."""
    return (
        f"{source} cannot become {target}: its object stays in the {_container_kind(source)} that it is in",
        f"publish it in the other {_container_kind(source)} as well, then remove it here",
    )


def _container_kind(address: Address) -> str:
    container = address.parent
    return str(container.kind) if container else "project"


def write_of(before: State, renames: Renames) -> StateWrite:
    """The one write that makes the state the renamed one."""
    after = renamed_state(before, renames)
    return StateWrite(
        put_records=tuple(record for address, record in after.records.items() if before.records.get(address) != record),
        forget=tuple(address for address in before.records if address not in after.records),
        put_intents=tuple(intent for address, intent in after.intents.items() if before.intents.get(address) != intent),
        clear_intents=tuple(address for address in before.intents if address not in after.intents),
    )


def touched(state: State, renames: Renames) -> frozenset[str]:
    """The galleries of everything that `write_of` writes to."""
    write = write_of(state, renames)
    addresses = [*write.forget, *write.clear_intents]
    addresses += [record.address for record in write.put_records] + [intent.address for intent in write.put_intents]
    return frozenset(address.gallery for address in addresses)

"""Which changes `--target` and `--exclude` leave: with all that they need, without all that needs what is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from manifests.address import Address, Kind
from reconciler.actions import Action, ResourceChange
from reconciler.names import containers, within
from reconciler.sources import version_references


def asked_for(address: Address, targets: Iterable[str], excludes: Iterable[str]) -> bool:
    """Whether the patterns themselves name an address."""
    targets = tuple(targets)
    named = not targets or any(address.matches(pattern) for pattern in targets)
    return named and not any(address.matches(pattern) for pattern in excludes)


def selected(
    changes: Mapping[Address, ResourceChange], targets: tuple[str, ...], excludes: tuple[str, ...]
) -> frozenset[Address]:
    """The addresses of the changes that are left."""
    needs = {address: frozenset(_needs(change, changes)) for address, change in changes.items()}
    wanted = {address for address in changes if asked_for(address, targets, ())}
    _close(wanted, needs)
    needed_by: dict[Address, set[Address]] = defaultdict(set)
    for address, needed in needs.items():
        for first in needed:
            if changes[first].action is not Action.UPDATE:
                needed_by[first].add(address)
    dropped = {address for address in wanted if not asked_for(address, (), excludes)}
    _close(dropped, needed_by)
    return frozenset(wanted - dropped)


def _needs(change: ResourceChange, changes: Mapping[Address, ResourceChange]) -> Iterator[Address]:
    """The changes without which this one cannot be made."""
    found: list[Address] = []
    address = change.address
    if change.planned:
        found += containers(address)
        if change.kind is Kind.IMAGE_VERSION:
            found += version_references(change.planned_attributes)
    if change.action in (Action.DELETE, Action.REPLACE) or (
        change.action is Action.CREATE and change.kind is Kind.IMAGE_VERSION
    ):
        found += (other for other in changes if within(other, address))
    yield from (other for other in found if other in changes and other != address)


def _close(found: set[Address], following: Mapping[Address, Iterable[Address]]) -> None:
    todo = list(found)
    while todo:
        for address in following.get(todo.pop(), ()):
            if address not in found:
                found.add(address)
                todo.append(address)

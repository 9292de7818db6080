"""Renames without a `Moved` document: something goes, and the same under another name comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Diagnostic, Position, error, warning
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.draft import Draft
from reconciler.planning.sources import disk_sources

Identity = tuple[Any, ...]


def forgotten_moves(draft: Draft) -> Iterator[Diagnostic]:
    """An error for each definition that would be deleted and created again under another name in its gallery; a warning
    where a gallery, or a definition with other identifiers, contains the same."""
    gone = [change for change in draft.changes.values() if change.action is Action.DELETE]
    new = [change for change in draft.changes.values() if change.action is Action.CREATE]
    if not (gone and new):
        return
    renamed: set[Address] = set()
    for before, after in _pairs(_by_identifier(gone, planned=False), _by_identifier(new, planned=True)):
        renamed.add(before.address)
        yield error(
            f"{after.address} has the identifier of {before.address}, which would be deleted",
            f"{_proposal(before, after)}; otherwise remove {before.address} and apply that first",
            address=after.address,
            position=_position(after),
        )
    for before, after in _pairs(_by_content(draft, gone, planned=False), _by_content(draft, new, planned=True)):
        if before.address not in renamed and not any(inside.parent == before.address for inside in renamed):
            yield warning(
                f"{after.address} looks like {before.address}, which would be deleted, under another name",
                _proposal(before, after),
                address=after.address,
                position=_position(after),
            )


def _pairs(
    gone: Mapping[Identity, ResourceChange], new: Mapping[Identity, ResourceChange]
) -> Iterator[tuple[ResourceChange, ResourceChange]]:
    for identity in sorted(gone.keys() & new.keys(), key=repr):
        yield gone[identity], new[identity]


def _by_identifier(changes: list[ResourceChange], *, planned: bool) -> dict[Identity, ResourceChange]:
    """Definitions by gallery and identifier, which the service compares without regard to case."""
    found: dict[Identity, ResourceChange] = {}
    for change in changes:
        identifier = _attributes(change, planned=planned).get("identifier")
        if change.kind is Kind.IMAGE_DEFINITION and identifier:
            found[(change.address.gallery, canonical_json(identifier).lower())] = change
    return found


def _by_content(draft: Draft, changes: list[ResourceChange], *, planned: bool) -> dict[Identity, ResourceChange]:
    """Galleries and definitions by everything in them, except for their own names; empty ones are left out."""
    inside: dict[Address, set[Identity]] = {}
    for change in changes:
        if change.kind is Kind.IMAGE_VERSION and change.address.parent and change.address.parent.parent:
            content = _content(draft, change, planned=planned)
            inside.setdefault(change.address.parent, set()).add((change.address.version, content))
            entry = (change.address.definition, change.address.version, content)
            inside.setdefault(change.address.parent.parent, set()).add(entry)
    by_address = {change.address: change for change in changes}
    return {
        (address.kind, address.gallery if address.definition else "", *sorted(content)): by_address[address]
        for address, content in inside.items()
        if address in by_address
    }


def _content(draft: Draft, change: ResourceChange, *, planned: bool) -> str:
    """What a version is made from: its sources, as declared or recorded."""
    attributes = _attributes(change, planned=planned)
    record = None if planned else draft.records.get(change.address)
    attributes = record.attributes if record else attributes
    return canonical_json({disk: dict(source) for disk, source in disk_sources(attributes)}) if attributes else ""


def _attributes(change: ResourceChange, *, planned: bool) -> Attributes:
    return change.planned_attributes if planned else change.prior_attributes


def _proposal(before: ResourceChange, after: ResourceChange) -> str:
    return f"if it was renamed, add a document: {{kind: Moved, from: {before.address}, to: {after.address}}}"


def _position(change: ResourceChange) -> Position | None:
    return Position(change.origin.file, change.origin.line) if change.origin else None

"""Versions whose source is a version that is no longer declared: they stay as they are, and no new ones are built."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Diagnostic, Position, error, warning
from reconciler.manifests.resource import Resource
from reconciler.manifests.words import suggestion
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.sources import version_references

Resources = Mapping[Address, Resource]


def undeclared_source_warnings(resources: Resources) -> Iterator[Diagnostic]:
    """A warning for each source that names an undeclared version: it is retired, or misspelt."""
    for address, resource in sorted(resources.items(), key=lambda pair: pair[0].sort_key):
        for reference in resource.references:
            if reference.version and reference not in resources:
                stays = "what was built from it stays, but nothing new can be built from it"
                yield warning(
                    f"the source version '{reference}' is not declared",
                    f"{stays}; {_nearest(reference, resources)}",
                    address=address,
                    position=Position(resource.origin.file, resource.origin.line),
                )


def undeclared_sources(
    change: ResourceChange, resources: Resources, recorded: Collection[Address]
) -> Iterator[Diagnostic]:
    """Sources that are needed, and neither declared nor kept."""
    if change.kind is not Kind.IMAGE_VERSION or change.action not in (Action.CREATE, Action.REPLACE):
        return
    for reference in version_references(change.planned_attributes):
        if reference.version == "latest" or reference in resources:
            continue
        if reference in recorded:
            why, remedy = "is no longer declared", f"declare it until {change.address} is built"
        else:
            why, remedy = "is not declared", _nearest(reference, resources)
        position = Position(change.origin.file, change.origin.line) if change.origin else None
        problem = error(f"the source version '{reference}' {why}", remedy, address=change.address, position=position)
        yield replace(problem, path=("source",))


def shallow_children(change: ResourceChange, resources: Resources) -> Iterator[Diagnostic]:
    """Declared Shallow versions of a version that would be deleted: they have no copies of their own."""
    if change.kind is not Kind.IMAGE_VERSION or change.action is not Action.DELETE:
        return
    for address, resource in sorted(resources.items(), key=lambda pair: pair[0].sort_key):
        if change.address in resource.references and resource.attributes.get("replicationMode") == "Shallow":
            yield error(
                f"{address} is Shallow: it has no copies of its own, and needs {change.address}",
                f"keep {change.address} declared, or remove {address} as well",
                address=change.address,
                position=Position(resource.origin.file, resource.origin.line),
            )


def _nearest(reference: Address, resources: Resources) -> str:
    alike = [str(address) for address in resources if address.kind is Kind.IMAGE_VERSION]
    return suggestion(str(reference), alike, label="declared")

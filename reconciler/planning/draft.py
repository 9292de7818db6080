"""`Draft`: what a plan is made from, and the decisions so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.resource import Resource
from reconciler.manifests.values import Attributes
from reconciler.naming.moves import Moves
from reconciler.naming.object_names import ObjectNames
from reconciler.ownership import owner_of
from reconciler.planning.actions import ResourceChange
from reconciler.planning.decisions import Node
from reconciler.planning.plan import PlanOptions
from reconciler.planning.refresh import World
from reconciler.planning.selection import without_excluded
from reconciler.planning.sources import SourceChecks, content_changes, latest_version, planned_sources
from reconciler.providers.owner import Owner
from reconciler.providers.protocol import Capabilities, Verb
from reconciler.state.records import Record, State


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """The desired, recorded and observed worlds, and what else a plan depends on. `state` is that after `moves`;
    `capabilities` are by provider name, `busy` maps a gallery to who is changing it just now ("being changed by ..."),
    `now` is aware."""

    manifest: Manifest
    state: State
    world: World
    moves: Moves = field(default_factory=Moves)
    sources: SourceChecks = field(default_factory=dict)
    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    options: PlanOptions = field(default_factory=PlanOptions)
    busy: Mapping[str, str] = field(default_factory=dict)
    now: datetime = field(kw_only=True)


@dataclass(slots=True)
class Draft:
    """A plan in the making: decisions so far, by address.

    `moved` maps what moves to the addresses that the state has for it so far. `unchanged` are the addresses where
    nothing needs to be done; what is recorded of those in `reread` can be brought up to date.
    """

    inputs: PlanInputs
    moved: Mapping[Address, Address]
    names: ObjectNames
    owner: Owner
    changes: dict[Address, ResourceChange] = field(default_factory=dict)
    unchanged: set[Address] = field(default_factory=set)
    reread: dict[Address, ResourceChange] = field(default_factory=dict)
    errors: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    unreachable: dict[Address, str] = field(default_factory=dict)

    @property
    def records(self) -> Mapping[Address, Record]:
        return self.inputs.state.records

    def node(self, address: Address) -> Node:
        """What is known about an address in all three worlds."""
        named = self.names.name(address)
        world, state = self.inputs.world, self.inputs.state
        record = self.records.get(address)
        intent = state.intents.get(address)
        observed, matching = world.observed.get(named), named in world.matching
        resource = self.inputs.manifest.resources.get(address)
        provider = record.provider if record else resource.provider if resource else ""
        capabilities = self.inputs.capabilities.get(provider)
        if intent is not None and intent.verb == Verb.DELETE and observed is None and not matching:
            record = None  # its delete succeeded: what was recorded of the object no longer matters
        return Node(
            address=address,
            owner=self.owner,
            resource=None if self.inputs.options.destroy else resource,
            record=record,
            intent=intent,
            observed=observed,
            matching=matching,
            named=named,
            moved_from=self.moved.get(address),
            rewritten=address in self.inputs.moves.rewritten,
            content=content_changes(record, self.inputs.sources.get(address, {}), observed),
            keeps_protection=capabilities is not None and capabilities.keeps_protection,
        )

    def planned_attributes(self, resource: Resource, record: Record | None) -> Attributes:
        """The attributes as they will be recorded."""
        resources, sources = self.inputs.manifest.resources, self.inputs.sources
        if resource.address.kind is not Kind.IMAGE_VERSION:
            return resource.attributes

        def pin(definition: Address) -> Address | None:
            versions = {
                address: other.attributes for address, other in resources.items() if address.parent == definition
            }
            return latest_version(definition, versions, resource.address)

        return planned_sources(resource.attributes, record, sources.get(resource.address, {}), pin)


def start_draft(inputs: PlanInputs) -> Draft:
    """A draft without decisions."""
    names = ObjectNames.of(inputs.state)
    if inputs.options.excludes and inputs.world.perhaps_in:
        world = without_excluded(inputs.world, _never_made(inputs, names), inputs.options.excludes)
        inputs = replace(inputs, world=world)
    return Draft(inputs, inputs.moves.before, names, owner_of(inputs.state))


def _never_made(inputs: PlanInputs, names: ObjectNames) -> Mapping[Address, tuple[Address, str]]:
    """Name -> address and home region of what is declared and was neither recorded nor started in another region."""
    new: dict[Address, tuple[Address, str]] = {}
    for address, resource in inputs.manifest.resources.items():
        if address.region or address in inputs.state.records or inputs.options.destroy:
            continue
        home, intent = str(resource.attributes["location"]), inputs.state.intents.get(address)
        if intent is None or json.loads(intent.canonical).get("location") == home:
            new[names.name(address)] = (address, home)
    return new

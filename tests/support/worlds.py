"""Small worlds for planning: three dictionaries by address become the inputs of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.manifest import Manifest, Move, Removal
from reconciler.manifests.resource import DriftException, Lifecycle, OnRemove, Origin, Resource
from reconciler.manifests.values import canonical_json, digest
from reconciler.naming.moves import plan_moves
from reconciler.planning.draft import PlanInputs
from reconciler.planning.plan import PlanOptions
from reconciler.planning.refresh import World
from reconciler.planning.sources import SourceCheck, SourceStatus, version_references
from reconciler.providers.owner import Owner, OwnerMark
from reconciler.providers.protocol import Capabilities, Condition, Observed, SourceFacts
from reconciler.state.records import Intent, Record, State, Status

LINEAGE = "lineage-1"
NOW = datetime(2030, 6, 1, 12, 0, tzinfo=UTC)
CAPABILITIES = Capabilities(
    regions=frozenset({"eastus", "westus", "northeurope"}),
    sources=frozenset({"file", "version"}),
    replication_modes=frozenset({"Full", "Shallow"}),
)

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "gallery": {"location": "eastus", "sharing": {"permissions": "Private"}},
    "image definition": {
        "location": "eastus",
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "architecture": "x64",
        "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
    },
    "image version": {
        "location": "eastus",
        "source": {"file": "images/a.raw"},
        "replicaCount": 1,
        "excludeFromLatest": False,
        "replicationMode": "Full",
        "safety": {"allowDeletionOfReplicatedLocations": False, "blockDeletionBeforeEndOfLife": False},
    },
    "target region": {"replicas": 1, "excludeFromLatest": False},
}

Entries = Mapping[str, Mapping[str, Any] | None]


def attributes_of(address: Address, given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of a kind with `given` over them; a value of None takes one away."""
    merged = {**DEFAULTS[address.kind.value], **given}
    return {name: value for name, value in merged.items() if value is not None and not name.startswith("$")}


def resource_of(address: Address, given: Mapping[str, Any]) -> Resource:
    """`$lifecycle` and `$provider` among the attributes are the resource's own."""
    attributes = attributes_of(address, given)
    lifecycle = dict(given.get("$lifecycle", {}))
    references = version_references(attributes) if address.version and not address.region else ()
    return Resource.of(
        address,
        given.get("$provider", "default"),
        attributes,
        Origin("manifests/corp.yaml", 1),
        Lifecycle(
            protect=lifecycle.get("protect", False),
            on_remove=OnRemove(lifecycle.get("onRemove", "delete")),
            allow_replace=lifecycle.get("allowReplace", False),
            ignore_changes=tuple(lifecycle.get("ignoreChanges", ())),
            ignore_drift=tuple(DriftException(**entry) for entry in lifecycle.get("ignoreDrift", ())),
        ),
        references,
    )


def record_of(address: Address, given: Mapping[str, Any]) -> Record:
    """`$status`, `$protect`, `$retain`, `$disks` among the attributes are the record's own."""
    canonical = canonical_json(attributes_of(address, given))
    references = version_references(attributes_of(address, given)) if address.version and not address.region else ()
    parent = address.parent
    return Record(
        address=address,
        provider="default",
        object_id=f"id:{address}",
        canonical=canonical,
        digest=digest(canonical),
        fingerprint=f"print:{address}",
        computed=canonical_json(
            {"disks": given.get("$disks", {"os": {"size": 512, "sha256": "aa", "source": "id-1"}})}
        ),
        dependencies=(*((parent,) if parent else ()), *references),
        status=Status(given.get("$status", "ready")),
        protect=given.get("$protect", False),
        retain=given.get("$retain", False),
    )


def observed_of(address: Address, given: Mapping[str, Any]) -> Observed:
    """`$mark` is `ours` (the default), `foreign` or `none`; `$condition` and `$defects` as in Observed."""
    marks = {"ours": Owner(LINEAGE).mark(address), "foreign": OwnerMark("lineage-2", address), "none": None}
    return Observed(
        address=address,
        object_id=f"id:{address}",
        mark=marks[given.get("$mark", "ours")],
        fingerprint=f"now:{address}",
        canonical=canonical_json(attributes_of(address, given)),
        condition=Condition(given.get("$condition", "ready")),
        defects=tuple(given.get("$defects", ())),
        protected=given.get("$protected", False),
    )


def intent_of(address: Address, verb: str) -> Intent:
    return Intent(address, address.unit, "default", verb, "{}", "", "run-1", "2030-06-01T12:00:00+00:00")


def _by_address(entries: Entries) -> dict[Address, Mapping[str, Any]]:
    return {Address.parse(text): given or {} for text, given in entries.items()}


def inputs_of(
    desired: Entries,
    recorded: Entries,
    observed: Entries | None = None,
    *,
    journal: Mapping[str, str] | None = None,
    unreachable: Mapping[str, str] | None = None,
    perhaps_in: Mapping[str, str] | None = None,
    options: PlanOptions | None = None,
    moves: Mapping[str, str] | None = None,
    removals: Mapping[str, bool] | None = None,
    sources: Mapping[str, Mapping[str, SourceCheck]] | None = None,
    now: datetime = NOW,
    **capabilities: Any,
) -> PlanInputs:
    """Inputs from three worlds. Without `observed` all that is recorded is as recorded; new sources have 512 bytes.
    `perhaps_in` has the names of regions, with blanks between; `capabilities` change those of the provider."""
    origin = Origin("manifests/corp.yaml", 1)
    resources = {address: resource_of(address, given) for address, given in _by_address(desired).items()}
    records = {address: record_of(address, given) for address, given in _by_address(recorded).items()}
    intents = {address: intent_of(address, verb) for address, verb in _verbs(journal).items()}
    seen = {address: observed_of(address, given) for address, given in _by_address(observed or {}).items()}
    matching = frozenset(records) if observed is None else frozenset()
    facts = SourceCheck(SourceStatus.NEW, SourceFacts(512, 512, "raw", "id-1"))
    checks = {
        address: {"os": facts}
        for address, resource in resources.items()
        if address.version and not address.region and address not in records and "file" in resource.attributes["source"]
    }
    checks |= {Address.parse(text): dict(found) for text, found in (sources or {}).items()}
    state, planned_moves = plan_moves(
        State(LINEAGE, 7, "test", records, intents),
        [Move(Address.parse(a), Address.parse(b), origin) for a, b in (moves or {}).items()],
    )
    return PlanInputs(
        manifest=Manifest(
            resources=resources,
            digest="manifest-1",
            removals=tuple(Removal(Address.parse(a), destroy, origin) for a, destroy in (removals or {}).items()),
        ),
        state=state,
        moves=planned_moves,
        world=World(
            seen,
            matching,
            {Address.parse(text): why for text, why in (unreachable or {}).items()},
            perhaps_in={Address.parse(text): frozenset(where.split()) for text, where in (perhaps_in or {}).items()},
        ),
        sources=checks,
        capabilities={"default": replace(CAPABILITIES, **capabilities)},
        options=options or PlanOptions(),
        now=now,
    )


def _verbs(journal: Mapping[str, str] | None) -> dict[Address, str]:
    return {Address.parse(text): verb for text, verb in (journal or {}).items()}

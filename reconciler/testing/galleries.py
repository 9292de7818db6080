"""One gallery with a definition and a version, as operations on any backend make them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.protocol import Provider, Step, Verb
from reconciler.testing.operations import DEFINITION, GALLERY, VERSION, Attributes, Results, applied, run

GALLERY_ATTRIBUTES = {"location": "eastus", "sharing": {"permissions": "Private"}}
DEFINITION_ATTRIBUTES = {
    "location": "eastus",
    "osType": "Linux",
    "osState": "Generalized",
    "hyperVGeneration": "V2",
    "architecture": "x64",
    "identifier": {"publisher": "Contoso", "offer": "Ubuntu", "sku": "24.10"},
}

REMOVABLE = {"allowDeletionOfReplicatedLocations": True, "blockDeletionBeforeEndOfLife": False}
"""The safety profile of a version whose regions may be removed."""


def version_attributes(source: Attributes, **changes: Any) -> dict[str, Any]:
    """The attributes of a version made from `source`, which permits the removal of its regions."""
    given = {"location": "eastus", "source": source, "replicaCount": 1, "excludeFromLatest": False}
    return {**given, "replicationMode": "Full", "safety": REMOVABLE, **changes}


def region_attributes(replicas: int = 1, *, excluded: bool = False) -> dict[str, Any]:
    """The attributes of a target region."""
    return {"replicas": replicas, "excludeFromLatest": excluded}


def create_steps(source: Attributes, regions: Mapping[Address, int]) -> tuple[Step, ...]:
    """The steps that create the version and its regions: address -> number of replicas."""
    own = Step(Verb.CREATE, VERSION, version_attributes(source))
    return (own, *(Step(Verb.CREATE, region, region_attributes(count)) for region, count in regions.items()))


def create_containers(provider: Provider) -> None:
    """Creates the gallery and the definition."""
    for address, attributes in ((GALLERY, GALLERY_ATTRIBUTES), (DEFINITION, DEFINITION_ATTRIBUTES)):
        applied(run(provider, Step(Verb.CREATE, address, attributes)), address)


def publish(provider: Provider, source: Attributes, regions: Mapping[Address, int], **more: Any) -> Results:
    """Creates the gallery, the definition, and the version with its regions; the results of the last."""
    create_containers(provider)
    return run(provider, *create_steps(source, regions), version=version_attributes(source), **more)


def disks_of(results: Results) -> Attributes:
    """What the engine records of a version's disks and passes to later operations."""
    computed: Attributes = json.loads(applied(results, VERSION).computed)
    return computed

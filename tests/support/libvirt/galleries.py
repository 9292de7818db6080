"""One version and its regions on virtualization hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.protocol import Applied, Provider, Step, Verb
from reconciler.testing.operations import DEFINITION, GALLERY, VERSION, Attributes, Results, applied, run

PLACE = {"location": "eastus"}


def version(source: Attributes, **more: Any) -> dict[str, Any]:
    """A version's attributes."""
    return {**PLACE, "source": source, "replicaCount": 1, "replicationMode": "Full", **more}


def region(replicas: int = 1) -> dict[str, Any]:
    return {"replicas": replicas, "excludeFromLatest": False}


def publish(
    provider: Provider,
    attributes: Attributes,
    regions: Mapping[Address, int],
    *,
    os_state: str = "Generalized",
    address: Address = VERSION,
) -> Results:
    """Creates the gallery, the definition, and a version with its regions; the results of the version."""
    for made, given in ((GALLERY, PLACE), (DEFINITION, {**PLACE, "osState": os_state})):
        assert isinstance(run(provider, Step(Verb.CREATE, made, given))[made], Applied)
    steps = [Step(Verb.CREATE, one, region(count)) for one, count in regions.items()]
    return run(provider, Step(Verb.CREATE, address, attributes), *steps, version=attributes)


def remove(provider: Provider, attributes: Attributes, *regions: Address) -> Results:
    """Removes everything that `publish` created; the results for the version and its regions."""
    steps = [Step(Verb.DELETE, one, prior=region()) for one in regions]
    results = run(provider, *steps, Step(Verb.DELETE, VERSION, prior=attributes), version=attributes)
    if all(isinstance(result, Applied) for result in results.values()):
        for made in (DEFINITION, GALLERY):
            assert isinstance(run(provider, Step(Verb.DELETE, made, prior=PLACE))[made], Applied)
    return results


def disks(results: Results, address: Address = VERSION) -> dict[str, Any]:
    """What was recorded of a version's disks."""
    found: dict[str, Any] = json.loads(applied(results, address).computed)["disks"]
    return found

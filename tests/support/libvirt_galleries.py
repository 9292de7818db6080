"""One version and its regions on hypervisor hosts, and how operations on it are run to their end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from manifests.address import Address
from providers.errors import ProviderError
from providers.protocol import Applied, Done, Operation, ProgressCallback, Provider, Step, Verb

LINEAGE = "5f1d2c3b-aaaa-bbbb-cccc-000000000001"
GALLERY = Address("corp")
DEFINITION = Address("corp", "ubuntu")
VERSION = Address("corp", "ubuntu", "1.0.3")
EAST, WEST, NORTH = (VERSION._replace(region=name) for name in ("eastus", "westus", "northeurope"))
PLACE = {"location": "eastus"}
CONTENT = b"first sector".ljust(512, b"\0") + bytes(range(256)) * 6

Attributes = Mapping[str, Any]
Results = Mapping[Address, Applied | ProviderError]


def version(source: Attributes, **more: Any) -> dict[str, Any]:
    """A version's attributes."""
    return {**PLACE, "source": source, "replicaCount": 1, "replicationMode": "Full", **more}


def region(replicas: int = 1) -> dict[str, Any]:
    return {"replicas": replicas, "excludeFromLatest": False}


def run(
    provider: Provider,
    *steps: Step,
    version: Attributes | None = None,
    computed: Attributes | None = None,
    progress: ProgressCallback = lambda *_: None,
) -> Results:
    """The results of one operation. Every handle goes through JSON, as it does in a journal."""
    answer = provider.begin(Operation(steps[0].address.unit, LINEAGE, steps, version, computed or {}), progress)
    while not isinstance(answer, Done):
        answer = provider.poll(json.loads(json.dumps(answer.handle)), progress)
    return answer.results


def publish(
    provider: Provider,
    attributes: Attributes,
    regions: Mapping[Address, int],
    *,
    os_state: str = "Generalized",
    address: Address = VERSION,
) -> Results:
    """Makes the gallery, the definition, and a version with its regions; the results of the last."""
    for made, given in ((GALLERY, PLACE), (DEFINITION, {**PLACE, "osState": os_state})):
        assert isinstance(run(provider, Step(Verb.CREATE, made, given))[made], Applied)
    steps = [Step(Verb.CREATE, one, region(count)) for one, count in regions.items()]
    return run(provider, Step(Verb.CREATE, address, attributes), *steps, version=attributes)


def remove(provider: Provider, attributes: Attributes, *regions: Address) -> Results:
    """Removes everything that `publish` made; the results for the version and its regions."""
    steps = [Step(Verb.DELETE, one, prior=region()) for one in regions]
    results = run(provider, *steps, Step(Verb.DELETE, VERSION, prior=attributes), version=attributes)
    if all(isinstance(result, Applied) for result in results.values()):
        for made in (DEFINITION, GALLERY):
            assert isinstance(run(provider, Step(Verb.DELETE, made, prior=PLACE))[made], Applied)
    return results


def applied(results: Results, address: Address) -> Applied:
    result = results[address]
    assert isinstance(result, Applied), result
    return result


def failed(results: Results, address: Address) -> ProviderError:
    result = results[address]
    assert isinstance(result, ProviderError), result
    return result


def disks(results: Results, address: Address = VERSION) -> dict[str, Any]:
    """What was recorded of a version's disks."""
    found: dict[str, Any] = json.loads(applied(results, address).computed)["disks"]
    return found

"""One version that operations are done on, and how an operation is run to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.bound_sources import BoundSource
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import Applied, Done, Operation, ProgressCallback, Provider, Step

LINEAGE = "5f1d2c3b-aaaa-bbbb-cccc-000000000001"
OTHER_LINEAGE = "77777777-aaaa-bbbb-cccc-000000000002"
GALLERY = Address("corp")
DEFINITION = Address("corp", "ubuntu")
VERSION = Address("corp", "ubuntu", "1.0.3")
EAST, WEST, NORTH = (VERSION._replace(region=name) for name in ("eastus", "westus", "northeurope"))
CONTENT = b"first sector".ljust(512, b"\0") + bytes(range(256)) * 6

Attributes = Mapping[str, Any]
Results = Mapping[Address, Applied | ProviderError]


def owner_of(lineage: str = LINEAGE) -> Owner:
    """The state of this lineage as the owner of objects; every lineage has a key of its own."""
    return Owner(lineage, f"key of {lineage}".encode())


def writer_of(lineage: str = LINEAGE, fence: int = 0) -> Writer:
    """A run of that state."""
    return Writer(owner_of(lineage), fence)


def run(
    provider: Provider,
    *steps: Step,
    version: Attributes | None = None,
    computed: Attributes | None = None,
    lineage: str = LINEAGE,
    fence: int = 0,
    writer: Writer | None = None,
    progress: ProgressCallback = lambda *_: None,
    sources: tuple[BoundSource, ...] = (),
) -> Results:
    """The results of one operation, done for `writer`, or for a run of `lineage` with this fence. Every handle goes
    through JSON, as it does in a journal."""
    writer = writer or writer_of(lineage, fence)
    answer = provider.begin(
        Operation(steps[0].address.unit, writer, steps, version, computed or {}, sources=sources), progress
    )
    while not isinstance(answer, Done):
        answer = provider.poll(json.loads(json.dumps(answer.handle)), writer, progress)
    return answer.results


def applied(results: Results, address: Address) -> Applied:
    """The result of a step that must have been done."""
    result = results[address]
    assert isinstance(result, Applied), result
    return result


def failed(results: Results, address: Address) -> ProviderError:
    """The error of a step that must have failed."""
    result = results[address]
    assert isinstance(result, ProviderError), result
    return result

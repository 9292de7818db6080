"""An operation as JSON and back, for the handle with which another process continues it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.bound_sources import BoundSource
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Operation, Step, Verb


def encode(operation: Operation) -> dict[str, Any]:
    """JSON-shaped and without the writer, who has a key; `decode` returns the same operation."""
    return {
        "unit": str(operation.unit),
        "steps": [_encode_step(step) for step in operation.steps],
        "version": _plain(operation.version),
        "computed": _plain(operation.computed),
        "removes": list(operation.removes),
        "replacement": _plain(operation.replacement),
        "sources": [[source.disk, source.digest, source.identity] for source in operation.sources],
    }


def decode(handle: Mapping[str, Any], writer: Writer) -> Operation:
    """The operation in a handle, now done for `writer`. Raises: ProviderError if it contains none."""
    try:
        return Operation(
            unit=Address.parse(handle["unit"]),
            writer=writer,
            steps=tuple(map(_decode_step, handle["steps"])),
            version=handle["version"],
            computed=handle["computed"],
            removes=tuple(handle.get("removes", ())),
            replacement=handle.get("replacement"),
            sources=tuple(BoundSource(*map(str, source)) for source in handle.get("sources", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProviderError(f"the journal contains what no provider wrote: {error!r}. This is a bug.") from error


def _plain(value: Any) -> Any:
    return None if value is None else json.loads(canonical_json(value))


def _encode_step(step: Step) -> dict[str, Any]:
    return {
        "verb": step.verb.value,
        "address": str(step.address),
        "planned": _plain(step.planned),
        "prior": _plain(step.prior),
        "objectId": step.object_id,
        "requests": list(step.write_flags),
        "makesRoom": step.makes_room,
        "protect": step.protect,
        "recorded": step.recorded,
        "repairs": step.repairs,
    }


def _decode_step(value: Mapping[str, Any]) -> Step:
    return Step(
        verb=Verb(value["verb"]),
        address=Address.parse(value["address"]),
        planned=value["planned"],
        prior=value["prior"],
        object_id=str(value["objectId"]),
        write_flags=tuple(value["requests"]),
        makes_room=bool(value["makesRoom"]),
        protect=bool(value.get("protect", False)),
        recorded=bool(value.get("recorded", False)),
        repairs=bool(value.get("repairs", False)),
    )

"""An operation as JSON, for the handle by which another process goes on with it, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Operation, Step, Verb


def written(operation: Operation) -> dict[str, Any]:
    """JSON-shaped, without secrets; `read` gives the same operation back."""
    return {
        "unit": str(operation.unit),
        "lineage": operation.lineage,
        "steps": [_written_step(step) for step in operation.steps],
        "version": _plain(operation.version),
        "computed": _plain(operation.computed),
    }


def read(handle: Mapping[str, Any]) -> Operation:
    """The operation in a handle. Raises: ProviderError when there is none in it."""
    try:
        return Operation(
            unit=Address.parse(handle["unit"]),
            lineage=str(handle["lineage"]),
            steps=tuple(map(_read_step, handle["steps"])),
            version=handle["version"],
            computed=handle["computed"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProviderError(f"the journal holds what no provider wrote: {error!r}. This is a bug.") from error


def _plain(value: Any) -> Any:
    return None if value is None else json.loads(canonical_json(value))


def _written_step(step: Step) -> dict[str, Any]:
    return {
        "verb": step.verb.value,
        "address": str(step.address),
        "planned": _plain(step.planned),
        "prior": _plain(step.prior),
        "objectId": step.object_id,
        "requests": list(step.write_flags),
        "makesRoom": step.makes_room,
    }


def _read_step(text: Mapping[str, Any]) -> Step:
    return Step(
        verb=Verb(text["verb"]),
        address=Address.parse(text["address"]),
        planned=text["planned"],
        prior=text["prior"],
        object_id=str(text["objectId"]),
        write_flags=tuple(text["requests"]),
        makes_room=bool(text["makesRoom"]),
    )

"""An operation and the names it was given, also as the handle by which another process goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manifests.address import Address
from providers.errors import ProviderError
from providers.protocol import Operation, Step, Verb

Names = Mapping[Address, Mapping[str, tuple[str, ...]]]
"""Target region -> disk (`os`, `data-LUN`) -> the names of the volumes to be made of it, in the order of replicas."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done. `names` are chosen before anything is made, so that the journal knows them."""

    operation: Operation
    names: Names

    def handle(self) -> dict[str, Any]:
        """JSON-shaped, without secrets."""
        operation = self.operation
        return {
            "unit": str(operation.unit),
            "lineage": operation.lineage,
            "steps": [_step_text(step) for step in operation.steps],
            "version": operation.version,
            "computed": dict(operation.computed),
            "names": {
                str(region): {disk: list(names) for disk, names in disks.items()}
                for region, disks in self.names.items()
            },
        }

    @classmethod
    def of(cls, handle: Mapping[str, Any]) -> Work:
        """The work that a handle describes. Raises: ProviderError when it is not one of ours."""
        try:
            operation = Operation(
                unit=Address.parse(handle["unit"]),
                lineage=str(handle["lineage"]),
                steps=tuple(_step(text) for text in handle["steps"]),
                version=handle["version"],
                computed=handle["computed"],
            )
            names = {
                Address.parse(region): {disk: tuple(found) for disk, found in disks.items()}
                for region, disks in handle["names"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProviderError(f"the journal holds what the libvirt provider did not write: {error!r}") from error
        return cls(operation, names)


def _step_text(step: Step) -> dict[str, Any]:
    return {
        "verb": step.verb.value,
        "address": str(step.address),
        "planned": step.planned,
        "prior": step.prior,
        "objectId": step.object_id,
    }


def _step(text: Mapping[str, Any]) -> Step:
    return Step(
        Verb(text["verb"]), Address.parse(text["address"]), text["planned"], text["prior"], str(text["objectId"])
    )

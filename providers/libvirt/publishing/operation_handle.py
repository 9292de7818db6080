"""An operation and the names it was given, also as the handle by which another process goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.common import operation_json
from reconciler.providers.protocol import Operation

Names = Mapping[Address, Mapping[str, tuple[str, ...]]]
"""Target region -> disk (`os`, `data-LUN`) -> the names of the volumes to be made of it, in the order of replicas."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done. `names` are chosen before anything is made, so that the journal knows them."""

    operation: Operation
    names: Names

    def handle(self) -> dict[str, Any]:
        """JSON-shaped, without secrets."""
        return {
            "operation": operation_json.encode(self.operation),
            "names": {
                str(region): {disk: list(names) for disk, names in disks.items()}
                for region, disks in self.names.items()
            },
        }

    @classmethod
    def of(cls, handle: Mapping[str, Any]) -> Work:
        """The work that a handle describes. Raises: ProviderError when it is not one of ours."""
        names = {
            Address.parse(region): {disk: tuple(found) for disk, found in disks.items()}
            for region, disks in handle["names"].items()
        }
        return cls(operation_json.decode(handle["operation"]), names)

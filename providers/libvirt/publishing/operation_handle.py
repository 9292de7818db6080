"""An operation and the names of its volumes: the handle with which another process can continue it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.common import operation_json
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Operation

Names = Mapping[Address, Mapping[str, tuple[str, ...]]]
"""Target region -> disk (`os`, `data-LUN`) -> the names of the volumes to be created for it, by replica number."""


@dataclass(frozen=True, slots=True)
class OperationHandle:
    """An operation to run. `names` are chosen before anything is created, so that the journal contains them."""

    operation: Operation
    names: Names

    def encode(self) -> dict[str, Any]:
        """JSON-shaped, without secrets."""
        return {
            "operation": operation_json.encode(self.operation),
            "names": {
                str(region): {disk: list(names) for disk, names in disks.items()}
                for region, disks in self.names.items()
            },
        }

    @classmethod
    def decode(cls, value: Mapping[str, Any], writer: Writer) -> OperationHandle:
        """The handle in parsed JSON. Raises: ProviderError if it is not one of ours."""
        names = {
            Address.parse(region): {disk: tuple(chosen) for disk, chosen in disks.items()}
            for region, disks in value["names"].items()
        }
        return cls(operation_json.decode(value["operation"], writer), names)

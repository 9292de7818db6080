"""What soft delete leaves behind: versions that are gone, keep their name taken, and can be brought back. Pure."""

from __future__ import annotations

from reconciler.manifests.address import Address, Kind
from reconciler.providers.azure.observation.observed_objects import ServiceObject
from reconciler.providers.azure.service.api import Json
from reconciler.providers.azure.service.canonical_values import moment
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.errors import ObjectConflict, ProviderError

DELETE_COMMAND = "az sig image-version delete --bypass-soft-delete true"
"""Source: the Compute Gallery REST specification, bypassSoftDelete; the Azure CLI's name for it."""


def until(deleted: Json) -> str:
    """How long a soft-deleted version stays, in words; only newer services say it."""
    properties = deleted.get("properties") or {}
    end = properties.get("hardDeletionTargetTime") or properties.get("consumptionEndTime")
    return f"soft-deleted, gone by itself on {moment(str(end))}" if end else "soft-deleted"


def in_the_way(unit: Address, deleted: Json, why: str = "") -> ObjectConflict:
    """The error when a soft-deleted version keeps the name of a new one taken."""
    return ObjectConflict(
        f"a deleted version keeps the name {unit} taken: {until(deleted)}{f'; {why}' if why else ''}",
        "restore it with `restore: true` on the version, publish under another number, or delete it for good with: "
        f"{DELETE_COMMAND}",
    )


def check_restored(handle: OperationHandle, version: ServiceObject) -> None:
    """Raises: ProviderError when a version that was brought back differs in what cannot be changed any more."""
    own = handle.own
    planned = own.planned if own is not None and own.planned is not None else version.attributes
    fixed = [name for name in sorted(planned.keys() | version.attributes.keys()) if _is_fixed(name)]
    differing = [name for name in fixed if planned.get(name) != version.attributes.get(name)]
    if differing:
        raise ProviderError(
            f"{handle.unit} was brought back, and differs from the manifest in what is fixed: {', '.join(differing)}",
            f"declare it as it was, or have it made anew with --allow-replace {handle.unit}",
        )


def _is_fixed(name: str) -> bool:
    from reconciler.manifests.kinds.mutability import rule_for
    from reconciler.manifests.resource import Mutability

    return rule_for(Kind.IMAGE_VERSION, (name,)).mutability is Mutability.IMMUTABLE

"""Soft-deleted versions, which keep their names reserved and can be restored. Pure."""

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
    """How long a soft-deleted version is kept, as text for messages; only newer services say it."""
    properties = deleted.get("properties") or {}
    end = properties.get("hardDeletionTargetTime") or properties.get("consumptionEndTime")
    return f"soft-deleted, expires on {moment(str(end))}" if end else "soft-deleted"


def name_taken(unit: Address, deleted: Json, why: str = "") -> ObjectConflict:
    """The error when a soft-deleted version has the name of a new one."""
    return ObjectConflict(
        f"a deleted version still has the name {unit}: {until(deleted)}{f'; {why}' if why else ''}",
        "restore it with `restore: true` on the version, publish under another number, or delete it for good with: "
        f"{DELETE_COMMAND}",
    )


def check_restored(handle: OperationHandle, version: ServiceObject) -> None:
    """Raises: ProviderError when a restored version differs from the plan in attributes that cannot be changed."""
    own = handle.own
    planned = own.planned if own is not None and own.planned is not None else version.attributes
    fixed = [name for name in sorted(planned.keys() | version.attributes.keys()) if _is_fixed(name)]
    differing = [name for name in fixed if planned.get(name) != version.attributes.get(name)]
    if differing:
        raise ProviderError(
            f"{handle.unit} was restored, but differs from the manifest in fixed attributes: {', '.join(differing)}",
            f"declare it as it was, or recreate it with --allow-replace {handle.unit}",
        )


def _is_fixed(name: str) -> bool:
    from reconciler.manifests.kinds.mutability import rule_for
    from reconciler.manifests.resource import Mutability

    return rule_for(Kind.IMAGE_VERSION, (name,)).mutability is Mutability.IMMUTABLE

"""Failures of calls to the service, and how they are explained to people.

Calls raise CallFailed; `explained` turns it into one of the provider's errors, with a remedy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError, Unavailable

_TRY_AGAIN = frozenset({0, 408, 429, 500, 502, 503, 504})
_BUSY = frozenset({"Conflict", "OperationNotAllowed", "AnotherOperationInProgress", "RetryableError"})
_EXPIRED = frozenset({"ExpiredAuthenticationToken", "InvalidAuthenticationToken"})

UNEXPECTED_ANSWER = "UnexpectedAnswer"
"""The code of a call that was answered with something that is not Azure's API."""


class CallFailed(Exception):
    """A call that failed. `status` is the HTTP status, 0 without an answer; `code` is the service's error code."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after_s = status, code, message, retry_after_s

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.status in _TRY_AGAIN or self.expired

    @property
    def throttled(self) -> bool:
        return self.status == 429

    @property
    def expired(self) -> bool:
        """Whether the token has to be renewed."""
        return self.status == 401 and self.code in _EXPIRED

    @property
    def missing(self) -> bool:
        return self.status == 404

    @property
    def parent_missing(self) -> bool:
        return self.code == "ParentResourceNotFound"

    @property
    def not_empty(self) -> bool:
        return self.code == "CannotDeleteResource"

    @property
    def busy(self) -> bool:
        """Whether another operation on the object is in progress."""
        return self.status == 409 and self.code in _BUSY and "progress" in self.message.lower()


_REMEDIES: Mapping[str, str] = {
    "PropertyChangeNotAllowed": "this cannot be changed after creation: declare a new one, or allow its replacement",
    "InvalidResourceLocation": "use another name, or its present location",
    "QuotaExceeded": "remove what is not needed, or use another region or subscription",
    "GalleryNameNotUnique": "gallery names are unique in a subscription: choose another",
    "LocationNotAvailableForResourceType": "use a region that the subscription offers",
    "DeleteGalleryImageVersionBlockedBeforeEndOfLife": "set safety.blockDeletionBeforeEndOfLife: false and apply that",
    "ResourceGroupNotFound": "create the resource group first: az group create --name NAME --location REGION",
    "SubscriptionNotFound": "check `subscription` in the project file, and which credential is used",
    "MissingSubscriptionRegistration": "register it once: az provider register --namespace Microsoft.Compute",
    "ReplicationJobsNotCompleted": "apply again: the regions that failed are removed and added once more",
    "NoRegisteredProviderFound": "the service is too old for this client: update the emulator",
}

_SOURCE_ROLES: Mapping[str, str] = {
    "vm": "Microsoft.Compute/virtualMachines/write on the virtual machine",
    "disk": "Microsoft.Compute/disks/write on the disk",
    "snapshot": "Microsoft.Compute/snapshots/write on the snapshot",
    "vhd": "Microsoft.Storage/storageAccounts/listKeys/action on the storage account",
    "file": "Microsoft.Storage/storageAccounts/listKeys/action on the storage account",
    "managedImage": "Microsoft.Compute/images/read on the managed image",
    "version": "Microsoft.Compute/galleries/images/versions/read on the image version",
    "communityGalleryImage": "Microsoft.Compute/locations/communityGalleries read access",
}
"""The permission that each source requires. Source: Azure's documentation of image versions."""

_DISK_KIND = re.compile(r"\bOS ?(type|state)\b|\bgeneration\b|\bplan\b", re.IGNORECASE)
FITTING = (
    "osType, osState, hyperVGeneration and purchasePlan of the definition must match those of the source: use "
    "a source that matches, or declare a definition for this one"
)
"""Source: Azure's troubleshooting guide of shared images."""

_SHARE = "galleries/share/action"
_SHARING_ROLE = (
    "the identity needs Microsoft.Compute/galleries/share/action on the gallery (for example the role Compute Gallery "
    "Sharing Admin; Contributor does not have it)"
)


def explained(failed: CallFailed, doing: str, styles: tuple[str, ...] = ()) -> ProviderError:
    """The error to show: `doing` says what was attempted, `styles` are the source styles that were involved."""
    what = f"{doing}: {failed.message.rstrip()}"
    if failed.code and failed.code not in what:
        what = f"{what} ({failed.code})"
    if failed.code == UNEXPECTED_ANSWER:
        return Unavailable(f"{doing}: {failed.message}", "check `endpoint`, and what answers there (a proxy?)")
    if failed.status == 401:
        return Unavailable(what, "sign in again: the credential was refused")
    if failed.status == 403:
        return ProviderError(what, _SHARING_ROLE if _SHARE in what else _permission(styles))
    if failed.transient:
        return Unavailable(what, "apply again when the service answers")
    if failed.missing and styles:
        return SourceError(what, "check the source's id, and that it still exists")
    if failed.not_empty:
        return ObjectConflict(what, "something in it is not in these manifests: remove that first")
    return ProviderError(what, _REMEDIES.get(failed.code, _by_message(failed, styles)))


def _by_message(failed: CallFailed, styles: tuple[str, ...]) -> str:
    if failed.status != 400:
        return "see the message of the service"
    return FITTING if styles and _DISK_KIND.search(failed.message) else "correct the manifest"


def _permission(styles: tuple[str, ...]) -> str:
    needed = [_SOURCE_ROLES[style] for style in styles if style in _SOURCE_ROLES]
    also = f", and for its source {' and '.join(dict.fromkeys(needed))}" if needed else ""
    return (
        "the identity needs Microsoft.Compute/galleries/* on the resource group (for example the role "
        f"Compute Gallery Artifacts Publisher){also}"
    )


def from_operation(error: Mapping[str, Any]) -> CallFailed:
    """The failure of an asynchronous operation."""
    return CallFailed(400, str(error.get("code", "")), str(error.get("message", "the operation failed")))

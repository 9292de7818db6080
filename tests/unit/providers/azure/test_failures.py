"""Azure's refusals: the errors that they become, and the remedies that are proposed."""

from __future__ import annotations

import pytest

from reconciler.providers.azure.service.failures import CallFailed, explained
from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError, Unavailable

REFUSED = "The client does not have authorization to perform action '{}' over scope '/subscriptions/x'."


def refused(action: str, *styles: str) -> str:
    """The remedy for a call that lacks a permission."""
    error = explained(CallFailed(403, "AuthorizationFailed", REFUSED.format(action)), "corp/web/1.0.0", styles)
    assert not error.retryable
    assert action in error.message
    return error.remedy


@pytest.mark.parametrize(
    ("style", "permission"),
    [
        ("vm", "Microsoft.Compute/virtualMachines/write on the virtual machine"),
        ("disk", "Microsoft.Compute/disks/write on the disk"),
        ("snapshot", "Microsoft.Compute/snapshots/write on the snapshot"),
        ("vhd", "Microsoft.Storage/storageAccounts/listKeys/action on the storage account"),
        ("file", "Microsoft.Storage/storageAccounts/listKeys/action on the storage account"),
        ("managedImage", "Microsoft.Compute/images/read on the managed image"),
        ("version", "Microsoft.Compute/galleries/images/versions/read on the image version"),
    ],
)
def test_a_refusal_names_the_permission_of_the_source(style: str, permission: str) -> None:
    assert permission in refused("Microsoft.Compute/galleries/images/versions/write", style)


def test_a_refusal_without_a_source_names_the_galleries_alone() -> None:
    remedy = refused("Microsoft.Compute/galleries/write")
    assert "Microsoft.Compute/galleries/* on the resource group" in remedy
    assert "for its source" not in remedy


def test_sharing_needs_a_permission_that_contributors_lack() -> None:
    assert "Compute Gallery Sharing Admin" in refused("Microsoft.Compute/galleries/share/action")


@pytest.mark.parametrize(
    ("status", "code", "kind", "remedy"),
    [
        (0, "", Unavailable, "apply again when the service answers"),
        (401, "InvalidAuthenticationToken", Unavailable, "sign in again"),
        (429, "TooManyRequests", Unavailable, "apply again when the service answers"),
        (503, "ServiceUnavailable", Unavailable, "apply again when the service answers"),
        (404, "ResourceGroupNotFound", ProviderError, "az group create"),
        (404, "SubscriptionNotFound", ProviderError, "check `subscription` in the project file"),
        (409, "CannotDeleteResource", ObjectConflict, "not in these manifests"),
        (409, "PropertyChangeNotAllowed", ProviderError, "allow its replacement"),
        (409, "MissingSubscriptionRegistration", ProviderError, "az provider register"),
        (400, "InvalidParameter", ProviderError, "correct the manifest"),
        (409, "SomethingNew", ProviderError, "see the message of the service"),
    ],
)
def test_every_refusal_has_a_remedy(status: int, code: str, kind: type[ProviderError], remedy: str) -> None:
    error = explained(CallFailed(status, code, "No."), "corp cannot be made")
    assert type(error) is kind
    assert error.message == ("corp cannot be made: No." + (f" ({code})" if code else ""))
    assert remedy in error.remedy


def test_a_missing_source_is_reported_as_one() -> None:
    assert isinstance(explained(CallFailed(404, "NotFound", "No."), "corp/web/1.0.0", ("disk",)), SourceError)


@pytest.mark.parametrize(
    "message",
    [
        "The Hyper-V generation 'V1' of the source is not that of the image.",
        "The source's OSType and OSState must match those of the gallery image.",
        "The purchase plan information does not match.",
    ],
)
def test_a_source_of_another_kind_is_reported_with_the_rule(message: str) -> None:
    failed = CallFailed(400, "InvalidParameter", message)
    assert "of the definition must match those of the source" in explained(failed, "corp/web/1.0.0", ("vm",)).remedy
    assert explained(failed, "corp/web").remedy == "correct the manifest"

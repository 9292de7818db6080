"""Values of the service in the manifests' spelling, whatever spelling an answer uses.

The values are repeated here because importing `reconciler.manifests.kinds` would slow the start of a plan; a test
compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reconciler.manifests.regions import canonical_region

ENUM_VALUES = (
    *("Private", "Groups", "Community"),
    *("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"),
    *("Linux", "Windows", "Generalized", "Specialized", "V1", "V2", "x64", "Arm64"),
    *("Standard", "TrustedLaunchSupported", "TrustedLaunch", "ConfidentialVmSupported", "ConfidentialVM"),
    *("TrustedLaunchAndConfidentialVmSupported", "True", "False", "SCSI", "NVMe", "SCSI, NVMe"),
    *("ReadOnly", "ReadWrite", "Full", "Shallow", "EdgeZone", "Unknown"),
    *("Standard_LRS", "Standard_ZRS", "StandardSSD_LRS", "Premium_LRS", "PremiumV2_LRS"),
    *("PreferStandard_ZRS", "DefaultStandard_LRS"),
    *("EncryptedVMGuestStateOnlyWithPmk", "EncryptedWithPmk", "EncryptedWithCmk"),
    *("NonPersistedTPM", "DataDiskEncryptedWithCmk"),
    *("NoSignatureTemplate", "MicrosoftUefiCertificateAuthorityTemplate", "MicrosoftWindowsTemplate"),
    *("sha256", "x509"),
)
"""Every enum value of every attribute."""

FEATURES = ("SecurityType", "IsHibernateSupported", "IsAcceleratedNetworkSupported", "DiskControllerTypes")

_ENUM_VALUES_FOLDED = {value.replace(" ", "").lower(): value for value in ENUM_VALUES} | {"nvme,scsi": "SCSI, NVMe"}
_FEATURES_FOLDED = {name.lower(): name for name in FEATURES} | {"diskcontrollertype": "DiskControllerTypes"}


def enum_value(text: str) -> str:
    """The canonical spelling of an enum value; an unknown value is returned unchanged."""
    return _ENUM_VALUES_FOLDED.get(text.replace(" ", "").lower(), text)


def feature_name(text: str) -> str:
    """The canonical name of a feature. The service's documentation also uses the singular of one of them."""
    return _FEATURES_FOLDED.get(text.lower(), text)


def region(value: Any) -> str:
    """The canonical name of a region, whose display name is also accepted; empty when `value` is not a region."""
    try:
        return canonical_region(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def moment(text: str) -> str:
    """A date-time in UTC and whole seconds, with a Z; any other string is returned unchanged."""
    try:
        parsed = datetime.fromisoformat(text)
        parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{parsed.replace(tzinfo=None, microsecond=0).isoformat()}Z"

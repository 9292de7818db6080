"""The words of the service in the manifests' spelling, however an answer spells them.

They stand here once more because the manifests' own, in `reconciler.manifests.kinds`, cost a plan's start-up.
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
"""Every word that an attribute can be."""

FEATURES = ("SecurityType", "IsHibernateSupported", "IsAcceleratedNetworkSupported", "DiskControllerTypes")

_ENUM_VALUES_FOLDED = {value.replace(" ", "").lower(): value for value in ENUM_VALUES} | {"nvme,scsi": "SCSI, NVMe"}
_FEATURES_FOLDED = {name.lower(): name for name in FEATURES} | {"diskcontrollertype": "DiskControllerTypes"}


def enum_value(text: str) -> str:
    """The canonical spelling of a word; what is none of the service's known words stays as it is."""
    return _ENUM_VALUES_FOLDED.get(text.replace(" ", "").lower(), text)


def feature_name(text: str) -> str:
    """The canonical name of a feature. Documents of the service call one of them by its singular, too."""
    return _FEATURES_FOLDED.get(text.lower(), text)


def region(value: Any) -> str:
    """The canonical name of a region, from its display name too; empty when `value` names none."""
    try:
        return canonical_region(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def moment(text: str) -> str:
    """A date-time in UTC and whole seconds, with a Z; what is none stays as it is."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{found.replace(tzinfo=None, microsecond=0).isoformat()}Z"

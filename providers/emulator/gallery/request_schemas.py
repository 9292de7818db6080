"""The request bodies of galleries, definitions and versions, as the service describes itself.

Source: the Compute Gallery REST specification.
"""

from __future__ import annotations

from reconciler.providers.emulator.core.json_schema import (
    ANY_OBJECT,
    FLAG,
    TEXT,
    WHOLE,
    list_of,
    object_of,
    one_of,
    texts,
    tracked_resource,
)

GALLERY = tracked_resource(
    identity=object_of(
        type=one_of("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"),
        userAssignedIdentities=ANY_OBJECT,
    ),
    properties=object_of(
        description=TEXT,
        sharingProfile=object_of(
            permissions=one_of("Private", "Groups", "Community"),
            communityGalleryInfo=object_of(**texts("publisherUri", "publisherContact", "eula", "publicNamePrefix")),
        ),
        softDeletePolicy=object_of(isSoftDeleteEnabled=FLAG, retentionPeriodInDays=WHOLE, gracePeriodInDays=WHOLE),
    ),
)

_BOUNDS = object_of(min=WHOLE, max=WHOLE)
_FEATURES = ("SecurityType", "IsHibernateSupported", "IsAcceleratedNetworkSupported", "DiskControllerTypes")
DEFINITION = tracked_resource(
    "properties",
    properties=object_of(
        *("osType", "osState", "identifier"),
        osType=one_of("Windows", "Linux"),
        osState=one_of("Generalized", "Specialized"),
        hyperVGeneration=one_of("V1", "V2"),
        architecture=one_of("x64", "Arm64"),
        identifier=object_of(**texts("publisher", "offer", "sku")),
        purchasePlan=object_of(**texts("name", "publisher", "product")),
        recommended=object_of(vCPUs=_BOUNDS, memory=_BOUNDS),
        disallowed=object_of(diskTypes=list_of(TEXT)),
        features=list_of(object_of(name=one_of(*_FEATURES), **texts("value", "startsAtVersion"))),
        allowUpdateImage=FLAG,
        **texts("endOfLifeDate", "description", "releaseNoteUri", "eula", "privacyStatementUri"),
    ),
)

_STORAGE = one_of("Standard_LRS", "Standard_ZRS", "Premium_LRS", "PremiumV2_LRS")
_DISK_KEYS = {
    "diskEncryptionSetId": TEXT,
    "securityProfile": object_of(
        confidentialVMEncryptionType=one_of(
            "EncryptedVMGuestStateOnlyWithPmk",
            "EncryptedWithPmk",
            "EncryptedWithCmk",
            "NonPersistedTPM",
            "DataDiskEncryptedWithCmk",
        ),
        secureVMDiskEncryptionSetId=TEXT,
    ),
}
_ENCRYPTION = object_of(osDiskImage=object_of(**_DISK_KEYS), dataDiskImages=list_of(object_of(lun=WHOLE, **_DISK_KEYS)))
_DISK = {
    "hostCaching": one_of("None", "ReadOnly", "ReadWrite"),
    "source": object_of(**texts("id", "uri", "storageAccountId")),
}
VERSION = tracked_resource(
    properties=object_of(
        publishingProfile=object_of(
            targetRegions=list_of(
                object_of(
                    name=TEXT,
                    regionalReplicaCount=WHOLE,
                    storageAccountType=_STORAGE,
                    excludeFromLatest=FLAG,
                    encryption=_ENCRYPTION,
                    additionalReplicaSets=list_of(object_of(storageAccountType=_STORAGE, regionalReplicaCount=WHOLE)),
                )
            ),
            targetExtendedLocations=list_of(
                object_of(
                    name=TEXT,
                    extendedLocation=object_of(name=TEXT, type=one_of("EdgeZone", "Unknown")),
                    extendedLocationReplicaCount=WHOLE,
                    storageAccountType=one_of("Standard_LRS", "Standard_ZRS", "StandardSSD_LRS", "Premium_LRS"),
                    encryption=_ENCRYPTION,
                )
            ),
            replicaCount=WHOLE,
            excludeFromLatest=FLAG,
            endOfLifeDate=TEXT,
            replicationMode=one_of("Full", "Shallow"),
            storageAccountType=_STORAGE,
            storageAccountStrategy=one_of("PreferStandard_ZRS", "DefaultStandard_LRS"),
        ),
        storageProfile=object_of(
            source=object_of(**texts("id", "virtualMachineId", "communityGalleryImageId")),
            osDiskImage=object_of(**_DISK),
            dataDiskImages=list_of(object_of(lun=WHOLE, **_DISK)),
        ),
        safetyProfile=object_of(allowDeletionOfReplicatedLocations=FLAG, blockDeletionBeforeEndOfLife=FLAG),
        securityProfile=ANY_OBJECT,
        restore=FLAG,
    ),
)

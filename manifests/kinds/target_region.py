"""The entries of `targetRegions`, each a node of its own, and those of `targetExtendedLocations`."""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from reconciler.manifests.kinds.base import (
    ARM_API,
    CAUTION,
    ENCRYPTION_DOC,
    IMAGES_DOC,
    KindModel,
    Model,
    ResourceId,
    UniqueBy,
)
from reconciler.manifests.kinds.scalars import Boolean, Choice, Integer, RegionName, String
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.resource import Mutability, Rule
from reconciler.manifests.words import quoted

STORAGE_TYPES = ("Standard_LRS", "Standard_ZRS", "Premium_LRS", "PremiumV2_LRS")
MOST_REPLICAS = 100
ENCRYPTION_SET = ResourceId("disk encryption set", "Microsoft.Compute/diskEncryptionSets")
FORM = "write REGION[=COUNT][=STORAGE], @REGIONSET, or a mapping with a name"


class RegionOrSet(RegionName):
    """A region in any spelling, or `@` and the name of a region set."""

    def parse(self, text: str) -> str:
        if not text.startswith("@"):
            return super().parse(text)
        if len(text) == 1:
            raise InvalidInput("'@' names no region set", "write @NAME with a NAME from regionSets in reconciler.yaml")
        return text


class DiskSecurityProfile(Model):
    """How a disk of a confidential machine is encrypted."""

    confidential_vm_encryption_type: Annotated[
        str | None,
        Choice(
            "EncryptedVMGuestStateOnlyWithPmk",
            "EncryptedWithPmk",
            "EncryptedWithCmk",
            "NonPersistedTPM",
            "DataDiskEncryptedWithCmk",
        ),
        Field(alias="confidentialVMEncryptionType", description="What is encrypted, and with whose key."),
    ] = None
    secure_vm_disk_encryption_set_id: Annotated[
        str | None,
        ENCRYPTION_SET,
        Field(alias="secureVMDiskEncryptionSetId", description="ARM id of the set that encrypts the disk."),
    ] = None


class DiskEncryption(Model):
    """Keys for an OS disk."""

    disk_encryption_set_id: Annotated[
        str | None, ENCRYPTION_SET, Field(description="ARM id of a disk encryption set in that region.")
    ] = None
    security_profile: Annotated[
        DiskSecurityProfile | None, Field(description="Encryption of confidential machines.")
    ] = None


class DataDiskEncryption(DiskEncryption):
    """Keys for a data disk."""

    lun: Annotated[int, Integer(), Field(description="Which data disk.")]


class Encryption(Model):
    """Customer-managed keys for the copies in a region."""

    os_disk_image: Annotated[DiskEncryption | None, Field(description="Keys for the OS disk.")] = None
    data_disk_images: Annotated[
        list[DataDiskEncryption] | None,
        AfterValidator(UniqueBy("lun")),
        Rule(key="lun", source=ENCRYPTION_DOC),
        Field(description="Keys for the data disks."),
    ] = None


class ReplicaSet(Model):
    """Further replicas on another kind of storage."""

    storage_account_type: Annotated[str, Choice(*STORAGE_TYPES), Field(description="Kind of storage.")]
    replicas: Annotated[int, Integer(1, MOST_REPLICAS), Field(description="Number of replicas.")] = 1


class TargetRegion(KindModel):
    """One region, or every region of a region set, that holds copies of a version."""

    name: Annotated[str, RegionOrSet(), Field(description="The region in any spelling, or @REGIONSET.")]
    replicas: Annotated[
        int | None,
        Integer(1, MOST_REPLICAS),
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="Number of copies in the region; replicaCount when absent."),
    ] = None
    exclude_from_latest: Annotated[
        bool | None,
        Boolean(),
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="Never `latest` in this region; the version's excludeFromLatest when absent."),
    ] = None
    storage_account_type: Annotated[
        str | None,
        Choice(*STORAGE_TYPES),
        Rule(source=ARM_API),
        Field(description="Kind of storage of the copies; the version's when absent."),
    ] = None
    encryption: Annotated[
        Encryption | None, Rule(source=ENCRYPTION_DOC), Field(description="Customer-managed keys; all regions or none.")
    ] = None
    additional_replica_sets: Annotated[
        list[ReplicaSet] | None,
        AfterValidator(UniqueBy("storageAccountType")),
        Rule(key="storageAccountType", source=CAUTION),
        Field(description="Further replicas on other kinds of storage."),
    ] = None


class ExtendedLocation(Model):
    """An edge zone."""

    name: Annotated[str, String(), Field(description="Name of the edge zone.")]
    type: Annotated[str, Choice("EdgeZone", "Unknown"), Field(description="Kind of location.")] = "EdgeZone"


class TargetExtendedLocation(Model):
    """Copies in an edge zone."""

    name: Annotated[str, RegionName(), Field(description="The region that the edge zone belongs to.")]
    extended_location: Annotated[ExtendedLocation, Field(description="The edge zone.")]
    extended_location_replica_count: Annotated[
        int | None, Integer(1, MOST_REPLICAS), Field(description="Number of copies there.")
    ] = None
    storage_account_type: Annotated[
        str | None,
        Choice("Standard_LRS", "Standard_ZRS", "StandardSSD_LRS", "Premium_LRS"),
        Field(description="Kind of storage of the copies."),
    ] = None
    encryption: Annotated[Encryption | None, Field(description="Customer-managed keys.")] = None


def parse_shorthand(text: str) -> dict[str, str]:
    """The mapping that `REGION[=COUNT][=STORAGE]` means, its values still strings. Raises: InvalidInput."""
    name, *settings = text.split("=")
    if len(settings) > 2 or not name.strip() or not all(settings):
        raise InvalidInput(f"{quoted(text)} is not a target region", FORM)
    entry = {"name": name}
    for index, setting in enumerate(settings):
        is_count = setting.lstrip("-").isdigit()
        if is_count and index:
            raise InvalidInput(
                f"{quoted(text)} is not a target region",
                "write the count before the storage type: eastus=2=Premium_LRS",
            )
        if not is_count and index == 0 and len(settings) == 2:
            raise InvalidInput(
                f"{quoted(text)} is not a target region",
                "write the count before the storage type: eastus=2=Premium_LRS",
            )
        entry["replicas" if is_count else "storageAccountType"] = setting
    return entry


@lru_cache(maxsize=4096)
def _from_shorthand(text: str) -> TargetRegion | dict[str, str]:
    """The typed entry; a mapping when it has problems, which are then reported with their place."""
    entry = parse_shorthand(text)
    try:
        return TargetRegion.model_validate(entry)
    except ValidationError:
        return entry


def _entry(value: Any) -> Any:
    if isinstance(value, str):
        return _from_shorthand(value)
    if not isinstance(value, dict):
        raise InvalidInput("is not a target region", FORM)
    return value


TargetRegionEntry = Annotated[TargetRegion, BeforeValidator(_entry)]

"""`kind: ImageVersion`, and the settings of versions that a definition can give as defaults."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import (
    ARM_API,
    CAUTION,
    IMAGES_DOC,
    LASTING_DATE,
    TROUBLESHOOTING_DOC,
    Default,
    KindModel,
    Model,
    UniqueBy,
)
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.scalars import AddressText, Choice, Flag, Moment, RegionName, Text, VersionName, Whole
from reconciler.manifests.kinds.target_region import MOST_REPLICAS, STORAGE_TYPES, Encryption, TargetRegionEntry
from reconciler.manifests.problems import Refusal
from reconciler.manifests.resource import Mutability, Rule

HOST_CACHING = ("None", "ReadOnly", "ReadWrite")
DISK_STYLES = ("file", "vhd", "disk", "snapshot")
IMAGE_STYLES = ("managedImage", "vm", "version", "communityGalleryImage")
SOURCE_FORM = f"write exactly one of {', '.join(DISK_STYLES + IMAGE_STYLES)}"

FilePath = Annotated[str, Text(r"[^\0-\x1f]+", "write the path of a disk image, relative to this file")]


class VhdSource(Model):
    """A blob in a storage account."""

    uri: Annotated[
        str,
        Text(r"https?://[^\s?#@]+", "write the plain https address of the blob: no query, no shared access signature"),
        Field(description="Address of the blob, without a shared access signature."),
    ]
    storage_account: Annotated[str, Text(), Field(description="ARM id of the storage account that holds it.")]


class DiskSource(Model):
    """Where the content of one disk comes from: exactly one of these."""

    file: Annotated[
        FilePath | None, Field(description="Path of a disk image, relative to the file it is written in.")
    ] = None
    vhd: Annotated[VhdSource | None, Field(description="A blob in a storage account.")] = None
    disk: Annotated[str | None, Text(), Field(description="ARM id of a managed disk.")] = None
    snapshot: Annotated[str | None, Text(), Field(description="ARM id of a snapshot.")] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "DiskSource":
        styles = self.styles()
        if len(styles) != 1:
            allowed = DISK_STYLES + (IMAGE_STYLES if isinstance(self, Source) else ())
            has = f"names {', '.join(styles)} at once" if styles else "names nothing"
            raise Refusal(f"{has}", f"write exactly one of {', '.join(allowed)}")
        return self

    def styles(self) -> tuple[str, ...]:
        """The styles that are set, by their names in the document; one once it is valid."""
        return tuple(_STYLE_NAMES.get(name, name) for name, value in self.__dict__.items() if value is not None)


class Source(DiskSource):
    """Where the content of a version comes from: exactly one of these."""

    managed_image: Annotated[
        str | None,
        Text(),
        Field(description="ARM id of a managed image, or of a gallery version that is not in these manifests."),
    ] = None
    vm: Annotated[str | None, Text(), Field(description="ARM id of a virtual machine.")] = None
    version: Annotated[
        Address | None,
        AddressText((3,), "GALLERY/DEFINITION/VERSION or GALLERY/DEFINITION/latest", latest=True),
        Field(description="Another version of these manifests, or GALLERY/DEFINITION/latest."),
    ] = None
    community_gallery_image: Annotated[
        str | None, Text(), Field(description="Id of an image in a community gallery.")
    ] = None


_STYLE_NAMES = {"managed_image": "managedImage", "community_gallery_image": "communityGalleryImage"}


class DataDisk(Model):
    """A data disk beside the OS disk."""

    lun: Annotated[int, Whole(), Field(description="Number of the disk, unique in the version.")]
    source: Annotated[DiskSource, Field(description="Where its content comes from.")]
    host_caching: Annotated[str | None, Choice(*HOST_CACHING), Field(description="Caching on the host.")] = None


class ExtendedLocation(Model):
    """An edge zone."""

    name: Annotated[str, Text(), Field(description="Name of the edge zone.")]
    type: Annotated[str, Choice("EdgeZone", "Unknown"), Field(description="Kind of location.")] = "EdgeZone"


class TargetExtendedLocation(Model):
    """Copies in an edge zone."""

    name: Annotated[str, RegionName(), Field(description="The region the edge zone belongs to.")]
    extended_location: Annotated[ExtendedLocation, Field(description="The edge zone.")]
    extended_location_replica_count: Annotated[
        int | None, Whole(1, MOST_REPLICAS), Field(description="Number of copies there.")
    ] = None
    storage_account_type: Annotated[
        str | None,
        Choice("Standard_LRS", "Standard_ZRS", "StandardSSD_LRS", "Premium_LRS"),
        Field(description="Kind of storage of the copies."),
    ] = None
    encryption: Annotated[Encryption | None, Field(description="Keys of your own.")] = None


class Safety(Model):
    """What guards a version against deletion."""

    allow_deletion_of_replicated_locations: Annotated[
        bool, Flag(), Field(description="Whether regions may be removed from targetRegions once published.")
    ] = False
    block_deletion_before_end_of_life: Annotated[
        bool, Flag(), Field(description="Refuse deletion until endOfLifeDate has passed.")
    ] = False


class UefiKey(Model):
    """Keys or hashes for secure boot."""

    type: Annotated[str, Choice("sha256", "x509"), Field(description="What the values are.")]
    value: Annotated[list[Annotated[str, Text()]], Field(description="Base64 texts.")]


class UefiKeySignatures(Model):
    """Signatures beside those of the templates."""

    pk: Annotated[UefiKey | None, Field(description="Platform key.")] = None
    kek: Annotated[list[UefiKey] | None, Field(description="Key exchange keys.")] = None
    db: Annotated[list[UefiKey] | None, Field(description="Allowed signatures.")] = None
    dbx: Annotated[list[UefiKey] | None, Field(description="Forbidden signatures.")] = None


class UefiSettings(Model):
    """Which signatures the firmware accepts."""

    signature_template_names: Annotated[
        list[
            Annotated[
                str,
                Choice(
                    "NoSignatureTemplate",
                    "MicrosoftUefiCertificateAuthorityTemplate",
                    "MicrosoftWindowsTemplate",
                ),
            ]
        ]
        | None,
        Field(description="Named sets of signatures."),
    ] = None
    additional_signatures: Annotated[UefiKeySignatures | None, Field(description="Signatures of your own.")] = None


class SecurityProfile(Model):
    """Secure boot of machines made from the version."""

    uefi_settings: Annotated[UefiSettings | None, Field(description="Which signatures the firmware accepts.")] = None


class VersionSettings(KindModel):
    """What a definition may give its versions as defaults; a version that sets a property replaces it whole."""

    location: Annotated[
        str | None,
        RegionName(),
        Rule(source=TROUBLESHOOTING_DOC),
        Field(description="Home region, in any spelling: the gallery's when absent. Must be a target region."),
    ] = None
    target_regions: Annotated[
        list[TargetRegionEntry] | None,
        Rule(Mutability.IN_PLACE, key="name", source=IMAGES_DOC),
        Field(
            description="Where copies are kept: REGION[=COUNT][=STORAGE], @REGIONSET or a mapping. Home when absent."
        ),
    ] = None
    replica_count: Annotated[
        int | None,
        Whole(1, MOST_REPLICAS),
        Default(1),
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="Number of copies in a region that does not say."),
    ] = None
    exclude_from_latest: Annotated[
        bool | None,
        Flag(),
        Default(False),
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="Never `latest` in a region that does not say."),
    ] = None
    end_of_life_date: Annotated[
        str | None,
        Moment(),
        Rule(Mutability.IN_PLACE, lasting=True, source=LASTING_DATE),
        Field(description="When the version should no longer be used; cannot be taken back."),
    ] = None
    storage_account_type: Annotated[
        str | None,
        Choice(*STORAGE_TYPES),
        Rule(source=ARM_API),
        Field(description="Kind of storage in a region that does not say; excludes storageAccountStrategy."),
    ] = None
    storage_account_strategy: Annotated[
        str | None,
        Choice("PreferStandard_ZRS", "DefaultStandard_LRS"),
        Rule(source=ARM_API),
        Field(description="How the service chooses the storage; excludes storageAccountType."),
    ] = None
    replication_mode: Annotated[
        str | None,
        Choice("Full", "Shallow"),
        Default("Full"),
        Rule(source=ARM_API),
        Field(description="Full copies, or Shallow: no copy, the source must stay."),
    ] = None
    target_extended_locations: Annotated[
        list[TargetExtendedLocation] | None,
        AfterValidator(UniqueBy("extendedLocation.name")),
        Rule(key="extendedLocation.name", source=CAUTION),
        Field(description="Copies in edge zones."),
    ] = None
    safety: Annotated[
        Safety | None,
        Rule(Mutability.IN_PLACE, source=ARM_API),
        Field(description="What guards the version against deletion."),
    ] = None
    security_profile: Annotated[
        SecurityProfile | None, Rule(source=ARM_API), Field(description="Secure boot of machines made from it.")
    ] = None
    tags: Annotated[
        dict[str, str] | None, Rule(Mutability.IN_PLACE, source=ARM_API), Field(description="Names and values.")
    ] = None


class ImageVersion(VersionSettings):
    """One published content of an image, with copies in its target regions."""

    kind: Annotated[Literal["ImageVersion"], Field(description="The kind of document.")]
    image: Annotated[
        Address,
        AddressText((2,), "GALLERY/DEFINITION"),
        Field(description="The image definition it belongs to, as GALLERY/DEFINITION."),
    ]
    name: Annotated[str, VersionName(), Field(description="Major.Minor.Patch; the greatest is `latest`.")]
    source: Annotated[
        Source,
        Rule(source=TROUBLESHOOTING_DOC),
        Field(description="Where the content of the OS disk or image comes from."),
    ]
    host_caching: Annotated[
        str | None,
        Choice(*HOST_CACHING),
        Rule(source=ARM_API),
        Field(description="Caching of the OS disk on the host."),
    ] = None
    data_disks: Annotated[
        list[DataDisk] | None,
        AfterValidator(UniqueBy("lun")),
        Rule(key="lun", source=TROUBLESHOOTING_DOC),
        Field(description="Data disks beside the OS disk; only with a source that is a single disk."),
    ] = None
    restore: Annotated[
        bool | None,
        Flag(),
        Rule(Mutability.WRITE_FLAG, source=ARM_API),
        Field(description="Bring back a soft-deleted version of that name, if there is one; never compared."),
    ] = None
    lifecycle: Annotated[
        LifecycleEntry | None, Field(description="How careful to be with the version and its target regions.")
    ] = None

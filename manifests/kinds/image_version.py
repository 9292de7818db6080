"""`kind: ImageVersion`, and the settings of versions that a definition can give as defaults."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from reconciler.manifests.address import Address, Kind
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
from reconciler.manifests.kinds.configuration import Configuration, Declared
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.registry import KindSpec
from reconciler.manifests.kinds.scalars import (
    AddressText,
    Boolean,
    Choice,
    Integer,
    RegionName,
    String,
    Timestamp,
    VersionName,
)
from reconciler.manifests.kinds.sources.image_sources import DiskSource, Source
from reconciler.manifests.kinds.target_region import (
    MOST_REPLICAS,
    STORAGE_TYPES,
    TargetExtendedLocation,
    TargetRegion,
    TargetRegionEntry,
)
from reconciler.manifests.resource import Mutability, Resource, Rule

HOST_CACHING = ("None", "ReadOnly", "ReadWrite")


class DataDisk(Model):
    """A data disk, in addition to the OS disk."""

    lun: Annotated[int, Integer(), Field(description="Number of the disk, unique in the version.")]
    source: Annotated[DiskSource, Field(description="Where its content comes from.")]
    host_caching: Annotated[str | None, Choice(*HOST_CACHING), Field(description="Caching on the host.")] = None


class Safety(Model):
    """Protection of a version against deletion."""

    allow_deletion_of_replicated_locations: Annotated[
        bool, Boolean(), Field(description="Whether regions may be removed from targetRegions once published.")
    ] = False
    block_deletion_before_end_of_life: Annotated[
        bool, Boolean(), Field(description="Refuse deletion until endOfLifeDate has passed.")
    ] = False


class UefiKey(Model):
    """Keys or hashes for secure boot."""

    type: Annotated[str, Choice("sha256", "x509"), Field(description="What the values are.")]
    value: Annotated[list[Annotated[str, String()]], Field(description="Base64 strings.")]


class UefiKeySignatures(Model):
    """Signatures in addition to those of the templates."""

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
    additional_signatures: Annotated[UefiKeySignatures | None, Field(description="Your own signatures.")] = None


class SecurityProfile(Model):
    """Secure boot of machines made from the version."""

    uefi_settings: Annotated[UefiSettings | None, Field(description="Which signatures the firmware accepts.")] = None


class VersionSettings(KindModel):
    """Defaults that a definition may give its versions; a property that a version sets replaces the whole default."""

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
        Integer(1, MOST_REPLICAS),
        Default(1),
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="Number of copies in a region that does not set it."),
    ] = None
    exclude_from_latest: Annotated[
        bool | None,
        Boolean(),
        Default(False),
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="Never `latest` in a region that does not set it."),
    ] = None
    end_of_life_date: Annotated[
        str | None,
        Timestamp(),
        Rule(Mutability.IN_PLACE, lasting=True, source=LASTING_DATE),
        Field(description="When the version should no longer be used; can be moved but not removed."),
    ] = None
    storage_account_type: Annotated[
        str | None,
        Choice(*STORAGE_TYPES),
        Rule(source=ARM_API),
        Field(description="Kind of storage in a region that does not set it; excludes storageAccountStrategy."),
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
        Field(description="Full copies, or Shallow: no copies, and the source must be kept."),
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
        Field(description="Protection against deletion."),
    ] = None
    security_profile: Annotated[
        SecurityProfile | None, Rule(source=ARM_API), Field(description="Secure boot of machines made from it.")
    ] = None
    tags: Annotated[
        dict[str, str] | None, Rule(Mutability.IN_PLACE, source=ARM_API), Field(description="Names and values.")
    ] = None


class ImageVersion(VersionSettings):
    """A published version of an image, with copies in its target regions."""

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
        Field(description="Data disks in addition to the OS disk; only with a source that is a single disk."),
    ] = None
    restore: Annotated[
        bool | None,
        Boolean(),
        Rule(Mutability.WRITE_FLAG, source=ARM_API),
        Field(description="Restore a soft-deleted version of that name, if there is one; never compared."),
    ] = None
    lifecycle: Annotated[
        LifecycleEntry | None, Field(description="Protection and exceptions for the version and its target regions.")
    ] = None


def _nodes(declared: Declared[ImageVersion], configuration: Configuration) -> Iterator[Resource]:
    version = configuration.versions[declared.address]
    yield from version.nodes(configuration.provider(declared.address))


KIND = KindSpec(
    ImageVersion,
    _nodes,
    nodes={Kind.IMAGE_VERSION: ImageVersion, Kind.TARGET_REGION: TargetRegion},
    parent="image",
)

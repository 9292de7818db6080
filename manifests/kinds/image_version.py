"""`kind: ImageVersion`, and the settings of versions that a definition can give as defaults."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

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
    ResourceId,
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
from reconciler.manifests.kinds.target_region import (
    MOST_REPLICAS,
    STORAGE_TYPES,
    TargetExtendedLocation,
    TargetRegion,
    TargetRegionEntry,
)
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.resource import Mutability, Resource, Rule

HOST_CACHING = ("None", "ReadOnly", "ReadWrite")
ARCHIVE_ENDINGS = (".ova", ".ovf")
ARCHIVE_NAMES = " or ".join(ARCHIVE_ENDINGS)
ACCOUNT = ResourceId("storage account", "Microsoft.Storage/storageAccounts")
DISK_STYLES = ("file", "vhd", "disk", "snapshot")
IMAGE_STYLES = ("managedImage", "vm", "version", "communityGalleryImage")

FilePath = Annotated[str, String(r"[^\0-\x1f]+", "write the path of a disk image, relative to this file")]


class VhdSource(Model):
    """A blob in a storage account."""

    uri: Annotated[
        str,
        String(
            r"https?://[^\s?#@]+", "write the plain https address of the blob: no query, no shared access signature"
        ),
        Field(description="Address of the blob, without a shared access signature."),
    ]
    storage_account: Annotated[str, ACCOUNT, Field(description="ARM id of the storage account that holds it.")]


class DiskSource(Model):
    """Where the content of one disk comes from: exactly one of these."""

    file: Annotated[
        FilePath | None, Field(description="Path of a disk image, relative to the file it is written in.")
    ] = None
    sha256: Annotated[
        str | None,
        String(
            r"(tree-sha256:)?[0-9a-f]{64}",
            "write the 64 hexadecimal digits, in lower case, that sha256sum prints, or the tree digest of a plan",
        ),
        Field(
            description="Digest that the file must have; beside `file`: what sha256sum prints, or `tree-sha256:…` as "
            "`plan -v` shows it. Of an archive, what the plan shows."
        ),
    ] = None
    vhd: Annotated[VhdSource | None, Field(description="A blob in a storage account.")] = None
    disk: Annotated[str | None, String(), Field(description="ARM id of a managed disk.")] = None
    snapshot: Annotated[str | None, String(), Field(description="ARM id of a snapshot.")] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "DiskSource":
        styles = self.styles()
        if len(styles) != 1:
            allowed = DISK_STYLES + (IMAGE_STYLES if isinstance(self, Source) else ())
            has = f"names more than one: {', '.join(styles)}" if styles else "is empty"
            raise InvalidInput(has, f"write exactly one of {', '.join(allowed)}")
        if self.sha256 is not None and self.file is None:
            raise InvalidInput(
                f"sha256 cannot be used with {styles[0]}", "remove it: only a file has a digest to check"
            )
        return self

    def styles(self) -> tuple[str, ...]:
        """The styles that are set, by their names in the document; exactly one once it is valid."""
        set_names = [name for name, value in self.__dict__.items() if value is not None and name not in _BESIDE]
        return tuple(_STYLE_NAMES.get(name, name) for name in set_names)


class Source(DiskSource):
    """Where the content of a version comes from: exactly one of these."""

    machine: Annotated[
        str | None,
        String(r"[^\0-\x1f]+", "write the id or the name of a machine in the archive"),
        Field(description="Which machine of an OVA or OVF with several; beside `file`."),
    ] = None
    managed_image: Annotated[
        str | None,
        String(),
        Field(description="ARM id of a managed image, or of a gallery version that is not in these manifests."),
    ] = None
    vm: Annotated[str | None, String(), Field(description="ARM id of a virtual machine.")] = None
    version: Annotated[
        Address | None,
        AddressText((3,), "GALLERY/DEFINITION/VERSION or GALLERY/DEFINITION/latest", latest=True),
        Field(description="Another version of these manifests, or GALLERY/DEFINITION/latest."),
    ] = None
    community_gallery_image: Annotated[
        str | None, String(), Field(description="Id of an image in a community gallery.")
    ] = None

    @model_validator(mode="after")
    def _machine_of_an_archive(self) -> "Source":
        if self.machine is not None and not (self.file or "").lower().endswith(ARCHIVE_ENDINGS):
            found = "this file is a disk" if self.file else f"{self.styles()[0]} has no machines to choose from"
            raise InvalidInput(
                f"machine cannot be used here: {found}", f"remove it, or name a file that ends in {ARCHIVE_NAMES}"
            )
        return self


_BESIDE = ("sha256", "machine")
"""Properties of a source that are no style."""

_STYLE_NAMES = {"managed_image": "managedImage", "community_gallery_image": "communityGalleryImage"}


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

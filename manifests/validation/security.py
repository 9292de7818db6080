"""Security types, and encryption with keys of one's own."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.address import Address
from reconciler.manifests.declarations.declared import Declared
from reconciler.manifests.declarations.inheritance import DesiredRegion, DesiredVersion
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.image_version import DISK_STYLES
from reconciler.manifests.problems import DocumentPath, Problem
from reconciler.manifests.validation.desired import Desired

ENFORCING = ("TrustedLaunch", "ConfidentialVM")
ENCRYPTABLE = ("vm", "disk", "snapshot", "managedImage")


def security_type_fits_generation(desired: Desired) -> Iterator[Problem]:
    """Every security type but Standard describes images of generation 2."""
    for definition, path, value in _security_types(desired):
        if value != "Standard" and definition.document.hyper_v_generation != "V2":
            yield Problem(
                definition.origin,
                path,
                f"SecurityType {value} needs hyperVGeneration V2",
                "write hyperVGeneration: V2, or SecurityType Standard",
                definition.address,
            )


def enforcing_types_stay_private(desired: Desired) -> Iterator[Problem]:
    """The types that force a security feature are for private galleries."""
    for definition, path, value in _security_types(desired):
        gallery = desired.declarations.galleries.get(Address(definition.address.gallery))
        if value in ENFORCING and gallery is not None and gallery.document.sharing.permissions != "Private":
            yield Problem(
                definition.origin,
                path,
                f"SecurityType {value} is for private galleries only",
                f"write {value.replace('VM', 'Vm')}Supported, or put the definition into a gallery that is not shared",
                definition.address,
            )


def encryption_is_complete(desired: Desired) -> Iterator[Problem]:
    """What is encrypted with keys of one's own in one region is so in all of them."""
    for version in _encrypted(desired):
        everywhere = set().union(*(encrypted_disks(region) for region in version.regions))
        for region in version.regions:
            missing = sorted(everywhere - encrypted_disks(region))
            if missing:
                yield Problem(
                    region.origin,
                    region.path,
                    f"{region.name} has no key for {' and '.join(missing)}, other regions have",
                    "give every target region an encryption for the same disks, or none",
                    version.address,
                )


def encrypted_luns_exist(desired: Desired) -> Iterator[Problem]:
    """Keys are for data disks that the version has; a whole image's disks are not known here."""
    for version in _encrypted(desired):
        document = version.declared.document
        if document.source.styles()[0] not in DISK_STYLES:
            continue
        luns = {disk.lun for disk in document.data_disks or ()}
        for region in version.regions:
            for index, disk in enumerate((region.encryption and region.encryption.data_disk_images) or ()):
                if disk.lun not in luns:
                    yield Problem(
                        region.origin,
                        (*region.path, "encryption", "dataDiskImages", index, "lun"),
                        f"lun {disk.lun} is encrypted, but the version has no such data disk",
                        f"data disks of the version: {', '.join(map(str, sorted(luns))) or 'none'}",
                        version.address,
                    )


def encryption_has_a_fitting_source(desired: Desired) -> Iterator[Problem]:
    """Only some sources can be encrypted with keys of one's own."""
    for version in _encrypted(desired):
        style = version.declared.document.source.styles()[0]
        if style not in ENCRYPTABLE:
            yield Problem(
                version.declared.origin,
                ("source",),
                f"a source of the style {style} cannot be encrypted with keys of your own",
                f"use one of {', '.join(ENCRYPTABLE)}, or remove encryption from the target regions",
                version.address,
            )


def encrypted_versions_are_no_sources(desired: Desired) -> Iterator[Problem]:
    """A version that is encrypted with keys of one's own cannot be copied into another."""
    encrypted = {version.address for version in _encrypted(desired)}
    for version in desired.versions.values():
        named = version.declared.document.source.version
        if named in encrypted:
            yield Problem(
                version.declared.origin,
                ("source", "version"),
                f"{named} is encrypted with keys of your own and cannot be a source",
                "name a version without encryption, or what that one was made from",
                version.address,
            )


def encrypted_disks(region: DesiredRegion) -> frozenset[str]:
    """The disks that have a key in a region, in words."""
    encryption = region.encryption
    if encryption is None:
        return frozenset()
    disks = {f"lun {disk.lun}" for disk in encryption.data_disk_images or ()}
    return frozenset(disks | ({"the OS disk"} if encryption.os_disk_image else set()))


def _encrypted(desired: Desired) -> Iterator[DesiredVersion]:
    for version in desired.versions.values():
        if any(region.encryption is not None for region in version.regions):
            yield version


def _security_types(desired: Desired) -> Iterator[tuple[Declared[ImageDefinition], DocumentPath, str]]:
    for definition in desired.declarations.definitions.values():
        for index, feature in enumerate(definition.document.features or ()):
            if feature.name == "SecurityType":
                yield definition, ("features", index), feature.value

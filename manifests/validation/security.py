"""Security types, and encryption with customer-managed keys."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.kinds.configuration import Configuration, Declared
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.inheritance import ResolvedRegion, ResolvedVersion
from reconciler.manifests.kinds.registry import ValidationRule
from reconciler.manifests.kinds.sources.image_sources import DISK_STYLES
from reconciler.manifests.problems import DocumentPath, Problem
from reconciler.manifests.words import listed

ENFORCING = ("TrustedLaunch", "ConfidentialVM")
ENCRYPTABLE = ("vm", "disk", "snapshot", "managedImage")


def security_type_fits_generation(configuration: Configuration) -> Iterator[Problem]:
    """Every security type except Standard is for images of generation 2."""
    for definition, path, value in _security_types(configuration):
        if value != "Standard" and definition.document.hyper_v_generation != "V2":
            yield Problem(
                definition.origin,
                path,
                f"SecurityType {value} requires hyperVGeneration V2",
                "write hyperVGeneration: V2, or SecurityType Standard",
                definition.address,
            )


def enforcing_types_stay_private(configuration: Configuration) -> Iterator[Problem]:
    """The types that force a security feature are for private galleries."""
    for definition, path, value in _security_types(configuration):
        gallery = configuration.gallery(definition.address)
        if value in ENFORCING and gallery is not None and gallery.document.sharing.permissions != "Private":
            yield Problem(
                definition.origin,
                path,
                f"SecurityType {value} is for private galleries only",
                f"write {value.replace('VM', 'Vm')}Supported, or put the definition in a gallery that is not shared",
                definition.address,
            )


def encryption_is_complete(configuration: Configuration) -> Iterator[Problem]:
    """What is encrypted with customer-managed keys in one region is encrypted with them in all regions."""
    for version in _encrypted(configuration):
        everywhere = set().union(*(encrypted_disks(region) for region in version.regions))
        for region in version.regions:
            missing = sorted(everywhere - encrypted_disks(region))
            if missing:
                yield Problem(
                    region.origin,
                    region.path,
                    f"{region.name} has no key for {' and '.join(missing)}, but other regions have one",
                    "encrypt the same disks in every target region, or in none",
                    version.address,
                )


def encrypted_luns_exist(configuration: Configuration) -> Iterator[Problem]:
    """Keys are only for data disks that the version has; the disks of a whole image are not known here."""
    for version in _encrypted(configuration):
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
                        f"data disks of the version: {listed([*map(str, sorted(luns))]) or 'none'}",
                        version.address,
                    )


def encryption_has_a_fitting_source(configuration: Configuration) -> Iterator[Problem]:
    """Only some sources can be encrypted with customer-managed keys."""
    for version in _encrypted(configuration):
        style = version.declared.document.source.styles()[0]
        if style not in ENCRYPTABLE:
            yield Problem(
                version.declared.origin,
                ("source",),
                f"a source of type {style} cannot be encrypted with customer-managed keys",
                f"use one of {', '.join(ENCRYPTABLE)}, or remove encryption from the target regions",
                version.address,
            )


def encrypted_versions_are_no_sources(configuration: Configuration) -> Iterator[Problem]:
    """A version that is encrypted with customer-managed keys cannot be the source of another."""
    encrypted = {version.address for version in _encrypted(configuration)}
    for version in configuration.versions.values():
        named = version.declared.document.source.version
        if named in encrypted:
            yield Problem(
                version.declared.origin,
                ("source", "version"),
                f"{named} is encrypted with customer-managed keys and cannot be a source",
                "name a version without encryption, or the source of that version",
                version.address,
            )


def encrypted_disks(region: ResolvedRegion) -> frozenset[str]:
    """The disks that have a key in a region, as messages name them."""
    encryption = region.encryption
    if encryption is None:
        return frozenset()
    disks = {f"lun {disk.lun}" for disk in encryption.data_disk_images or ()}
    return frozenset(disks | ({"the OS disk"} if encryption.os_disk_image else set()))


def _encrypted(configuration: Configuration) -> Iterator[ResolvedVersion]:
    for version in configuration.versions.values():
        if any(region.encryption is not None for region in version.regions):
            yield version


def _security_types(configuration: Configuration) -> Iterator[tuple[Declared[ImageDefinition], DocumentPath, str]]:
    for definition in configuration.declarations.nodes(ImageDefinition):
        for index, feature in enumerate(definition.document.features or ()):
            if feature.name == "SecurityType":
                yield definition, ("features", index), feature.value


RULES: tuple[ValidationRule, ...] = (
    security_type_fits_generation,
    enforcing_types_stay_private,
    encryption_is_complete,
    encrypted_luns_exist,
    encryption_has_a_fitting_source,
    encrypted_versions_are_no_sources,
)

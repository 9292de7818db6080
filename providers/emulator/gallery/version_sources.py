"""The sources of an image version: resolved, and checked against the definition and each other.

Source: the Compute Gallery REST specification (storageProfile); Azure's troubleshooting guide of the Compute Gallery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.providers.emulator.content.disk_kinds import (
    check_disk_kind,
    kind_of_disk,
    kind_of_image,
    kind_of_version,
    kind_of_vm,
)
from reconciler.providers.emulator.content.vhds import (
    account_of,
    blob_key,
    check_address,
    keep_vhd,
    plain_address,
    vhd_size_gb,
)
from reconciler.providers.emulator.core.arm import ArmError, Body, invalid
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.ids import (
    DISK,
    IMAGE,
    SNAPSHOT,
    STORAGE_ACCOUNT,
    VIRTUAL_MACHINE,
    linked,
    same_region,
    type_of,
)
from reconciler.providers.emulator.core.resources import VERSION
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.image_references import community_version, disks_of, own_version

TARGET = "galleryImageVersion.properties.storageProfile"
CACHING = ("None", "ReadOnly", "ReadWrite")
OS_CACHING, DATA_CACHING = "ReadWrite", "ReadOnly"
_MOST_GB = {"Full": 2048, "Shallow": 32 * 1024}
_MOST_LUN = 63
_WHOLE = ("id", "virtualMachineId", "communityGalleryImageId")
_SINGLE = ("id", "uri", "storageAccountId")


@dataclass(frozen=True, slots=True)
class SourceDisk:
    """One disk of a new version; `content` is the name of its stored content, empty when it has none."""

    size_gb: int
    host_caching: str | None
    content: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """The disks of a new version: data disks by LUN. `encryptable`: whether the version may be encrypted with a
    customer-managed key."""

    os_disk: SourceDisk
    data_disks: Mapping[int, SourceDisk]
    encryptable: bool = True


@dataclass(frozen=True, slots=True)
class _SourceContext:
    """What sources are resolved for: a version of `definition` in `region`. `keep`: whether to copy blobs."""

    service: Service
    definition: Resource
    region: str
    keep: bool


def resolve(service: Service, profile: Body, definition: Resource, location: str, *, mode: str) -> ResolvedSource:
    """The disks that a storage profile names. `location` is the canonical home region, `mode` Full or Shallow.

    Raises: ArmError when a source does not exist, cannot be used, or does not fit the definition.
    """
    fields = Fields.of(profile, TARGET)
    context = _SourceContext(service, definition, location, keep=mode != "Shallow")
    os_image, data_images = fields.object("osDiskImage"), fields.objects("dataDiskImages")
    by_lun = _by_lun(data_images)
    if _style(fields, os_image, data_images) == "source":
        resolved = _with_caching(_whole(context, fields.object("source")), os_image, by_lun)
    else:
        resolved = _single_disks(context, os_image, by_lun)
    _check_sizes(resolved, mode)
    return resolved


def _by_lun(images: Sequence[Fields]) -> dict[int, Fields]:
    by_lun: dict[int, Fields] = {}
    for image in images:
        lun = image.whole("lun", 0, _MOST_LUN)
        if lun is None:
            raise image.refuse("lun", f"Required parameter '{image.path('lun')}' is missing (null).")
        if lun in by_lun:
            raise image.refuse("lun", f"The lun {lun} is there more than once.")
        by_lun[lun] = image
    return by_lun


def _given(source: Fields, names: Sequence[str]) -> list[str]:
    return [name for name in names if source.text(name)]


def _style(fields: Fields, os_image: Fields, data_images: Sequence[Fields]) -> str:
    """`source` or `disks`. Raises: ArmError unless it is exactly one of them."""
    whole = _given(fields.object("source"), _WHOLE)
    single = [image for image in (os_image, *data_images) if _given(image.object("source"), _SINGLE)]
    if whole and single:
        raise invalid(
            single[0].path("source"),
            f"'{fields.path('source')}' and '{single[0].path('source')}' exclude each other: give one source for the "
            "whole image, or one for each disk.",
        )
    if len(whole) > 1:
        raise fields.refuse("source", f"Give one of {', '.join(whole)}, not several.")
    if whole:
        return "source"
    if os_image not in single:
        raise invalid(TARGET, "A source is missing: give 'source', or 'osDiskImage.source' and those of data disks.")
    return "disks"


def _whole(context: _SourceContext, source: Fields) -> ResolvedSource:
    """The disks of a managed image, a virtual machine or a published version."""
    (name,) = _given(source, _WHOLE)
    text, target = str(source.text(name)), source.path(name)
    if name == "communityGalleryImageId":
        return _from_version(context, community_version(context.service, text, context.region, target), target)
    types = {"virtualMachineId": [VIRTUAL_MACHINE], "id": [IMAGE, VIRTUAL_MACHINE, VERSION]}[name]
    if type_of(text) == VERSION and VERSION in types:
        return _from_version(context, own_version(context.service, text, context.region, target), target)
    resource = linked(context.service, text, types, target)
    same_region(resource, context.region, target)
    return _from_image(context, resource, target) if resource.type == IMAGE else _from_vm(context, resource, target)


def _from_version(context: _SourceContext, version: Resource, target: str) -> ResolvedSource:
    check_disk_kind(kind_of_version(context.service, version), context.definition, version.id, target)
    regions = version.properties.get("publishingProfile", {}).get("targetRegions", ())
    if any(region.get("encryption") for region in regions):
        raise invalid(
            target,
            f"The image version '{version.id}' is encrypted with a customer-managed key: it cannot be a source.",
        )
    disks = {
        name: SourceDisk(disk["sizeInGB"], disk["hostCaching"], disk["content"])
        for name, disk in disks_of(version).items()
    }
    data = {int(name): disk for name, disk in disks.items() if name != "os"}
    return ResolvedSource(disks["os"], data, encryptable=False)


def _from_image(context: _SourceContext, image: Resource, target: str) -> ResolvedSource:
    check_disk_kind(kind_of_image(image), context.definition, image.id, target)
    profile, hidden = image.properties["storageProfile"], image.hidden["disks"]
    os_disk = SourceDisk(hidden["os"]["sizeInGB"], profile["osDisk"].get("caching"), hidden["os"]["content"])
    data = {}
    for disk in profile.get("dataDisks", ()):
        kept = hidden[str(disk["lun"])]
        data[disk["lun"]] = SourceDisk(kept["sizeInGB"], disk.get("caching"), kept["content"])
    return ResolvedSource(os_disk, data)


def _from_vm(context: _SourceContext, vm: Resource, target: str) -> ResolvedSource:
    check_disk_kind(kind_of_vm(vm), context.definition, vm.id, target)
    profile = vm.properties["storageProfile"]
    os_disk = profile["osDisk"]
    if (os_disk.get("diffDiskSettings") or {}).get("option") == "Local":
        raise invalid(target, f"The virtual machine '{vm.id}' has an ephemeral OS disk: it cannot be a source.")
    data = {disk["lun"]: _vm_disk(context, vm, disk, target) for disk in profile.get("dataDisks", ())}
    return ResolvedSource(_vm_disk(context, vm, os_disk, target), data)


def _vm_disk(context: _SourceContext, vm: Resource, disk: Mapping[str, Any], target: str) -> SourceDisk:
    if "managedDisk" not in disk:
        raise invalid(target, f"The virtual machine '{vm.id}' has a disk that is not managed: it cannot be a source.")
    managed = linked(context.service, disk["managedDisk"]["id"], [DISK], target)
    _refuse_ultra(managed, target)
    return SourceDisk(managed.properties["diskSizeGB"], disk.get("caching"), managed.hidden["content"])


def _refuse_ultra(disk: Resource, target: str) -> None:
    if disk.body["sku"]["name"] == "UltraSSD_LRS":
        raise invalid(target, f"The disk '{disk.id}' is an Ultra disk: it cannot be a source.")


def _with_caching(resolved: ResolvedSource, os_image: Fields, data_images: Mapping[int, Fields]) -> ResolvedSource:
    """The disks with the host caching chosen for them. Raises: ArmError for a disk that the source lacks."""
    for lun, image in data_images.items():
        if lun not in resolved.data_disks:
            raise image.refuse("lun", f"The source has no data disk with lun {lun}.")
    data = {
        lun: replace(disk, host_caching=_caching(data_images.get(lun), disk.host_caching))
        for lun, disk in resolved.data_disks.items()
    }
    os_disk = replace(resolved.os_disk, host_caching=_caching(os_image, resolved.os_disk.host_caching))
    return replace(resolved, os_disk=os_disk, data_disks=data)


def _caching(image: Fields | None, default: str | None) -> str | None:
    return (image.choice("hostCaching", CACHING) if image else None) or default


def _single_disks(context: _SourceContext, os_image: Fields, data_images: Mapping[int, Fields]) -> ResolvedSource:
    seen: set[str] = set()
    os_disk, managed = _single(context, os_image, OS_CACHING, seen, is_os=True)
    data = {}
    for lun, image in data_images.items():
        data[lun], also_managed = _single(context, image, DATA_CACHING, seen, is_os=False)
        managed = managed and also_managed
    return ResolvedSource(os_disk, data, encryptable=managed)


def _single(
    context: _SourceContext, image: Fields, caching: str, seen: set[str], *, is_os: bool
) -> tuple[SourceDisk, bool]:
    """The disk of one entry, and whether it is a managed disk."""
    source = image.object("source")
    given = _given(source, _SINGLE)
    if not given:
        raise image.refuse("source", f"Required parameter '{image.path('source')}' is missing: each disk needs one.")
    if "id" in given and len(given) > 1:
        raise image.refuse("source", f"'{source.path('id')}' and '{source.path('uri')}' exclude each other.")
    name = str(source.text("id")).lower() if "id" in given else blob_key(source.text("uri") or "")
    if name in seen:
        raise image.refuse("source", f"The same source, '{plain_address(name)}', is given for more than one disk.")
    seen.add(name)
    chosen = _caching(image, caching)
    if "id" not in given:
        return _from_blob(context, source, chosen), False
    disk = _managed(context, source, is_os=is_os)
    return SourceDisk(disk.properties["diskSizeGB"], chosen, disk.hidden["content"]), True


def _managed(context: _SourceContext, source: Fields, *, is_os: bool) -> Resource:
    target = source.path("id")
    disk = linked(context.service, str(source.text("id")), [SNAPSHOT, DISK], target)
    same_region(disk, context.region, target)
    _refuse_ultra(disk, target)
    if disk.properties["diskState"] == "ReadyToUpload":
        raise invalid(target, f"The disk '{disk.id}' waits for its upload: it has no content yet.")
    if is_os:
        check_disk_kind(kind_of_disk(disk), context.definition, disk.id, target)
    return disk


def _from_blob(context: _SourceContext, source: Fields, caching: str | None) -> SourceDisk:
    uri, account = source.text("uri"), source.text("storageAccountId")
    for name, value in (("uri", uri), ("storageAccountId", account)):
        if not value:
            raise source.refuse(name, "A blob as a source needs both 'uri' and 'storageAccountId'.")
    target = source.path("uri")
    check_address(str(uri), target)
    if type_of(str(account)) != STORAGE_ACCOUNT:
        raise source.refuse("storageAccountId", f"The value '{account}' is not the id of a storage account.")
    if account_of(str(uri)) != str(account).rpartition("/")[2].lower():
        raise source.refuse(
            "storageAccountId",
            f"The blob '{plain_address(str(uri))}' is in the storage account '{account_of(str(uri))}', not in "
            f"'{account}'.",
        )
    size_gb = vhd_size_gb(context.service, str(uri), target)
    return SourceDisk(size_gb, caching, keep_vhd(context.service, str(uri), target) if context.keep else "")


def _check_sizes(resolved: ResolvedSource, mode: str) -> None:
    most = _MOST_GB[mode]
    for name, disk in (
        ("osDiskImage", resolved.os_disk),
        *((f"lun {n}", disk) for n, disk in resolved.data_disks.items()),
    ):
        if disk.size_gb > most:
            raise ArmError(
                400,
                "InvalidParameter",
                f"The source disk of {name} has {disk.size_gb} GB. The most for replication mode {mode} is {most} GB.",
                TARGET,
            )

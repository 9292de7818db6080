"""The storage profile of an image version: the sources of its disks, set once, and shown with sizes when it is done.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from reconciler.providers.emulator.content.content_users import used_content
from reconciler.providers.emulator.content.vhds import vhd_size_gb
from reconciler.providers.emulator.core.arm import ArmError, ArmRequest, Body, invalid
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.resources import changed, fixed
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.version_sources import ResolvedSource, SourceDisk, resolve

_STICKY = ("source", "osDiskImage", "dataDiskImages")


@contextlib.contextmanager
def copy_ahead(service: Service, request: ArmRequest) -> Iterator[None]:
    """Copies the blobs that a new version is made from; the copies are removed if the request is refused."""
    kept: list[str] = []
    with contextlib.suppress(ArmError):  # reported when the sources are resolved, in order with the other refusals
        for uri in _blobs_in(Fields.of(request.body, "galleryImageVersion")):
            vhd_size_gb(service, uri, "galleryImageVersion")
            kept.append(service.blobs.keep(uri))
    try:
        yield
    except ArmError:
        with service.store.transaction():
            for name in set(kept) - used_content(service.store):
                service.blobs.remove(name)
        raise


def _blobs_in(version: Fields) -> Iterator[str]:
    """Raises: ArmError when the body is malformed."""
    properties = version.object("properties")
    if str(properties.object("publishingProfile").get("replicationMode")).lower() == "shallow":
        return
    profile = properties.object("storageProfile")
    for disk in (profile.object("osDiskImage"), *profile.objects("dataDiskImages")):
        if uri := disk.object("source").text("uri"):
            yield uri


def write_storage(
    service: Service, version: Resource, definition: Resource, properties: Fields, *, new: bool, shallow: bool
) -> None:
    """Sets the sources of a new version. Raises: ArmError when an update names other ones; it may leave them out."""
    given = properties.object("storageProfile")
    if new:
        if not properties.has("storageProfile"):
            raise properties.refuse("storageProfile", "Required parameter 'storageProfile' is missing (null).")
        source = resolve(
            service,
            dict(given.values),
            definition,
            version.hidden["region"],
            mode="Shallow" if shallow else "Full",
        )
        _check_encryption(version, source, given)
        version.hidden["disks"] = {"os": _disk(source.os_disk)}
        version.hidden["disks"] |= {str(lun): _disk(disk) for lun, disk in sorted(source.data_disks.items())}
        version.hidden["profile"] = {name: given.get(name) for name in _STICKY if given.has(name)}
        version.properties["storageProfile"] = shown_storage(version, ready=False)
        return
    stored: Body = version.hidden["profile"]
    sent = given.object("source")
    if sent.values:
        fixed(given, "source", stored.get("source") or {}, dict(sent.values))
    shown = version.properties["storageProfile"]
    _check_disk(given.object("osDiskImage"), shown.get("osDiskImage", {}), stored.get("osDiskImage") or {})
    known = {disk["lun"]: disk for disk in shown.get("dataDiskImages", ())}
    sources = {disk.get("lun"): disk for disk in stored.get("dataDiskImages") or ()}
    for disk in given.objects("dataDiskImages"):
        lun = disk.whole("lun", 0)
        if lun not in known:
            raise changed(disk.path("lun"), sorted(known), lun)
        _check_disk(disk, known[lun], sources.get(lun, {}))


def _check_encryption(version: Resource, source: ResolvedSource, given: Fields) -> None:
    """Source: Azure's documentation of encrypted image versions: their sources; LUNs are those of the source."""
    entries = version.properties["publishingProfile"]["targetRegions"]
    encryptions = [entry["encryption"] for entry in entries if entry.get("encryption")]
    if encryptions and not source.encryptable:
        raise invalid(
            given.target,
            "A version that is encrypted with a customer-managed key is made from a virtual machine, a disk, a "
            "snapshot or a managed image.",
        )
    luns = {disk["lun"] for encryption in encryptions for disk in encryption.get("dataDiskImages", ())}
    unknown = sorted(luns - source.data_disks.keys())
    if unknown:
        raise invalid(
            "galleryImageVersion.properties.publishingProfile.targetRegions.encryption.dataDiskImages",
            f"The source has no data disk with lun {unknown[0]}.",
        )


def _check_disk(given: Fields, shown: Body, stored: Body) -> None:
    fixed(given, "hostCaching", shown.get("hostCaching"), given.text("hostCaching"))
    source = given.object("source")
    if source.values:
        fixed(given, "source", stored.get("source") or {}, dict(source.values))


def _disk(disk: SourceDisk) -> Body:
    return {"sizeInGB": disk.size_gb, "hostCaching": disk.host_caching, "content": disk.content}


def shown_storage(version: Resource, *, ready: bool) -> Body:
    """The storage profile in answers: sizes only when the copies are done, sources as they were sent."""
    disks, profile = version.hidden["disks"], version.hidden["profile"]
    given = {disk["lun"]: disk for disk in profile.get("dataDiskImages") or ()}
    shown: Body = {"source": profile["source"]} if "source" in profile else {}
    shown["osDiskImage"] = _shown_disk(disks["os"], profile.get("osDiskImage") or {}, ready=ready)
    data = [
        {"lun": int(lun), **_shown_disk(disk, given.get(int(lun), {}), ready=ready)}
        for lun, disk in disks.items()
        if lun != "os"
    ]
    if data:
        shown["dataDiskImages"] = data
    return shown


def _shown_disk(disk: Body, given: Body, *, ready: bool) -> Body:
    shown: Body = {"sizeInGB": disk["sizeInGB"]} if ready else {}
    if disk["hostCaching"]:
        shown["hostCaching"] = disk["hostCaching"]
    return shown | {"source": given.get("source") or {}}

"""The sources and data disks of a version, and its storage profile: attributes to bodies, and back.

Source: the Compute Gallery REST specification; Azure's documentation of image versions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.manifests.values import Attributes, source_style
from reconciler.providers.azure.bodies.json_reading import (
    JsonObject,
    enum_value,
    inside,
    number,
    objects,
    present,
    text,
)
from reconciler.providers.azure.service.tag_metadata import TagMetadata

DATA_CACHING = "ReadOnly"
"""The default caching of a data disk. Source: recordings of the Azure CLI's gallery tests."""

_VERSION_ID = re.compile(r".*/galleries/([^/]+)/images/([^/]+)/versions/([^/]+)", re.IGNORECASE)
Vhds = Mapping[str, tuple[str, str]]


def storage_profile(attributes: Attributes, *, vhd: Vhds, version_id: Callable[[str], str]) -> dict[str, Any]:
    """The `storageProfile` of a new version. `vhd` holds the URI and the storage account of the blob for each disk
    (`os`, `data-LUN`) whose source is a file; `version_id` returns the id of the version at an address."""
    style, value = source_style(attributes["source"])
    match style:
        case "managedImage":
            return {"source": {"id": value}}
        case "version":
            return {"source": {"id": version_id(value)}}
        case "vm":
            return {"source": {"virtualMachineId": value}}
        case "communityGalleryImage":
            return {"source": {"communityGalleryImageId": value}}
    profile: dict[str, Any] = {"osDiskImage": _disk(attributes, vhd, "os")}
    disks = sorted(attributes.get("dataDisks", {}).items(), key=lambda disk: int(disk[0]))
    if disks:
        profile["dataDiskImages"] = [{"lun": int(lun), **_disk(disk, vhd, f"data-{lun}")} for lun, disk in disks]
    return profile


def _disk(disk: Attributes, vhd: Vhds, name: str) -> dict[str, Any]:
    caching = {"hostCaching": disk["hostCaching"]} if "hostCaching" in disk else {}
    return {"source": _disk_source(disk["source"], vhd, name), **caching}


def _disk_source(source: Attributes, vhd: Vhds, name: str) -> dict[str, Any]:
    style, value = source_style(source)
    match style:
        case "file" | "url":
            uri, account = vhd[name]
            return {"uri": uri, "storageAccountId": account}
        case "vhd":
            return {"uri": value["uri"], "storageAccountId": value["storageAccount"]}
        case _:
            return {"id": value}


def read_sources(profile: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    """`source`, and `dataDisks` if there are any: as planned, unless the service shows other ones. If nothing was
    planned, what the service shows, which may be nothing."""
    planned = json.loads(metadata.source) if metadata.source else {}
    source, disks = inside(planned, "source"), inside(planned, "dataDisks")
    if source and not _contradicts(source, disks, profile):
        return {"source": source, **present({"dataDisks": disks})}
    return {"source": _shown_source(profile), **present({"dataDisks": _shown_disks(profile)})}


def _contradicts(source: JsonObject, disks: JsonObject, profile: JsonObject) -> bool:
    """Whether a storage profile names other sources than planned; the service does not always show sources."""
    if _differs(source, inside(profile, "source")) or _differs(source, inside(profile, "osDiskImage", "source")):
        return True
    shown = {str(disk.get("lun")): inside(disk, "source") for disk in objects(profile.get("dataDiskImages"))}
    return any(_differs(inside(disk, "source"), shown.get(lun, {})) for lun, disk in disks.items())


def _differs(source: JsonObject, shown: JsonObject) -> bool:
    style, value = source_style(source)
    if style == "version":
        named = _VERSION_ID.fullmatch(text(shown.get("id")))
        return named is not None and "/".join(named.groups()).lower() != text(value).lower()
    if style == "vhd":
        return _is_other(inside(source, "vhd").get("uri"), shown.get("uri"))
    names = {
        "vm": ("virtualMachineId", "id"),
        "communityGalleryImage": ("communityGalleryImageId",),
        "file": (),
        "url": (),
    }
    return any(_is_other(value, shown.get(name)) for name in names.get(style, ("id",)))


def _is_other(planned: Any, shown: Any) -> bool:
    return bool(text(shown)) and text(planned).lower() != text(shown).lower()


def _shown_source(profile: JsonObject) -> dict[str, Any]:
    source = inside(profile, "source")
    for member, style in (("virtualMachineId", "vm"), ("communityGalleryImageId", "communityGalleryImage")):
        if source_id := text(source.get(member)):
            return {style: source_id}
    if source_id := text(source.get("id")):
        return {"vm" if "/virtualmachines/" in source_id.lower() else "managedImage": source_id}
    return _shown_disk_source(inside(profile, "osDiskImage", "source"))


def _shown_disk_source(source: JsonObject) -> dict[str, Any]:
    if source_id := text(source.get("id")):
        return {"snapshot" if "/snapshots/" in source_id.lower() else "disk": source_id}
    if uri := text(source.get("uri")):
        return {"vhd": present({"uri": uri, "storageAccount": text(source.get("storageAccountId"))})}
    return {}


def _shown_disks(profile: JsonObject) -> dict[str, Any]:
    """The data disks of a version made from single disks; those of a whole image are not declared."""
    disks = {}
    for disk in objects(profile.get("dataDiskImages")):
        lun, source = number(disk.get("lun")), _shown_disk_source(inside(disk, "source"))
        caching = enum_value(disk.get("hostCaching"))
        if lun is not None and source:
            disks[str(lun)] = present({"source": source, "hostCaching": "" if caching == DATA_CACHING else caching})
    return disks

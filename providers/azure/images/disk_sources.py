"""The sources of versions on Azure: files, which are uploaded first, and existing resources, named by their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.identifiers.arm_ids import (
    DISK,
    GALLERY_VERSION,
    MANAGED_IMAGE,
    SNAPSHOT,
    VIRTUAL_MACHINE,
    id_form,
    is_id_of,
)
from reconciler.manifests.trust import Trust
from reconciler.manifests.values import Attributes, source_style
from reconciler.manifests.words import quoted
from reconciler.providers.azure.service.api import Api, Json
from reconciler.providers.azure.service.failures import FITTING, CallFailed, explained
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError, Unsupported
from reconciler.providers.image_files.image_sources import FileSources, is_file
from reconciler.providers.image_files.source_disks import SourceDisk, version_disks
from reconciler.providers.protocol import SourceFacts

STYLES = frozenset({"file", "url", "vhd", "disk", "snapshot", "managedImage", "vm", "version", "communityGalleryImage"})
UPLOADED = frozenset({"file", "url"})
"""The styles whose content is uploaded from here."""

_RESOURCES: Mapping[str, tuple[str, str]] = {
    "disk": (DISK, "2024-03-02"),
    "snapshot": (SNAPSHOT, "2024-03-02"),
    "managedImage": (MANAGED_IMAGE, "2024-07-01"),
    "vm": (VIRTUAL_MACHINE, "2024-07-01"),
}
"""Style -> the type in its ids, and the api-version to read it with."""

ALIKE = frozenset({"osType", "osState", "hyperVGeneration", "purchasePlan"})
"""The attributes that a source shares with its definition. Source: Azure's troubleshooting guide of shared images."""
_GIB = 1 << 30


def names_file(version: Attributes) -> bool:
    """Whether a disk of a version comes from a file."""
    return any(is_file(source) for source in _sources_of(version))


def referenced_versions(version: Attributes) -> list[Address]:
    """The versions that a version's disks come from, sorted."""
    named = {str(source["version"]) for source in _sources_of(version) if "version" in source}
    return sorted((Address.parse(name) for name in named), key=lambda address: address.sort_key)


def styles_of(version: Attributes | None) -> tuple[str, ...]:
    """The source styles of a version's disks."""
    if not version:
        return ()
    return tuple(dict.fromkeys(style for source in _sources_of(version) for style in source if style in STYLES))


def _sources_of(version: Attributes) -> list[Mapping[str, Any]]:
    return [version.get("source", {}), *(disk.get("source", {}) for disk in version.get("dataDisks", {}).values())]


class Sources:
    """Looks up sources: files of the project, and resources of the subscription."""

    def __init__(self, api: Callable[[], Api], project: str, trust: Trust | None = None) -> None:
        self._api = api
        self._files = FileSources(project, trust)

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`: for a resource, its id; the service keeps the content that was published."""
        style, value = _only(source)
        if style in UPLOADED:
            return self._files.identity(source)
        return str(value["uri"] if style == "vhd" else value).lower()

    def facts(self, source: Mapping[str, Any], definition: Attributes | None = None) -> SourceFacts:
        """As `Reader.source_facts`; the size of a resource is approximate, or 0 when it is not known."""
        style, _ = _only(source)
        if style in UPLOADED:
            return self._files.facts(source)
        body = self._body(style, source)
        if definition is not None:
            _require_fitting(f"{style} '{source[style]}'", body, definition)
        size = _bytes_of(body)
        return SourceFacts(size, size, style, self.identity(source), revision=_revision(self.identity(source), body))

    def digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None, *, plain: bool = False
    ) -> ContentDigest:
        """As `Reader.source_digest`. Raises: Unsupported for content that only the service can read."""
        style, value = _only(source)
        if style not in UPLOADED:
            raise Unsupported(f"the content of {style} '{value}' cannot be read from here", "use a file instead")
        return self._files.digest(source, progress, plain=plain)

    def require_resources(self, version: Attributes) -> None:
        """Raises: SourceError when a disk, snapshot, image or machine that a version is made from does not exist;
        Unavailable."""
        for source in _sources_of(version):
            for style in source.keys() & _RESOURCES.keys():
                self._body(style, source)

    def disks(self, version: Attributes, progress: Callable[[int, int], None] | None = None) -> list[SourceDisk]:
        """The disks of a version that come from files, the OS disk first; `progress` is that of downloads.

        Raises: SourceError; ProviderError, Unavailable for downloads.
        """

        def of(source: Mapping[str, Any], lun: str | None) -> list[SourceDisk]:
            return self._files.disks(source, lun, progress) if is_file(source) else []

        return version_disks(version, of)

    def _body(self, style: str, source: Mapping[str, Any]) -> Json:
        """A resource as the service shows it, including a virtual machine's state; empty for styles without one.

        Raises: SourceError when it does not exist or has another type; Unavailable.
        """
        if style not in _RESOURCES:
            return {}
        kind, api_version = _RESOURCES[style]
        named = str(source[style])
        if style == "managedImage" and is_id_of(named, GALLERY_VERSION):
            api_version = "2024-03-03"
        elif not is_id_of(named, kind):
            raise SourceError(f"{quoted(named)} is not the id of a {style}", f"write {id_form(kind)}")
        try:
            body = self._api().resource(named, api_version, "instanceView" if style == "vm" else "")
        except CallFailed as failed:
            raise explained(failed, f"the {style} '{named}' cannot be read", (style,)) from failed
        if body is None:
            raise SourceError(f"the {style} '{named}' does not exist", "check its id, or create it first")
        return body


def _revision(identity: str, body: Json) -> str:
    """What distinguishes the contents that a resource with this id may have had: it changes when another one is created
    under the name. Only the id where the service shows no more."""
    properties = body.get("properties", {})
    profile = properties.get("publishingProfile") or {}
    shown = {
        "uniqueId": properties.get("uniqueId") or properties.get("vmId"),
        "timeCreated": properties.get("timeCreated") or profile.get("publishedDate"),
        "etag": body.get("etag"),
    }
    return " ".join([identity, *(f"{name}={value}" for name, value in shown.items() if value)])


def _require_fitting(what: str, body: Json, definition: Attributes) -> None:
    """Raises: SourceError when a resource does not match its definition."""
    for name, has in _disk_kind(body).items():
        wants = definition.get(name)
        if has and wants and has.lower() != str(wants).lower():
            raise SourceError(f"the {what} has {name} {has}, but its definition has {wants}", FITTING)


def _disk_kind(body: Json) -> Mapping[str, str]:
    """osType, osState and hyperVGeneration of a disk, snapshot, image or virtual machine; empty if not known."""
    properties = body.get("properties", {})
    disk = (properties.get("storageProfile") or {}).get("osDisk") or {}
    view = properties.get("instanceView") or {}
    states = {str(status.get("code", "")).lower() for status in view.get("statuses") or ()}
    state = ("Generalized" if "osstate/generalized" in states else "Specialized") if states else ""
    return {
        "osType": str(disk.get("osType") or properties.get("osType") or ""),
        "osState": str(disk.get("osState") or state),
        "hyperVGeneration": str(view.get("hyperVGeneration") or properties.get("hyperVGeneration") or ""),
    }


def _bytes_of(body: Json) -> int:
    """The size in bytes of a disk, snapshot, image, virtual machine or version; 0 when it is not known."""
    properties = body.get("properties", {})
    if "diskSizeBytes" in properties:
        return int(properties["diskSizeBytes"])
    storage = properties.get("storageProfile") or {}
    disks: Sequence[Json] = [properties, *(storage.get(name) or {} for name in ("osDisk", "osDiskImage"))]
    disks = [*disks, *(storage.get("dataDisks") or ()), *(storage.get("dataDiskImages") or ())]
    return _GIB * sum(int(disk.get("diskSizeGB") or disk.get("sizeInGB") or 0) for disk in disks)


def _only(source: Mapping[str, Any]) -> tuple[str, Any]:
    """Style and value of a source. Raises: Unsupported for an unknown style."""
    style, value = source_style(source)
    if style not in STYLES:
        raise Unsupported(f"Azure has no source '{style}'", f"use one of: {', '.join(sorted(STYLES))}")
    return style, value


def version_id(galleries_id: str, named: str) -> str:
    """The id of the image version at an address."""
    address = Address.parse(named)
    return f"{galleries_id}/{address.gallery}/images/{address.definition}/versions/{address.version}"

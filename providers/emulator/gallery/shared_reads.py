"""Shared galleries as others see them: the read paths of directly shared and of community galleries.

Source: the Compute Gallery REST specification, SharedGalleries and CommunityGalleries; recordings of 2026: community
reads have empty identifiers, a disclaimer, and `diskSizeGB` where a version has `sizeInGB`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.providers.emulator.core.arm import (
    SUBSCRIPTION_COMPUTE,
    ArmAnswer,
    ArmError,
    ArmRequest,
    Body,
    not_found,
    page,
)
from reconciler.providers.emulator.core.locations import find
from reconciler.providers.emulator.core.resources import DEFINITION, GALLERY, VERSION
from reconciler.providers.emulator.core.service import Handler, Handlers, Route, Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.replication import usable_regions

_LOCATION = f"{SUBSCRIPTION_COMPUTE}/locations/{{location}}"
_DEFINITION_MEMBERS = (
    "osType",
    "osState",
    "endOfLifeDate",
    "identifier",
    "recommended",
    "disallowed",
    "hyperVGeneration",
    "features",
    "purchasePlan",
    "architecture",
    "privacyStatementUri",
    "eula",
)
_DISCLAIMER = "This image is published by a third party and is not verified by the platform."


@dataclass(frozen=True, slots=True)
class _SharingMode:
    """Direct or community sharing: its collection in paths, and the prefix of its ids."""

    collection: str
    prefix: str
    community: bool

    def public_name(self, gallery: Resource) -> str:
        if self.community:
            name: str = gallery.properties["sharingProfile"]["communityGalleryInfo"]["publicNames"][0]
            return name
        return str(gallery.properties["identifier"]["uniqueName"])


_DIRECT = _SharingMode("sharedGalleries", "/SharedGalleries", community=False)
_COMMUNITY = _SharingMode("communityGalleries", "/CommunityGalleries", community=True)


def _shared(service: Service, mode: _SharingMode, *, to_tenant: bool) -> Iterator[Resource]:
    for gallery in service.store.of_type(GALLERY):
        profile = gallery.properties.get("sharingProfile", {})
        if mode.community:
            if profile.get("communityGalleryInfo", {}).get("communityGalleryEnabled"):
                yield gallery
        elif profile.get("permissions") == "Groups" and _reaches_us(service, gallery, to_tenant=to_tenant):
            yield gallery


def _reaches_us(service: Service, gallery: Resource, *, to_tenant: bool) -> bool:
    groups = gallery.hidden["groups"]
    if to_tenant:
        return service.tenant.lower() in map(str.lower, groups.get("AADTenants", ()))
    return service.subscription.lower() in map(str.lower, groups.get("Subscriptions", ()))


def _gallery(service: Service, request: ArmRequest, mode: _SharingMode) -> Resource:
    name = request.params["gallery"].lower()
    for to_tenant in (False, True):
        for gallery in _shared(service, mode, to_tenant=to_tenant):
            if mode.public_name(gallery).lower() == name:
                return gallery
    raise not_found(request.path)


def _location(request: ArmRequest) -> str:
    location = find(request.params["location"])
    if location is None:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{request.params['location']}' is not available.",
            "location",
        )
    return location.name


def _to_tenant(request: ArmRequest) -> bool:
    return request.query.get("sharedto", "").lower() == "tenant"


def _versions(service: Service, definition: Resource, location: str) -> list[Resource]:
    """The versions that can be used in a location."""
    now = service.clock.now()
    return [
        version for version in service.store.inside(definition.id, VERSION) if location in usable_regions(version, now)
    ]


def _definition(service: Service, request: ArmRequest, mode: _SharingMode) -> tuple[Resource, Resource]:
    gallery = _gallery(service, request, mode)
    definition = service.store.get(f"{gallery.id}/images/{request.params['definition']}")
    if definition is None:
        raise not_found(request.path)
    return gallery, definition


def _base(request: ArmRequest, mode: _SharingMode, gallery: Resource, *names: str) -> Body:
    unique = "/".join([mode.prefix, mode.public_name(gallery), *names])
    name = names[-1] if names else mode.public_name(gallery)
    return {"name": name, "location": _location(request), "identifier": {"uniqueId": unique}}


def _show_gallery(request: ArmRequest, mode: _SharingMode, gallery: Resource) -> Body:
    body = _base(request, mode, gallery)
    if not mode.community:
        return body | {"properties": {"artifactTags": {}}}
    info = gallery.properties["sharingProfile"]["communityGalleryInfo"]
    metadata = {name: info[name] for name in ("publisherUri", "publisherContact", "eula")}
    metadata |= {"publicNames": info["publicNames"], "privacyStatementUri": ""}
    return body | {
        "type": "Microsoft.Compute/communityGalleries",
        "properties": {"disclaimer": _DISCLAIMER, "artifactTags": {}, "communityMetadata": metadata},
    }


def _show_definition(request: ArmRequest, mode: _SharingMode, gallery: Resource, definition: Resource) -> Body:
    properties = {name: definition.properties[name] for name in _DEFINITION_MEMBERS if name in definition.properties}
    if mode.community:
        properties["identifier"] = {"publisher": "", "offer": "", "sku": ""}
        properties["disclaimer"] = _DISCLAIMER
    body = _base(request, mode, gallery, "Images", definition.name)
    if mode.community:
        body["type"] = "Microsoft.Compute/communityGalleries/images"
    return body | {"properties": properties}


def _show_version(request: ArmRequest, mode: _SharingMode, gallery: Resource, version: Resource) -> Body:
    profile = version.properties["publishingProfile"]
    storage = version.properties["storageProfile"]
    shown: Body = {"osDiskImage": _disk(storage["osDiskImage"])}
    if "dataDiskImages" in storage:
        shown["dataDiskImages"] = [{"lun": disk["lun"], **_disk(disk)} for disk in storage["dataDiskImages"]]
    properties = {"publishedDate": profile["publishedDate"], "excludeFromLatest": profile["excludeFromLatest"]}
    properties |= {"storageProfile": shown}
    if "endOfLifeDate" in profile:
        properties["endOfLifeDate"] = profile["endOfLifeDate"]
    if mode.community:
        properties["disclaimer"] = _DISCLAIMER
    definition = version.parent.rpartition("/")[2]
    body = _base(request, mode, gallery, "Images", definition, "Versions", version.name)
    if mode.community:
        body["type"] = "Microsoft.Compute/communityGalleries/images/versions"
    return body | {"properties": properties}


def _disk(disk: Body) -> Body:
    shown: Body = {"diskSizeGB": disk["sizeInGB"]} if "sizeInGB" in disk else {}
    return shown | ({"hostCaching": disk["hostCaching"]} if "hostCaching" in disk else {})


def _list_galleries(service: Service, request: ArmRequest) -> ArmAnswer:
    _location(request)
    galleries = _shared(service, _DIRECT, to_tenant=_to_tenant(request))
    shown = [_show_gallery(request, _DIRECT, gallery) for gallery in galleries]
    return ArmAnswer(200, page(request, shown, service.page_size))


def _get_gallery(mode: _SharingMode) -> Handler:
    def get(service: Service, request: ArmRequest) -> ArmAnswer:
        return ArmAnswer(200, _show_gallery(request, mode, _gallery(service, request, mode)))

    return get


def _list_definitions(mode: _SharingMode) -> Handler:
    def get(service: Service, request: ArmRequest) -> ArmAnswer:
        gallery = _gallery(service, request, mode)
        definitions = service.store.inside(gallery.id, DEFINITION)
        shown = [_show_definition(request, mode, gallery, definition) for definition in definitions]
        return ArmAnswer(200, page(request, shown, service.page_size))

    return get


def _get_definition(mode: _SharingMode) -> Handler:
    def get(service: Service, request: ArmRequest) -> ArmAnswer:
        return ArmAnswer(200, _show_definition(request, mode, *_definition(service, request, mode)))

    return get


def _list_versions(mode: _SharingMode) -> Handler:
    def get(service: Service, request: ArmRequest) -> ArmAnswer:
        gallery, definition = _definition(service, request, mode)
        versions = _versions(service, definition, _location(request))
        shown = [_show_version(request, mode, gallery, version) for version in versions]
        return ArmAnswer(200, page(request, shown, service.page_size))

    return get


def _get_version(mode: _SharingMode) -> Handler:
    def get(service: Service, request: ArmRequest) -> ArmAnswer:
        gallery, definition = _definition(service, request, mode)
        for version in _versions(service, definition, _location(request)):
            if version.name == request.params["version"]:
                return ArmAnswer(200, _show_version(request, mode, gallery, version))
        raise not_found(request.path)

    return get


def _routes(mode: _SharingMode) -> Iterator[Route]:
    gallery = f"{_LOCATION}/{mode.collection}/{{gallery}}"
    definition = f"{gallery}/images/{{definition}}"
    label = "community" if mode.community else "shared"
    yield Route("GET", gallery, _get_gallery(mode), f"read {label} gallery")
    yield Route("GET", f"{gallery}/images", _list_definitions(mode), f"list {label} definitions", query=("sharedTo",))
    yield Route("GET", definition, _get_definition(mode), f"read {label} definition")
    yield Route("GET", f"{definition}/versions", _list_versions(mode), f"list {label} versions", query=("sharedTo",))
    yield Route("GET", f"{definition}/versions/{{version}}", _get_version(mode), f"read {label} version")


HANDLERS = Handlers(
    (
        Route("GET", f"{_LOCATION}/sharedGalleries", _list_galleries, "list shared galleries", query=("sharedTo",)),
        *_routes(_DIRECT),
        *_routes(_COMMUNITY),
    ),
)

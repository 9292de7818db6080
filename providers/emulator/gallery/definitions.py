"""`Microsoft.Compute/galleries/images`: image definitions.

Source: the Compute Gallery REST specification; Azure's documentation and troubleshooting guide of image definitions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest, Body, invalid
from reconciler.providers.emulator.core.async_operations import written
from reconciler.providers.emulator.core.body_fields import Fields, without_nones
from reconciler.providers.emulator.core.locations import Location
from reconciler.providers.emulator.core.resources import (
    CREATING,
    DEFINITION,
    SOFT_DELETED,
    UPDATING,
    VERSION,
    ResourceType,
    begin_delete,
    check_name,
    check_quota,
    finish_container,
    fixed,
    listing,
    location_of,
    not_busy,
    parent_of,
    refuse_parent_delete,
    require,
    resource_id,
)
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.core.subscriptions import require_group
from reconciler.providers.emulator.gallery import request_schemas
from reconciler.providers.emulator.gallery.features import NEEDS_PRIVATE, definition_features, security_type
from reconciler.providers.emulator.gallery.galleries import PATH as GALLERY_PATH

RESOURCE_TYPE = ResourceType(
    DEFINITION,
    "galleryImage",
    re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9])?"),
    "letters, digits, '.', '_' and '-', 1 to 80 of them, beginning and ending with a letter or digit.",
)
PATH = f"{GALLERY_PATH}/images/{{definition}}"
MOST_IN_REGION = 1000
_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-]")
_IDENTIFIER_LENGTHS = {"publisher": 128, "offer": 64, "sku": 64}
_MUTABLE_TEXTS = ("description", "releaseNoteUri")
_FIXED_TEXTS = ("eula", "privacyStatementUri")
_DEFAULTS = {"architecture": "x64"}
"""The values of a definition that was created before a property existed."""


def definition_id(request: ArmRequest) -> str:
    return resource_id(request, "galleries", request.params["gallery"], "images", request.params["definition"])


def _put(service: Service, request: ArmRequest) -> ArmAnswer:
    require_group(service, request)
    identity = definition_id(request)
    gallery = parent_of(service, request, identity)
    check_name(RESOURCE_TYPE, request.params["definition"])
    existing = service.store.get(identity)
    fields = Fields.of(request.body, "galleryImage")
    location = location_of(fields, existing)
    if existing is None:
        check_quota(service, DEFINITION, location, MOST_IN_REGION, "image definitions")
        definition = _new(identity, request, gallery, location)
    else:
        not_busy(service, existing)
        definition = existing
    _write(service, request, definition, gallery, fields, replace=True, new=existing is None)
    return _begin(service, request, definition, new=existing is None)


def _patch(service: Service, request: ArmRequest) -> ArmAnswer:
    definition = require(service, definition_id(request))
    not_busy(service, definition)
    gallery = require(service, definition.parent)
    fields = Fields.of(request.body, "galleryImage")
    _write(service, request, definition, gallery, fields, replace=False, new=False)
    return _begin(service, request, definition, new=False)


def _begin(service: Service, request: ArmRequest, definition: Resource, *, new: bool) -> ArmAnswer:
    definition.properties["provisioningState"] = CREATING if new else UPDATING
    service.store.put(definition)
    verb = "create" if new else "update"
    operation = service.start(request, definition, verb, service.durations.definition_write)
    return written(service, request, definition, operation, new=new, poll_s=2)


def _new(identity: str, request: ArmRequest, gallery: Resource, location: Location) -> Resource:
    body: Body = {"properties": {}, "location": location.name, "id": identity}
    body |= {"name": request.params["definition"], "type": "Microsoft.Compute/galleries/images"}
    return Resource(identity, DEFINITION, gallery.id, body, {"region": location.name})


def _write(
    service: Service,
    request: ArmRequest,
    definition: Resource,
    gallery: Resource,
    fields: Fields,
    *,
    replace: bool,
    new: bool,
) -> None:
    properties = fields.object("properties")
    _write_fixed(service, request, definition, properties, new=new)
    _write_mutable(service, definition, fields, properties, replace=replace)
    features = definition_features(request, properties, definition, new=new)
    definition.properties.pop("features", None)
    if features:
        definition.properties["features"] = features
    _check_security(definition, gallery, properties)
    _check_community(definition, gallery, properties)


def _write_fixed(service: Service, request: ArmRequest, definition: Resource, properties: Fields, *, new: bool) -> None:
    """Writes what is fixed at creation."""
    stored = definition.properties
    modern = request.api_version >= "2025-03-03"
    given = {
        "osType": properties.choice("osType", ("Windows", "Linux"), required=new),
        "osState": properties.choice("osState", ("Generalized", "Specialized"), required=new),
        "hyperVGeneration": properties.choice("hyperVGeneration", ("V1", "V2")),
        "architecture": properties.choice("architecture", ("x64", "Arm64")),
        "identifier": _identifier(properties, required=new),
        "purchasePlan": _purchase_plan(properties),
        **{name: properties.text(name) or None for name in _FIXED_TEXTS},
    }
    if new:
        given["hyperVGeneration"] = given["hyperVGeneration"] or ("V2" if modern else "V1")
        if request.api_version >= "2021-10-01":
            given["architecture"] = given["architecture"] or "x64"
        _check_unique(service, definition, given["identifier"])
    for name, value in given.items():
        if not new:
            fixed(properties, name, stored.get(name, _DEFAULTS.get(name)), value)
        elif value is not None:
            stored[name] = value


def _identifier(properties: Fields, *, required: bool) -> Body | None:
    if not properties.has("identifier") and not required:
        return None
    identifier = properties.object("identifier")
    checked: Body = {}
    for name, most in _IDENTIFIER_LENGTHS.items():
        value = str(identifier.text(name, required=True))
        if len(value) > most or not _IDENTIFIER.fullmatch(value):
            raise identifier.refuse(
                name, f"The value '{value}' of '{identifier.path(name)}' is invalid: letters, digits, '.', '_', '-'."
            )
        checked[name] = value
    return checked


def _check_unique(service: Service, definition: Resource, identifier: Any) -> None:
    wanted = {name: value.lower() for name, value in identifier.items()}
    for other in service.store.inside(definition.parent, DEFINITION):
        theirs = {name: value.lower() for name, value in other.properties["identifier"].items()}
        if theirs == wanted and other.key != definition.key:
            raise ArmError(
                409,
                "Conflict",
                f"The image definition '{other.name}' has the same publisher, offer and SKU in this gallery.",
                "galleryImage.properties.identifier",
            )


def _purchase_plan(properties: Fields) -> Body | None:
    plan = properties.object("purchasePlan")
    if not plan.values:
        return None
    return without_nones(
        name=plan.text("name", required=True), publisher=plan.text("publisher"), product=plan.text("product")
    )


def _write_mutable(
    service: Service, definition: Resource, fields: Fields, properties: Fields, *, replace: bool
) -> None:
    """Writes what can be changed: a PUT replaces all of it, a PATCH what it names. An end-of-life date stays."""
    stored = definition.properties
    tags = fields.tags()
    if tags is not None or replace:
        definition.body.pop("tags", None)
        if tags is not None:
            definition.body["tags"] = tags
    read: Mapping[str, Any] = {
        **{name: properties.text(name) for name in _MUTABLE_TEXTS},
        "recommended": _recommended(properties),
        "disallowed": _disallowed(properties),
    }
    for name, value in read.items():
        if value is not None:
            stored[name] = value
        elif replace or properties.has(name):
            stored.pop(name, None)
    end = properties.moment("endOfLifeDate")
    if end is not None:
        stored["endOfLifeDate"] = future(service, properties, end, stored.get("endOfLifeDate"))


def future(service: Service, fields: Fields, end: str, before: str | None) -> str:
    """An end of life that is the same as before, or in the future. Raises: ArmError for any other."""
    if end != before and datetime.fromisoformat(end).timestamp() <= service.clock.now():
        raise fields.refuse("endOfLifeDate", f"The end of life date '{end}' must be in the future.")
    return end


def _recommended(properties: Fields) -> Body | None:
    recommended = properties.object("recommended")
    ranges: Body = {}
    for name in ("vCPUs", "memory"):
        bounds = recommended.object(name)
        least, most = bounds.whole("min", 0), bounds.whole("max", 0)
        if least is not None and most is not None and least > most:
            raise recommended.refuse(name, f"The minimum {least} of '{bounds.target}' is greater than its maximum.")
        if bounds.values:
            ranges[name] = without_nones(min=least, max=most)
    return ranges or None


def _disallowed(properties: Fields) -> Body | None:
    types = properties.object("disallowed").texts("diskTypes")
    return {"diskTypes": types} if types else None


def _check_security(definition: Resource, gallery: Resource, properties: Fields) -> None:
    security = security_type(definition)
    if security not in ("", "Standard") and definition.properties["hyperVGeneration"] != "V2":
        raise properties.refuse("features", f"The security type '{security}' needs an image of Hyper-V generation V2.")
    permissions = gallery.properties.get("sharingProfile", {}).get("permissions", "Private")
    if security in NEEDS_PRIVATE and permissions != "Private":
        raise properties.refuse("features", f"The security type '{security}' is for private galleries only.")


def _check_community(definition: Resource, gallery: Resource, properties: Fields) -> None:
    """Source: Azure's documentation of community galleries: everything in one region, no marketplace images."""
    if gallery.properties.get("sharingProfile", {}).get("permissions") != "Community":
        return
    if definition.hidden["region"] != gallery.hidden["region"]:
        raise invalid(
            "galleryImage.location",
            f"The location of a definition in a community gallery must be the gallery's, '{gallery.body['location']}'.",
        )
    if "purchasePlan" in definition.properties:
        raise properties.refuse("purchasePlan", "A community gallery cannot hold images of marketplace partners.")


def _get(service: Service, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, require(service, definition_id(request)).body)


def _list(service: Service, request: ArmRequest) -> ArmAnswer:
    gallery = require(service, resource_id(request, "galleries", request.params["gallery"]))
    return listing(service, request, service.store.inside(gallery.id, DEFINITION), lambda definition: definition.body)


def _delete(service: Service, request: ArmRequest) -> ArmAnswer:
    require_group(service, request)
    definition = service.store.get(definition_id(request))
    if definition is None:
        return ArmAnswer(204)
    inside = [version.id for version in service.store.inside(definition.id, VERSION)]
    artifacts = f"{definition.parent}/softDeletedArtifactTypes/Images/artifacts/{definition.name}/versions/"
    inside += [artifact.id for artifact in service.store.of_type(SOFT_DELETED, artifacts)]
    refuse_parent_delete(service, request, definition, inside)
    return begin_delete(service, request, definition, service.durations.container_delete, poll_s=2)


HANDLERS = Handlers(
    (
        Route(
            "PUT", PATH, _put, "write definition", budget="CreateUpdateGalleryImage", body=request_schemas.DEFINITION
        ),
        Route(
            "PATCH",
            PATH,
            _patch,
            "patch definition",
            budget="CreateUpdateGalleryImage",
            body=request_schemas.DEFINITION,
        ),
        Route("GET", PATH, _get, "read definition", budget="GetGalleryImage"),
        Route("DELETE", PATH, _delete, "delete definition", budget="DeleteGalleryImage"),
        Route("GET", f"{GALLERY_PATH}/images", _list, "list definitions", budget="ListGalleryImagesInGallery"),
    ),
    {DEFINITION: finish_container},
)

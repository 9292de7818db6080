"""Objects on Azure as a test needs them: planned by real manifests, sent, and answered by the model of the service."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from support.azure.answers import Body, Service
from support.gallery_documents import ACCOUNT, EARLIER, GROUP, Document, load

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.azure.bodies import (
    definition_attributes,
    definition_body,
    gallery_attributes,
    gallery_body,
    groups_of,
    metadata_for,
    region_attributes,
    storage_profile,
    version_attributes,
    version_body,
)
from reconciler.providers.azure.service.tag_metadata import TagMetadata, from_tags
from reconciler.providers.owner import OwnerMark

LINEAGE = "5f1d2c3b-aaaa-bbbb-cccc-000000000001"
GALLERY, DEFINITION, VERSION = Address("corp"), Address("corp", "ubuntu"), Address("corp", "ubuntu", "1.0.0")
GALLERY_DOCUMENT: Document = {"kind": "Gallery", "name": "corp", "location": "eastus"}
DEFINITION_DOCUMENT: Document = {
    "kind": "ImageDefinition",
    "gallery": "corp",
    "name": "ubuntu",
    "osType": "Linux",
    "osState": "Generalized",
    "identifier": {"publisher": "Contoso", "offer": "Ubuntu", "sku": "24.10"},
}
VERSION_DOCUMENT: Document = {
    "kind": "ImageVersion",
    "image": "corp/ubuntu",
    "name": "1.0.0",
    "source": {"snapshot": f"{GROUP}/snapshots/Os"},
    "targetRegions": ["eastus", "uksouth=2"],
}
SAFE = {"allowDeletionOfReplicatedLocations": False, "blockDeletionBeforeEndOfLife": False}
BLOBS = {
    name: (f"https://vhds.blob.core.windows.net/staging/{name}.vhd", ACCOUNT)
    for name in ("os", *(f"data-{lun}" for lun in range(80)))
}


def owner(address: Address) -> OwnerMark:
    return OwnerMark(LINEAGE, address)


def marks_of(body: Body) -> TagMetadata:
    return from_tags(body.get("tags", {}))[0]


def version_id(address: str) -> str:
    gallery, definition, version = address.split("/")
    return f"{GROUP}/galleries/{gallery}/images/{definition}/versions/{version}"


def planned_gallery(document: Document) -> Attributes:
    return load(document).resources[GALLERY].attributes


def planned_definition(document: Document) -> Attributes:
    return load(GALLERY_DOCUMENT, document).resources[DEFINITION].attributes


def planned_version(document: Document) -> tuple[Attributes, Mapping[str, Attributes]]:
    """The attributes of a version and those of its regions."""
    resources = load(GALLERY_DOCUMENT, DEFINITION_DOCUMENT, EARLIER, document).resources
    regions = {
        address.region: found.attributes
        for address, found in resources.items()
        if address.region and address.unit == VERSION
    }
    return resources[VERSION].attributes, regions


def stored_gallery(document: Document, chance: Random) -> tuple[Attributes, Body]:
    planned = planned_gallery(document)
    body = gallery_body(planned, metadata_for(owner(GALLERY), planned))
    return planned, Service(chance).gallery(body, groups_of(planned))


def stored_definition(document: Document, chance: Random) -> tuple[Attributes, Body]:
    planned = planned_definition(document)
    body = definition_body(planned, metadata_for(owner(DEFINITION), planned))
    return planned, Service(chance).definition(body)


def stored_version(document: Document, chance: Random) -> tuple[Attributes, Mapping[str, Attributes], Body]:
    planned, regions = planned_version(document)
    metadata = metadata_for(owner(VERSION), planned, regions)
    body = version_body(planned, regions, metadata, storage_profile(planned, vhd=BLOBS, version_id=version_id))
    return planned, regions, Service(chance).version(body)


def read_gallery(body: Body) -> Attributes:
    return gallery_attributes(body, marks_of(body))


def read_definition(body: Body) -> Attributes:
    return definition_attributes(body, marks_of(body))


def read_version(body: Body) -> Attributes:
    return version_attributes(body, marks_of(body))


def read_regions(body: Body) -> Attributes:
    return region_attributes(body, marks_of(body))


def plain_gallery(**attributes: Any) -> Body:
    return stored_gallery({**GALLERY_DOCUMENT, **attributes}, Random(1))[1]


def plain_definition(**attributes: Any) -> Body:
    return stored_definition({**DEFINITION_DOCUMENT, **attributes}, Random(1))[1]


def plain_version(**attributes: Any) -> Body:
    return stored_version({**VERSION_DOCUMENT, **attributes}, Random(1))[2]

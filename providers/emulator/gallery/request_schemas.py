"""The bodies that galleries, definitions and versions are written with, as the service describes itself (JSON Schema).

Source: the Compute Gallery REST specification.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_WHOLE = {"type": "integer"}
_TAGS = {"type": "object", "additionalProperties": _TEXT}


def _object(required: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": members}
    return {**found, "required": list(required)} if required else found


def _list(entry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": entry}


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _TEXT)


GALLERY = _object(
    ("location",),
    location=_TEXT,
    tags=_TAGS,
    identity=_object(type={"enum": ["None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"]}),
    properties=_object(
        description=_TEXT,
        sharingProfile=_object(
            permissions={"enum": ["Private", "Groups", "Community"]},
            communityGalleryInfo=_object(**_texts("publisherUri", "publisherContact", "eula", "publicNamePrefix")),
        ),
        softDeletePolicy=_object(isSoftDeleteEnabled=_FLAG, retentionPeriodInDays=_WHOLE, gracePeriodInDays=_WHOLE),
    ),
)

_BOUNDS = _object(min=_WHOLE, max=_WHOLE)
DEFINITION = _object(
    ("location", "properties"),
    location=_TEXT,
    tags=_TAGS,
    properties=_object(
        ("osType", "osState", "identifier"),
        osType={"enum": ["Windows", "Linux"]},
        osState={"enum": ["Generalized", "Specialized"]},
        hyperVGeneration={"enum": ["V1", "V2"]},
        architecture={"enum": ["x64", "Arm64"]},
        identifier=_object(**_texts("publisher", "offer", "sku")),
        recommended=_object(vCPUs=_BOUNDS, memory=_BOUNDS),
        features=_list(_object(**_texts("name", "value", "startsAtVersion"))),
        endOfLifeDate=_TEXT,
        description=_TEXT,
        allowUpdateImage=_FLAG,
    ),
)

_TARGET_REGION = _object(name=_TEXT, regionalReplicaCount=_WHOLE, storageAccountType=_TEXT, excludeFromLatest=_FLAG)
VERSION = _object(
    ("location",),
    location=_TEXT,
    tags=_TAGS,
    properties=_object(
        publishingProfile=_object(
            targetRegions=_list(_TARGET_REGION),
            replicaCount=_WHOLE,
            excludeFromLatest=_FLAG,
            endOfLifeDate=_TEXT,
            replicationMode={"enum": ["Full", "Shallow"]},
            storageAccountType=_TEXT,
        ),
        storageProfile=_object(
            source=_object(id=_TEXT, virtualMachineId=_TEXT),
            osDiskImage={"type": "object"},
            dataDiskImages=_list({"type": "object"}),
        ),
        safetyProfile={"type": "object"},
        restore=_FLAG,
    ),
)

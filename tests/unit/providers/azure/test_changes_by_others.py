"""Changes that others make to our objects are seen as changes of attributes, and nothing else is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from support.azure.answers import Body
from support.azure.objects import (
    SAFE,
    plain_definition,
    plain_gallery,
    plain_version,
    read_definition,
    read_gallery,
    read_regions,
    read_version,
)
from support.gallery_documents import GROUP

from reconciler.manifests.values import Attributes


def difference(read: Callable[[Body], Attributes], body: Body, path: str, value: Any) -> Attributes:
    """The attributes that differ after another client has set the member at `path` to `value`; None for removals."""
    before = read(body)
    changed: Body = copy.deepcopy(body)
    *parents, last = path.split("/")
    here: Any = changed
    for name in parents:
        here = here[int(name)] if isinstance(here, list) else here.setdefault(name, {})
    here[last] = value
    after = read(changed)
    return {name: after.get(name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("path", "value", "seen"),
    [
        ("properties/description", "theirs", {"description": "theirs"}),
        ("properties/softDeletePolicy/isSoftDeleteEnabled", True, {"softDeletePolicy": {"isSoftDeleteEnabled": True}}),
        (
            "properties/softDeletePolicy",
            {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 7, "gracePeriodInDays": 2},
            {
                "softDeletePolicy": {
                    "isSoftDeleteEnabled": True,
                    "retentionPeriodInDays": 7,
                    "gracePeriodInDays": 2,
                }
            },
        ),
        ("tags/CostCentre", "42", {"tags": {"CostCentre": "42"}}),
        ("identity", {"type": "systemassigned", "principalId": "p"}, {"identity": {"type": "SystemAssigned"}}),
        ("properties/sharingProfile/permissions", "groups", {"sharing": {"permissions": "Groups"}}),
    ],
)
def test_what_others_change_in_a_gallery_is_seen(path: str, value: Any, seen: Attributes) -> None:
    assert difference(read_gallery, plain_gallery(), path, value) == seen


def test_days_of_soft_delete_that_others_change_are_seen() -> None:
    body = plain_gallery(softDeletePolicy={"isSoftDeleteEnabled": True, "gracePeriodInDays": 5})
    policy = {"isSoftDeleteEnabled": True, "gracePeriodInDays": 5}
    assert read_gallery(body)["softDeletePolicy"] == policy
    retention, grace = (
        f"properties/softDeletePolicy/{name}" for name in ("retentionPeriodInDays", "gracePeriodInDays")
    )
    assert difference(read_gallery, body, retention, 8) == {"softDeletePolicy": {**policy, "retentionPeriodInDays": 8}}
    assert difference(read_gallery, body, grace, 6) == {"softDeletePolicy": {**policy, "gracePeriodInDays": 6}}
    gone = difference(read_gallery, body, "properties/softDeletePolicy", None)
    assert gone == {"softDeletePolicy": {"isSoftDeleteEnabled": False}}


def test_groups_that_others_change_are_seen() -> None:
    one, two = "aaaaaaaa-0000-0000-0000-000000000001", "AAAAAAAA-0000-0000-0000-000000000002"
    body = plain_gallery(sharing={"permissions": "Groups", "groups": {"Subscriptions": [one, two]}})
    assert read_gallery(body)["sharing"]["groups"] == {"Subscriptions": sorted([one, two])}
    groups = [{"type": "AADTenants", "ids": [one]}, {"type": "Subscriptions", "ids": [two.lower()]}]
    theirs = {"permissions": "Groups", "groups": {"AADTenants": [one], "Subscriptions": [two]}}
    assert difference(read_gallery, body, "properties/sharingProfile/groups", groups) == {"sharing": theirs}
    assert difference(read_gallery, body, "properties/sharingProfile/groups", None) == {
        "sharing": {"permissions": "Groups"}
    }


@pytest.mark.parametrize(
    ("path", "value", "seen"),
    [
        ("properties/description", "theirs", {"description": "theirs"}),
        ("properties/releaseNoteUri", "https://x", {"releaseNoteUri": "https://x"}),
        ("properties/endOfLifeDate", "2030-01-01T02:00:00+02:00", {"endOfLifeDate": "2030-01-01T00:00:00Z"}),
        ("properties/recommended", {"vCPUs": {"max": 4}, "memory": {}}, {"recommended": {"vCPUs": {"max": 4}}}),
        ("properties/disallowed", {"diskTypes": ["standard_lrs"]}, {"disallowed": {"diskTypes": ["Standard_LRS"]}}),
        ("properties/osState", "specialized", {"osState": "Specialized"}),
        (
            "properties/features",
            [{"name": "securitytype", "value": "standard"}],
            {"features": {"SecurityType": {"value": "Standard"}}},
        ),
        (
            "properties/features",
            [{"name": "SecurityType", "value": "TrustedLaunchSupported", "startsAtVersion": "1.0.0"}],
            {"features": {"SecurityType": {"value": "TrustedLaunchSupported", "startsAtVersion": "1.0.0"}}},
        ),
        ("tags/owner", "them", {"tags": {"owner": "them"}}),
    ],
)
def test_what_others_change_in_a_definition_is_seen(path: str, value: Any, seen: Attributes) -> None:
    assert difference(read_definition, plain_definition(), path, value) == seen


@pytest.mark.parametrize(
    ("path", "value", "seen"),
    [
        ("properties/publishingProfile/replicaCount", 3, {"replicaCount": 3}),
        ("properties/publishingProfile/excludeFromLatest", True, {"excludeFromLatest": True}),
        (
            "properties/publishingProfile/endOfLifeDate",
            "2031-05-06T07:08:09+00:00",
            {"endOfLifeDate": "2031-05-06T07:08:09Z"},
        ),
        (
            "properties/safetyProfile/blockDeletionBeforeEndOfLife",
            True,
            {"safety": {**SAFE, "blockDeletionBeforeEndOfLife": True}},
        ),
        (
            "properties/publishingProfile/targetExtendedLocations",
            [{"name": "West US 2", "extendedLocation": {"name": "la1", "type": "edgezone"}}],
            {"targetExtendedLocations": {"la1": {"name": "westus2", "extendedLocation": {"type": "EdgeZone"}}}},
        ),
        (
            "properties/storageProfile/osDiskImage/source",
            {"id": f"{GROUP}/snapshots/Theirs"},
            {"source": {"snapshot": f"{GROUP}/snapshots/Theirs"}},
        ),
        ("tags/owner", "them", {"tags": {"owner": "them"}}),
    ],
)
def test_what_others_change_in_a_version_is_seen(path: str, value: Any, seen: Attributes) -> None:
    assert difference(read_version, plain_version(), path, value) == seen


def test_what_others_change_in_the_target_regions_is_seen() -> None:
    body = plain_version()
    entries = body["properties"]["publishingProfile"]["targetRegions"]
    place = next(index for index, entry in enumerate(entries) if entry["name"] == "UK South")
    path = f"properties/publishingProfile/targetRegions/{place}"
    assert read_regions(body)["uksouth"] == {"replicas": 2, "excludeFromLatest": False}
    more = {"replicas": 7, "excludeFromLatest": False}
    assert difference(read_regions, body, f"{path}/regionalReplicaCount", 7) == {"uksouth": more}
    hidden = {"replicas": 2, "excludeFromLatest": True}
    assert difference(read_regions, body, f"{path}/excludeFromLatest", True) == {"uksouth": hidden}
    rest = [entry for entry in entries if entry["name"] != "UK South"]
    assert difference(read_regions, body, "properties/publishingProfile/targetRegions", rest) == {"uksouth": None}
    theirs = [*entries, {"name": "West US 2", "storageAccountType": "Standard_ZRS"}]
    new = {"replicas": 1, "excludeFromLatest": False}
    assert difference(read_regions, body, "properties/publishingProfile/targetRegions", theirs) == {"westus2": new}


def test_copies_in_an_edge_zone_that_others_change_are_seen() -> None:
    zone = {"name": "West US 2", "extendedLocation": {"name": "LosAngeles1"}}
    body = plain_version(targetExtendedLocations=[zone])
    planned = {"name": "westus2", "extendedLocation": {"type": "EdgeZone"}}
    assert read_version(body)["targetExtendedLocations"] == {"LosAngeles1": planned}
    path = "properties/publishingProfile/targetExtendedLocations/0/extendedLocationReplicaCount"
    more = {**planned, "extendedLocationReplicaCount": 4}
    assert difference(read_version, body, path, 4) == {"targetExtendedLocations": {"LosAngeles1": more}}


def test_a_tag_keeps_the_name_it_was_planned_with() -> None:
    body = plain_gallery(tags={"costCentre": "1"})
    body["tags"] = {name.upper(): value for name, value in body["tags"].items()}
    assert read_gallery(body)["tags"] == {"costCentre": "1"}

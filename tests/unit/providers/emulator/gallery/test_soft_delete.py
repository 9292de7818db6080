"""Soft-deleted versions: kept, listed, restored, purged, and finally expired."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from support.azure.emulated_service import COMPUTE, DEFINITION, Emulated, version_properties

GALLERY = "galleries/corp"
VERSION = f"{DEFINITION}/versions/1.0.0"
KEPT = f"{COMPUTE}/galleries/corp/softDeletedArtifactTypes/Images/artifacts/ubuntu/versions"
DAY_S = 86_400
POLICY = {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 30, "gracePeriodInDays": 7}


@pytest.fixture(autouse=True)
def version(emulated: Emulated) -> dict[str, Any]:
    """A version in a gallery with soft delete."""
    emulated.definition()
    emulated.put(GALLERY, {"softDeletePolicy": POLICY})
    source = {"osDiskImage": {"source": {"id": emulated.disk("os")}}}
    emulated.put(VERSION, version_properties(source), tags={"a": "b"})
    return emulated.get(VERSION)


def kept(emulated: Emulated, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = emulated.get(KEPT, **query)["value"]
    return found


def delete(emulated: Emulated, **query: str) -> None:
    assert emulated.send("DELETE", VERSION, **query).status == 202
    assert emulated.refused("GET", VERSION).status == 404


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_what_is_deleted_is_listed_with_its_days(emulated: Emulated) -> None:
    assert kept(emulated) == []
    delete(emulated)
    (artifact,) = kept(emulated)
    assert (artifact["name"], artifact["id"]) == ("1.0.0", f"{KEPT}/1.0.0")
    properties = artifact["properties"]
    assert (properties["resourceArmId"], properties["softDeletedArtifactType"]) == (VERSION, "Images")
    deleted = seconds(properties["softDeletedTime"])
    assert seconds(properties["consumptionEndTime"]) == deleted + 30 * DAY_S
    assert seconds(properties["hardDeletionTargetTime"]) == deleted + 37 * DAY_S
    (older,) = kept(emulated, api_version="2025-03-03")
    assert set(properties) - set(older["properties"]) == {"consumptionEndTime", "hardDeletionTargetTime"}
    assert emulated.get(KEPT.replace("ubuntu", "debian"))["value"] == []
    assert emulated.refused("GET", KEPT.replace("/Images/", "/Applications/")).target == "artifactType"


def test_it_is_gone_when_its_days_are_over(emulated: Emulated) -> None:
    delete(emulated)
    emulated.clock.advance(37 * DAY_S - 60)
    assert len(kept(emulated)) == 1
    emulated.clock.advance(60)
    assert kept(emulated) == []


def test_seven_days_unless_something_is_said(emulated: Emulated) -> None:
    emulated.put(GALLERY)
    emulated.put(GALLERY, {"softDeletePolicy": {"isSoftDeleteEnabled": True}})
    delete(emulated)
    properties = kept(emulated)[0]["properties"]
    assert seconds(properties["hardDeletionTargetTime"]) - seconds(properties["softDeletedTime"]) == 7 * DAY_S


def test_its_parents_stay_as_long(emulated: Emulated) -> None:
    delete(emulated)
    for path in (DEFINITION, GALLERY):
        error = emulated.refused("DELETE", path)
        assert (error.status, error.code) == (409, "CannotDeleteResource")
    assert f"{KEPT}/1.0.0" in emulated.refused("DELETE", DEFINITION).message
    emulated.clock.advance(37 * DAY_S)
    assert emulated.send("DELETE", DEFINITION).status == 202
    assert emulated.send("DELETE", GALLERY).status == 202


@pytest.mark.parametrize(
    "body",
    [
        {"location": "East US"},
        {"location": "eastus", "properties": {"restore": True}},
        {"location": "eastus", "properties": {"restore": True, "storageProfile": {}}},
    ],
)
def test_it_comes_back_as_it_was(emulated: Emulated, version: dict[str, Any], body: dict[str, Any]) -> None:
    delete(emulated)
    emulated.clock.advance(35 * DAY_S)
    answer = emulated.send("PUT", VERSION, body)
    assert (answer.status, answer.body["properties"]["provisioningState"]) == (200, "Updating")
    assert emulated.get(VERSION) == version
    assert kept(emulated) == []
    emulated.clock.advance(37 * DAY_S)
    assert emulated.get(VERSION) == version


def test_it_does_not_come_back_elsewhere_nor_as_another(emulated: Emulated) -> None:
    delete(emulated)
    moved = emulated.put_refused(VERSION, {"restore": True}, location="westus")
    assert (moved.status, moved.code) == (409, "PropertyChangeNotAllowed")
    source = {"osDiskImage": {"source": {"id": emulated.disk("other")}}}
    for restore in ({}, {"restore": False}):
        error = emulated.put_refused(VERSION, {**version_properties(source), **restore})
        assert (error.status, error.code) == (409, "Conflict")
    assert len(kept(emulated)) == 1


def test_what_is_kept_can_be_purged(emulated: Emulated) -> None:
    delete(emulated)
    assert emulated.send("DELETE", VERSION).status == 204
    assert emulated.send("DELETE", VERSION, bypasssoftdelete="true", api_version="2025-03-03").status == 204
    assert len(kept(emulated)) == 1
    assert emulated.send("DELETE", VERSION, bypasssoftdelete="true").status == 202
    assert kept(emulated) == []
    assert emulated.send("DELETE", DEFINITION).status == 202


@pytest.mark.parametrize(("api_version", "left"), [("2025-03-03", 1), ("2026-03-03", 0)])
def test_a_deletion_can_bypass_it_from_2026_on(emulated: Emulated, api_version: str, left: int) -> None:
    delete(emulated, bypasssoftdelete="true", api_version=api_version)
    assert len(kept(emulated)) == left


def test_without_a_policy_nothing_is_kept(emulated: Emulated) -> None:
    emulated.put(GALLERY, {"softDeletePolicy": {"isSoftDeleteEnabled": False}})
    delete(emulated)
    assert kept(emulated) == []
    assert emulated.send("DELETE", DEFINITION).status == 202

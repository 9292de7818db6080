"""Image definitions: what the service adds, what can be changed, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_service import COMPUTE, DEFINITION, Emulated

from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.definitions import MOST_IN_REGION

IDENTIFIER = {"publisher": "Contoso", "offer": "Servers", "sku": "ubuntu"}
LEAST: dict[str, Any] = {"osType": "Linux", "osState": "Generalized", "identifier": IDENTIFIER}
TRUSTED = {"name": "SecurityType", "value": "TrustedLaunchSupported"}


@pytest.fixture(autouse=True)
def gallery(emulated: Emulated) -> None:
    emulated.put("galleries/corp")


def write(emulated: Emulated, properties: dict[str, Any], method: str = "PUT", api_version: str = "2026-03-03") -> int:
    body = {"location": "eastus", "properties": properties}
    return emulated.send(method, DEFINITION, body, api_version=api_version).status


@pytest.mark.parametrize(
    ("api_version", "sent", "added"),
    [
        ("2020-09-30", {}, {"hyperVGeneration": "V1"}),
        ("2021-10-01", {}, {"hyperVGeneration": "V1", "architecture": "x64"}),
        ("2024-03-03", {"hyperVGeneration": "V2"}, {"hyperVGeneration": "V2", "architecture": "x64"}),
        ("2025-03-03", {}, {"hyperVGeneration": "V2", "architecture": "x64", "features": [TRUSTED]}),
        (
            "2026-03-03",
            {"features": [{"name": "IsHibernateSupported", "value": "true"}]},
            {
                "hyperVGeneration": "V2",
                "architecture": "x64",
                "features": [{"name": "IsHibernateSupported", "value": "True"}, TRUSTED],
            },
        ),
        ("2026-03-03", {"hyperVGeneration": "V1"}, {"hyperVGeneration": "V1", "architecture": "x64"}),
        (
            "2026-03-03",
            {"features": [{"name": "SecurityType", "value": "Standard"}], "architecture": "Arm64"},
            {
                "hyperVGeneration": "V2",
                "architecture": "Arm64",
                "features": [{"name": "SecurityType", "value": "Standard"}],
            },
        ),
    ],
)
def test_defaults_go_by_the_api_version(
    emulated: Emulated, api_version: str, sent: dict[str, Any], added: dict[str, Any]
) -> None:
    assert write(emulated, {**LEAST, **sent}, api_version=api_version) == 201
    assert emulated.properties(DEFINITION) == {**LEAST, **added, "provisioningState": "Succeeded"}


def test_empty_things_and_flags_do_not_come_back(emulated: Emulated) -> None:
    sent = {"features": [], "disallowed": {}, "allowUpdateImage": True, "hyperVGeneration": "V1"}
    write(emulated, {**LEAST, **sent})
    assert not {"features", "disallowed", "allowUpdateImage"} & set(emulated.properties(DEFINITION))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("osType", "Windows"),
        ("osState", "Specialized"),
        ("hyperVGeneration", "V1"),
        ("architecture", "Arm64"),
        ("identifier", {**IDENTIFIER, "sku": "debian"}),
        ("eula", "https://contoso.example/eula/2"),
        ("privacyStatementUri", "https://contoso.example/privacy"),
        ("purchasePlan", {"name": "plan", "publisher": "Contoso", "product": "servers"}),
    ],
)
def test_what_is_fixed_at_creation(emulated: Emulated, name: str, value: Any) -> None:
    kept = {**LEAST, "eula": "https://contoso.example/eula"}
    write(emulated, kept)
    before = emulated.properties(DEFINITION)
    for method in ("PUT", "PATCH"):
        body = {"location": "eastus", "properties": {**kept, name: value}}
        error = emulated.refused(method, DEFINITION, body)
        assert (error.status, error.code) == (409, "PropertyChangeNotAllowed")
        assert error.target == f"galleryImage.properties.{name}"
    assert write(emulated, {"osType": "linux", "identifier": {**IDENTIFIER, "sku": "UBUNTU"}}) == 200
    assert emulated.properties(DEFINITION) == before


def test_a_definition_of_old_clients_is_of_x64(emulated: Emulated) -> None:
    write(emulated, LEAST, api_version="2020-09-30")
    assert write(emulated, {**LEAST, "architecture": "x64"}, api_version="2022-03-03") == 200
    error = emulated.refused("PUT", DEFINITION, {"location": "eastus", "properties": {"architecture": "Arm64"}})
    assert error.code == "PropertyChangeNotAllowed"


def test_a_put_replaces_what_can_change_except_for_the_end_of_life(emulated: Emulated) -> None:
    changeable = {
        "description": "servers",
        "releaseNoteUri": "https://contoso.example/notes",
        "recommended": {"vCPUs": {"min": 1, "max": 4}, "memory": {"min": 2}},
        "disallowed": {"diskTypes": ["Standard_LRS"]},
        "endOfLifeDate": "2030-01-01T12:59:59.000Z",
    }
    write(emulated, {**LEAST, **changeable})
    shown = emulated.properties(DEFINITION)
    assert {name: shown[name] for name in changeable} == {**changeable, "endOfLifeDate": "2030-01-01T12:59:59+00:00"}
    write(emulated, {"description": "more servers"}, "PATCH")
    assert emulated.properties(DEFINITION) == {**shown, "description": "more servers"}
    write(emulated, LEAST)
    assert set(changeable) & set(emulated.properties(DEFINITION)) == {"endOfLifeDate"}
    emulated.clock.advance(10 * 365 * 86_400)
    assert write(emulated, {"endOfLifeDate": "2030-01-01T12:59:59+00:00"}) == 200


CONTROLLERS = "DiskControllerTypes"


def test_features_change_with_leave_and_from_a_version_on(emulated: Emulated) -> None:
    write(emulated, {**LEAST, "features": [{"name": CONTROLLERS, "value": "scsi"}]})
    wanted: dict[str, Any] = {"name": CONTROLLERS, "value": "SCSI, NVMe"}
    for sent, api_version, code in (
        ({"features": [wanted]}, "2026-03-03", "PropertyChangeNotAllowed"),
        ({"features": [wanted], "allowUpdateImage": True}, "2023-07-03", "PropertyChangeNotAllowed"),
        ({"features": [wanted], "allowUpdateImage": True}, "2026-03-03", "InvalidParameter"),
        ({"features": [TRUSTED], "allowUpdateImage": True}, "2026-03-03", "PropertyChangeNotAllowed"),
    ):
        error = emulated.refused("PATCH", DEFINITION, {"properties": sent}, api_version=api_version)
        assert (error.code, error.target) == (code, "galleryImage.properties.features")
    wanted["startsAtVersion"] = "2.0.0"
    assert write(emulated, {"features": [wanted], "allowUpdateImage": True}, "PATCH") == 200
    assert emulated.properties(DEFINITION)["features"] == [wanted, TRUSTED]
    assert write(emulated, {"features": [wanted, TRUSTED]}) == 200


def test_disk_controllers_are_kept_in_one_order(emulated: Emulated) -> None:
    other = {**LEAST, "features": [{"name": CONTROLLERS, "value": "NVMe, SCSI"}]}
    write(emulated, other)
    assert emulated.properties(DEFINITION)["features"][0] == {"name": CONTROLLERS, "value": "SCSI, NVMe"}
    error = emulated.put_refused(DEFINITION, other)
    assert (error.status, error.code) == (409, "PropertyChangeNotAllowed")


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        ({"osType": None}, "osType"),
        ({"osType": "BeOS"}, "osType"),
        ({"osState": None}, "osState"),
        ({"hyperVGeneration": "V3"}, "hyperVGeneration"),
        ({"identifier": None}, "identifier.publisher"),
        ({"identifier": {**IDENTIFIER, "sku": ""}}, "identifier.sku"),
        ({"identifier": {**IDENTIFIER, "offer": "Servers."}}, "identifier.offer"),
        ({"identifier": {**IDENTIFIER, "offer": "our servers"}}, "identifier.offer"),
        ({"identifier": {**IDENTIFIER, "publisher": "p" * 129}}, "identifier.publisher"),
        ({"identifier": {**IDENTIFIER, "sku": "s" * 65}}, "identifier.sku"),
        ({"endOfLifeDate": "2020-01-01T00:00:00Z"}, "endOfLifeDate"),
        ({"endOfLifeDate": "soon"}, "endOfLifeDate"),
        ({"recommended": {"vCPUs": {"min": 4, "max": 2}}}, "recommended.vCPUs"),
        ({"recommended": {"memory": {"min": -1}}}, "recommended.memory.min"),
        ({"purchasePlan": {"publisher": "Contoso"}}, "purchasePlan.name"),
        ({"features": [TRUSTED, {"name": "securitytype", "value": "Standard"}]}, "features"),
        ({"features": [{"name": "Colour", "value": "red"}]}, "features[0].name"),
        ({"features": [{"name": "IsHibernateSupported", "value": "perhaps"}]}, "features[0].value"),
        ({"features": [{**TRUSTED, "startsAtVersion": "2"}]}, "features[0].startsAtVersion"),
        ({"features": [TRUSTED], "hyperVGeneration": "V1"}, "features"),
    ],
)
def test_what_is_refused_names_its_property(emulated: Emulated, sent: dict[str, Any], target: str) -> None:
    error = emulated.put_refused(DEFINITION, {**LEAST, **sent})
    assert (error.status, error.code) == (400, "InvalidParameter")
    assert error.target == f"galleryImage.properties.{target}"
    assert emulated.refused("GET", DEFINITION).code == "ResourceNotFound"


@pytest.mark.parametrize("kind", ["TrustedLaunch", "ConfidentialVM"])
def test_what_enforces_security_is_for_private_galleries(emulated: Emulated, kind: str) -> None:
    enforcing = {**LEAST, "features": [{"name": "SecurityType", "value": kind}]}
    emulated.put("galleries/shared", {"sharingProfile": {"permissions": "Groups"}})
    error = emulated.put_refused("galleries/shared/images/ubuntu", enforcing)
    assert (error.status, error.target) == (400, "galleryImage.properties.features")
    assert emulated.put("galleries/shared/images/ubuntu", {**LEAST, "features": [TRUSTED]}).status == 201
    assert write(emulated, enforcing) == 201


def test_a_community_gallery_holds_what_is_in_its_region_and_ones_own(emulated: Emulated) -> None:
    publisher = {
        "publisherUri": "https://contoso.example",
        "publisherContact": "images@contoso.example",
        "eula": "https://contoso.example/eula",
        "publicNamePrefix": "contoso",
    }
    profile = {"permissions": "Community", "communityGalleryInfo": publisher}
    emulated.put("galleries/public", {"sharingProfile": profile})
    path = "galleries/public/images/ubuntu"
    assert emulated.put_refused(path, LEAST, location="westus").target == "galleryImage.location"
    plan = {"name": "plan", "publisher": "Contoso", "product": "servers"}
    assert emulated.put_refused(path, {**LEAST, "purchasePlan": plan}).target == "galleryImage.properties.purchasePlan"
    assert emulated.put(path, LEAST).status == 201
    assert emulated.put(DEFINITION, LEAST, location="westus").status == 201


def test_publisher_offer_and_sku_are_used_once_in_a_gallery(emulated: Emulated) -> None:
    write(emulated, LEAST)
    same = {**LEAST, "identifier": {name: value.upper() for name, value in IDENTIFIER.items()}}
    error = emulated.put_refused("galleries/corp/images/other", same)
    assert (error.status, error.code, error.target) == (409, "Conflict", "galleryImage.properties.identifier")
    emulated.put("galleries/second")
    assert emulated.put("galleries/second/images/other", same).status == 201


@pytest.mark.parametrize(("name", "good"), [("a-b.c_d", True), ("a" * 80, True), ("a-", False), ("a" * 81, False)])
def test_names_may_have_dashes_inside(emulated: Emulated, name: str, good: bool) -> None:
    path = f"galleries/corp/images/{name}"
    if good:
        assert emulated.put(path, LEAST).status == 201
    else:
        assert emulated.put_refused(path, LEAST).code == "InvalidResourceName"


def test_a_definition_is_in_a_gallery(emulated: Emulated) -> None:
    error = emulated.put_refused("galleries/none/images/ubuntu", LEAST)
    assert (error.status, error.code) == (404, "ParentResourceNotFound")
    write(emulated, LEAST)
    (listed,) = emulated.get("galleries/corp/images")["value"]
    assert listed["id"] == DEFINITION


def test_a_region_holds_so_many(emulated: Emulated) -> None:
    with emulated.store.transaction():
        for number in range(MOST_IN_REGION):
            path = f"{COMPUTE}/galleries/corp/images/d{number}"
            body = {"id": path, "properties": {"identifier": {"publisher": "p", "offer": "o", "sku": f"{number}"}}}
            emulated.store.put(
                Resource(
                    path,
                    "microsoft.compute/galleries/images",
                    f"{COMPUTE}/galleries/corp",
                    body,
                    {"region": "eastus"},
                )
            )
    error = emulated.put_refused(DEFINITION, LEAST)
    assert (error.status, error.code) == (409, "QuotaExceeded")
    assert emulated.put(DEFINITION, LEAST, location="westus").status == 201

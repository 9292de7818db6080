"""What others see of shared galleries."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_service import COMPUTE, SUBSCRIPTION, TENANT, Emulated, version_properties

LOCATION = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/eastus"
IDENTIFIER = {"publisher": "Contoso", "offer": "Servers", "sku": "ubuntu"}
UNIQUE = f"{SUBSCRIPTION}-CORP"
PUBLISHER = {
    "publisherUri": "https://contoso.example",
    "publisherContact": "images@contoso.example",
    "eula": "https://contoso.example/eula",
    "publicNamePrefix": "contoso",
}


def furnish(emulated: Emulated, profile: dict[str, Any]) -> None:
    emulated.put("galleries/corp", {"sharingProfile": profile})
    definition = {"osType": "Linux", "osState": "Generalized", "identifier": IDENTIFIER, "eula": "https://a.example"}
    emulated.put("galleries/corp/images/ubuntu", definition)
    profile = {
        "osDiskImage": {"source": {"id": emulated.disk("os", size_gb=40)}},
        "dataDiskImages": [{"lun": 1, "source": {"id": emulated.disk("data", size_gb=5)}}],
    }
    regions = [{"name": "eastus"}, {"name": "westus"}]
    path = f"{COMPUTE}/galleries/corp/images/ubuntu/versions/1.0.0"
    emulated.put(path, version_properties(profile, targetRegions=regions, endOfLifeDate="2030-01-01T00:00:00Z"))


def share(emulated: Emulated, operation: str, kind: str = "", *ids: str) -> None:
    groups = [{"type": kind, "ids": list(ids)}] if kind else []
    emulated.send("POST", "galleries/corp/share", {"operationType": operation, "groups": groups})


@pytest.fixture
def direct(emulated: Emulated) -> Emulated:
    """A gallery that is shared with our own subscription."""
    furnish(emulated, {"permissions": "Groups"})
    share(emulated, "Add", "Subscriptions", SUBSCRIPTION.upper())
    return emulated


@pytest.fixture
def community(emulated: Emulated) -> str:
    """The path of a gallery that is shared with everyone."""
    furnish(emulated, {"permissions": "Community", "communityGalleryInfo": PUBLISHER})
    (name,) = emulated.properties("galleries/corp")["sharingProfile"]["communityGalleryInfo"]["publicNames"]
    return f"{LOCATION}/communityGalleries/{name}"


def test_a_shared_gallery_is_seen_by_those_it_is_shared_with(emulated: Emulated) -> None:
    def listed(**query: str) -> list[str]:
        return [one["name"] for one in emulated.get(f"{LOCATION}/sharedGalleries", **query)["value"]]

    furnish(emulated, {"permissions": "Groups"})
    assert emulated.refused("GET", f"{LOCATION}/sharedGalleries/{UNIQUE}").status == 404
    share(emulated, "Add", "Subscriptions", "22222222-0000-0000-0000-000000000000")
    assert listed() == []
    share(emulated, "Add", "AADTenants", TENANT)
    assert (listed(), listed(sharedto="tenant")) == ([], [UNIQUE])
    share(emulated, "Add", "Subscriptions", SUBSCRIPTION)
    assert listed() == [UNIQUE]
    share(emulated, "Reset")
    assert (listed(), listed(sharedto="tenant")) == ([], [])


def test_what_is_shared_directly(direct: Emulated) -> None:
    gallery = direct.get(f"{LOCATION}/sharedGalleries/{UNIQUE.lower()}")
    assert gallery["identifier"] == {"uniqueId": f"/SharedGalleries/{UNIQUE}"}
    images = direct.get(f"{LOCATION}/sharedGalleries/{UNIQUE}/images")
    assert [one["properties"]["identifier"] for one in images["value"]] == [IDENTIFIER]
    path = f"{LOCATION}/sharedGalleries/{UNIQUE}/images/ubuntu/versions/1.0.0"
    version = direct.get(path)
    assert version["identifier"] == {"uniqueId": f"/SharedGalleries/{UNIQUE}/Images/ubuntu/Versions/1.0.0"}
    assert "disclaimer" not in version["properties"]
    assert "targetRegions" not in str(version)


def test_what_the_community_sees(emulated: Emulated, community: str) -> None:
    assert emulated.refused("GET", community).status == 404
    share(emulated, "EnableCommunity")
    gallery = emulated.get(community)
    assert gallery["identifier"] == {"uniqueId": f"/CommunityGalleries/{gallery['name']}"}
    shown = gallery["properties"]["communityMetadata"]
    told = {name: PUBLISHER[name] for name in ("publisherUri", "publisherContact", "eula")}
    assert shown == {**told, "publicNames": [gallery["name"]], "privacyStatementUri": ""}
    (image,) = emulated.get(f"{community}/images")["value"]
    assert image == emulated.get(f"{community}/images/UBUNTU")
    assert image["properties"]["identifier"] == {"publisher": "", "offer": "", "sku": ""}
    assert {"disclaimer", "osType", "hyperVGeneration", "eula"} <= set(image["properties"])
    (version,) = emulated.get(f"{community}/images/ubuntu/versions")["value"]
    assert version == emulated.get(f"{community}/images/ubuntu/versions/1.0.0")
    assert version["identifier"]["uniqueId"].endswith(f"{gallery['name']}/Images/ubuntu/Versions/1.0.0")
    assert version["properties"]["storageProfile"] == {
        "osDiskImage": {"diskSizeGB": 40, "hostCaching": "ReadWrite"},
        "dataDiskImages": [{"lun": 1, "diskSizeGB": 5, "hostCaching": "ReadOnly"}],
    }
    assert version["properties"]["endOfLifeDate"] == "2030-01-01T00:00:00+00:00"
    share(emulated, "Reset")
    assert emulated.refused("GET", community).status == 404


def test_a_version_is_seen_where_it_has_a_copy(direct: Emulated) -> None:
    below = f"sharedGalleries/{UNIQUE}/images/ubuntu/versions"
    for region, names in (("eastus", ["1.0.0"]), ("West US", ["1.0.0"]), ("northeurope", [])):
        place = LOCATION.replace("eastus", region)
        assert [one["name"] for one in direct.get(f"{place}/{below}")["value"]] == names
    assert direct.refused("GET", f"{LOCATION.replace('eastus', 'northeurope')}/{below}/1.0.0").status == 404
    assert direct.refused("GET", f"{LOCATION.replace('eastus', 'atlantis')}/{below}").status == 400


@pytest.mark.parametrize("below", ["images/debian", "images/debian/versions", "images/ubuntu/versions/2.0.0"])
def test_what_is_not_there_is_not_found(direct: Emulated, below: str) -> None:
    error = direct.refused("GET", f"{LOCATION}/sharedGalleries/{UNIQUE}/{below}")
    assert (error.status, error.code) == (404, "ResourceNotFound")

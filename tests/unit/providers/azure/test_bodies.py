"""What is sent to the service, and that it is read back exactly as it was planned."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.azure.answers import Body
from support.azure.objects import (
    BLOBS,
    DEFINITION,
    DEFINITION_DOCUMENT,
    GALLERY,
    GALLERY_DOCUMENT,
    SAFE,
    VERSION,
    VERSION_DOCUMENT,
    marks_of,
    owner,
    planned_gallery,
    planned_version,
    read_definition,
    read_gallery,
    read_version,
    stored_definition,
    stored_gallery,
    stored_version,
    version_id,
)
from support.gallery_documents import ACCOUNT, Document, definitions, galleries, versions

from reconciler.manifests.address import Kind
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies import (
    declared,
    definition_body,
    gallery_body,
    groups_of,
    groups_of_body,
    lacks_security,
    metadata_for,
    region_attributes,
    storage_profile,
    version_attributes,
    version_body,
)
from reconciler.providers.azure.service.tag_metadata import TagMetadata

laws = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
chances = st.randoms(use_true_random=False)


@laws
@given(galleries(), chances)
def test_a_gallery_comes_back_as_it_was_planned(document: Document, chance: Random) -> None:
    planned, body = stored_gallery(document, chance)
    assert canonical_json(read_gallery(body)) == canonical_json(planned)
    assert groups_of_body(body) == groups_of(planned)
    assert marks_of(body) == metadata_for(owner(GALLERY), planned)


@laws
@given(definitions(), chances)
def test_a_definition_comes_back_as_it_was_planned(document: Document, chance: Random) -> None:
    planned, body = stored_definition(document, chance)
    assert canonical_json(read_definition(body)) == canonical_json(planned)
    assert marks_of(body) == metadata_for(owner(DEFINITION), planned)


@laws
@given(versions(), chances)
def test_a_version_and_its_regions_come_back_as_they_were_planned(document: Document, chance: Random) -> None:
    planned, regions, body = stored_version(document, chance)
    assert canonical_json(read_version(body)) == canonical_json(planned)
    assert canonical_json(region_attributes(body, marks_of(body))) == canonical_json(regions)
    assert marks_of(body) == metadata_for(owner(VERSION), planned, regions)
    assert not lacks_security(body, marks_of(body))


@laws
@given(versions(), chances)
def test_without_its_expansion_a_security_profile_is_known_to_lack(document: Document, chance: Random) -> None:
    planned, _, body = stored_version(document, chance)
    body["properties"].pop("securityProfile", None)
    assert lacks_security(body, marks_of(body)) == ("securityProfile" in planned)
    rest = {name: value for name, value in planned.items() if name != "securityProfile"}
    assert canonical_json(read_version(body)) == canonical_json(rest)


def test_an_update_sends_back_what_the_service_chose() -> None:
    planned, regions, shown = stored_version(VERSION_DOCUMENT, Random(1))
    entries = shown["properties"]["publishingProfile"]["targetRegions"]
    entries[0]["futureSetting"] = "kept"
    chosen = {entry["name"]: entry["storageAccountType"].lower() for entry in entries}
    regions = {**regions, "westus2": {"replicas": 1, "excludeFromLatest": True}}
    body = version_body(
        {**planned, "replicaCount": 5}, regions, metadata_for(owner(VERSION), planned, regions), None, shown
    )
    sent = {entry["name"]: entry for entry in body["properties"]["publishingProfile"]["targetRegions"]}
    assert list(sent) == ["eastus", "uksouth", "westus2"]
    assert sent["uksouth"]["storageAccountType"].lower() == chosen["UK South"]
    assert sent["eastus"]["storageAccountType"].lower() == chosen["East US"]
    assert sent["westus2"] == {"name": "westus2", "regionalReplicaCount": 1, "excludeFromLatest": True}
    assert [entry.get("futureSetting") for entry in sent.values()].count("kept") == 1
    assert body["properties"]["storageProfile"] == {}
    assert body["properties"]["publishingProfile"]["replicaCount"] == 5


def test_an_update_of_a_definition_sends_back_the_security_type_that_the_service_chose() -> None:
    planned, shown = stored_definition(DEFINITION_DOCUMENT, Random(1))
    shown["properties"]["features"] = [{"name": "securityType", "value": "Standard"}, {"name": "Other", "value": "1"}]
    metadata = metadata_for(owner(DEFINITION), planned)
    assert "features" not in definition_body(planned, metadata)["properties"]
    sent = definition_body(planned, metadata, shown)["properties"]["features"]
    assert sent == [{"name": "securityType", "value": "Standard"}]
    own = {**planned, "features": {"SecurityType": {"value": "TrustedLaunch"}}}
    sent = definition_body(own, metadata, shown)["properties"]["features"]
    assert sent == [{"name": "SecurityType", "value": "TrustedLaunch"}]


def test_what_is_no_longer_declared_is_reset() -> None:
    planned = planned_gallery(GALLERY_DOCUMENT)
    gallery = gallery_body(planned, TagMetadata())
    assert gallery["tags"] == {}
    assert gallery["properties"] == {
        "sharingProfile": {"permissions": "Private"},
        "softDeletePolicy": {"isSoftDeleteEnabled": False},
    }
    version = version_body(*planned_version(VERSION_DOCUMENT), TagMetadata())
    assert version["properties"]["safetyProfile"] == SAFE


@pytest.mark.parametrize(
    ("source", "profile"),
    [
        ({"file": "os.vhd"}, {"osDiskImage": {"source": {"uri": BLOBS["os"][0], "storageAccountId": ACCOUNT}}}),
        (
            {"vhd": {"uri": "https://a/b", "storageAccount": ACCOUNT}},
            {"osDiskImage": {"source": {"uri": "https://a/b", "storageAccountId": ACCOUNT}}},
        ),
        ({"disk": "/d"}, {"osDiskImage": {"source": {"id": "/d"}}}),
        ({"snapshot": "/s"}, {"osDiskImage": {"source": {"id": "/s"}}}),
        ({"managedImage": "/i"}, {"source": {"id": "/i"}}),
        ({"vm": "/v"}, {"source": {"virtualMachineId": "/v"}}),
        ({"version": "corp/ubuntu/0.9.0"}, {"source": {"id": version_id("corp/ubuntu/0.9.0")}}),
        ({"communityGalleryImage": "/c"}, {"source": {"communityGalleryImageId": "/c"}}),
    ],
)
def test_every_style_of_source_has_its_place(source: Attributes, profile: Body) -> None:
    assert storage_profile({"source": source}, vhd=BLOBS, version_id=version_id) == profile


def test_disks_are_sent_by_number_with_their_caching() -> None:
    disks = {
        "10": {"source": {"disk": "/ten"}},
        "9": {"source": {"file": "nine.vhd"}, "hostCaching": "None"},
    }
    attributes = {"source": {"snapshot": "/s"}, "hostCaching": "ReadOnly", "dataDisks": disks}
    nine = {"uri": BLOBS["data-9"][0], "storageAccountId": ACCOUNT}
    assert storage_profile(attributes, vhd=BLOBS, version_id=version_id) == {
        "osDiskImage": {"source": {"id": "/s"}, "hostCaching": "ReadOnly"},
        "dataDiskImages": [
            {"lun": 9, "source": nine, "hostCaching": "None"},
            {"lun": 10, "source": {"id": "/ten"}},
        ],
    }


@pytest.mark.parametrize(
    ("profile", "seen"),
    [
        ({}, {"source": {}}),
        ({"source": {"id": "/x/images/i"}}, {"source": {"managedImage": "/x/images/i"}}),
        ({"source": {"id": "/x/virtualMachines/v"}}, {"source": {"vm": "/x/virtualMachines/v"}}),
        ({"source": {"virtualMachineId": "/v"}, "dataDiskImages": [{"lun": 1}]}, {"source": {"vm": "/v"}}),
        ({"source": {"communityGalleryImageId": "/c"}}, {"source": {"communityGalleryImage": "/c"}}),
        (
            {
                "osDiskImage": {"source": {"id": "/x/SNAPSHOTS/s"}, "hostCaching": "ReadWrite"},
                "dataDiskImages": [
                    {"lun": 2, "source": {"id": "/x/disks/d"}, "hostCaching": "readonly"},
                    {"lun": 3, "source": {"uri": "https://a/b", "storageAccountId": "/a"}, "hostCaching": "none"},
                ],
            },
            {
                "source": {"snapshot": "/x/SNAPSHOTS/s"},
                "dataDisks": {
                    "2": {"source": {"disk": "/x/disks/d"}},
                    "3": {"source": {"vhd": {"uri": "https://a/b", "storageAccount": "/a"}}, "hostCaching": "None"},
                },
            },
        ),
    ],
)
def test_a_strangers_source_is_what_the_service_shows(profile: Body, seen: Attributes) -> None:
    read = version_attributes({"properties": {"storageProfile": profile}}, TagMetadata())
    assert {name: read[name] for name in ("source", "dataDisks") if name in read} == seen


@pytest.mark.parametrize(
    ("source", "shown", "same"),
    [
        ({"version": "corp/Ubuntu/0.9.0"}, {"source": {"id": version_id("CORP/ubuntu/0.9.0")}}, True),
        ({"version": "corp/ubuntu/0.9.0"}, {"source": {"id": version_id("corp/ubuntu/0.9.1")}}, False),
        ({"vm": "/x/virtualMachines/V"}, {"source": {"virtualMachineId": "/X/virtualmachines/v"}}, True),
        ({"vm": "/x/virtualMachines/V"}, {"source": {"id": "/x/virtualMachines/other"}}, False),
        ({"file": "os.vhd"}, {"osDiskImage": {"source": {"uri": "https://a/staged"}}}, True),
        (
            {"vhd": {"uri": "https://a/b", "storageAccount": "/a"}},
            {"osDiskImage": {"source": {"uri": "https://a/c"}}},
            False,
        ),
    ],
)
def test_the_planned_source_holds_unless_the_service_shows_another(source: Body, shown: Body, same: bool) -> None:
    metadata = TagMetadata(source=canonical_json({"source": source}))
    read = version_attributes({"properties": {"storageProfile": shown}}, metadata)
    assert (read["source"] == source) == same


def test_one_data_disk_of_another_source_makes_another_version() -> None:
    disks = {"1": {"source": {"disk": "/x/disks/one"}}, "2": {"source": {"file": "two.vhd"}}}
    metadata = TagMetadata(source=canonical_json({"source": {"file": "os.vhd"}, "dataDisks": disks}))

    def read(disk: str) -> Attributes:
        profile = {"dataDiskImages": [{"lun": 1, "source": {"id": disk}}, {"lun": 2, "source": {}}]}
        return version_attributes({"properties": {"storageProfile": profile}}, metadata)

    assert read("/X/disks/ONE")["dataDisks"] == disks
    assert read("/x/disks/three")["dataDisks"] == {"1": {"source": {"disk": "/x/disks/three"}}}


def test_a_strangers_region_inherits_from_its_version() -> None:
    profile = {
        "replicaCount": 3,
        "excludeFromLatest": True,
        "targetRegions": [
            {"name": "East US"},
            {"name": "UK South", "regionalReplicaCount": 2, "excludeFromLatest": False},
            {"name": "??"},
        ],
    }
    assert region_attributes({"properties": {"publishingProfile": profile}}, TagMetadata()) == {
        "eastus": {"replicas": 3, "excludeFromLatest": True},
        "uksouth": {"replicas": 2, "excludeFromLatest": False},
    }


def test_a_strangers_firmware_settings_are_seen() -> None:
    settings = {"signatureTemplateNames": ["nosignaturetemplate"], "additionalSignatures": {"pk": {"type": "X509"}}}
    body = {"properties": {"securityProfile": {"uefiSettings": settings}}}
    seen = {"signatureTemplateNames": ["NoSignatureTemplate"], "additionalSignatures": {"pk": {"type": "x509"}}}
    assert version_attributes(body, TagMetadata())["securityProfile"] == {"uefiSettings": seen}
    assert "securityProfile" not in version_attributes(body, TagMetadata(owner(VERSION)))


def test_what_is_declared_of_what_the_service_fills_in() -> None:
    gallery = {"description": "", "softDeletePolicy": {"isSoftDeleteEnabled": True, "gracePeriodInDays": 0}}
    assert declared(Kind.GALLERY, gallery) == {
        "description",
        "softDeletePolicy",
        "softDeletePolicy.gracePeriodInDays",
    }
    assert declared(Kind.IMAGE_DEFINITION, {"description": "x", "features": {"SecurityType": {}}}) == {
        "features.SecurityType"
    }
    zones = {"la1": {"name": "westus2", "extendedLocationReplicaCount": 1}}
    assert declared(Kind.IMAGE_VERSION, {"hostCaching": "None", "targetExtendedLocations": zones}) == {
        "hostCaching",
        "targetExtendedLocations.la1.extendedLocationReplicaCount",
    }
    assert declared(Kind.TARGET_REGION, {"replicas": 1}) == frozenset()

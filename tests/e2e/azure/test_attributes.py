"""Attributes of every kind, through the engine, on the emulator: created, observed, changed; and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.projects import MANIFEST, CloudProject, cloud_project
from support.azure.world import COMPUTE_ID, GROUP_ID
from support.estates import definition, gallery, version

from reconciler.drift.report import DriftKind, DriftSeverity
from reconciler.manifests.address import Address
from reconciler.providers.emulator.core.injected_faults import Fault

IMAGE, V1 = "corp/ubuntu", "corp/ubuntu/1.0.0"
VERSION_ID = f"{COMPUTE_ID}/galleries/corp/images/ubuntu/versions/1.0.0"
KEYS = f"{COMPUTE_ID}/diskEncryptionSets/Keys"


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def test_a_gallery_with_everything(project: CloudProject) -> None:
    identity = {
        "type": "SystemAssigned, UserAssigned",
        "userAssignedIdentities": [f"{GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/Id"],
    }
    policy = {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 30, "gracePeriodInDays": 7}
    full = gallery(description="one", tags={"Team": "a"}, identity=identity, softDeletePolicy=policy)
    assert project.apply_until_done(full) == {"corp": "create"}
    longer = {**policy, "retentionPeriodInDays": 31, "gracePeriodInDays": 8}
    changed = {**full, "description": "two", "tags": {"team": "b", "c": ""}, "softDeletePolicy": longer}
    assert project.apply_until_done(changed) == {"corp": "update"}
    bare = {name: value for name, value in full.items() if name in ("kind", "name", "location", "identity")}
    assert project.apply_until_done(bare) == {"corp": "update"}
    assert not project.drift().found


FULL_DEFINITION: dict[str, Any] = {
    "description": "one",
    "eula": "https://a.example/eula",
    "privacyStatementUri": "https://a.example/privacy",
    "releaseNoteUri": "https://a.example/notes",
    "endOfLifeDate": "2090-01-01T00:00:00+02:00",
    "recommended": {"vCPUs": {"min": 1, "max": 8}, "memory": {"min": 2}},
    "disallowed": {"diskTypes": ["Standard_LRS", "Premium_LRS"]},
    "purchasePlan": {"name": "gold", "publisher": "Contoso", "product": "Server"},
    "features": [
        {"name": "SecurityType", "value": "TrustedLaunch"},
        {"name": "DiskControllerTypes", "value": "nvme, scsi"},
        {"name": "IsHibernateSupported", "value": "true"},
        {"name": "IsAcceleratedNetworkSupported", "value": "False"},
    ],
    "tags": {"Team": "a"},
}


def test_a_definition_with_everything(project: CloudProject) -> None:
    full = definition(**FULL_DEFINITION)
    assert project.apply_until_done(gallery(), full)[IMAGE] == "create"
    changes: dict[str, Any] = {
        "description": "two",
        "releaseNoteUri": "https://a.example/later",
        "endOfLifeDate": "2091-01-01",
        "recommended": {"vCPUs": {"max": 16}, "memory": {"min": 4, "max": 64}},
        "tags": {"b": "c"},
    }
    assert project.apply_until_done(gallery(), {**full, **changes}) == {IMAGE: "update"}
    assert project.apply_until_done(gallery(), {**full, "recommended": {}, "tags": {}}) == {IMAGE: "update"}
    assert not project.drift().found


@pytest.mark.parametrize(
    "attributes",
    [
        {"hyperVGeneration": "V1", "architecture": "x64"},
        {"architecture": "Arm64", "osType": "Windows", "osState": "Specialized"},
        *(
            {"features": [{"name": "SecurityType", "value": value}]}
            for value in ("Standard", "TrustedLaunchSupported", "ConfidentialVmSupported", "ConfidentialVM")
        ),
    ],
)
def test_a_definition_of_another_nature(project: CloudProject, attributes: dict[str, Any]) -> None:
    changed = definition(**attributes, description="two")
    assert project.apply_until_done(gallery(), definition(**attributes))[IMAGE] == "create"
    assert project.apply_until_done(gallery(), changed) == {IMAGE: "update"}


FIRMWARE = {
    "uefiSettings": {
        "signatureTemplateNames": ["NoSignatureTemplate"],
        "additionalSignatures": {
            "pk": {"type": "x509", "value": ["cGs="]},
            "db": [{"type": "sha256", "value": ["Yg==", "YQ=="]}, {"type": "x509", "value": ["Yw=="]}],
        },
    }
}
EDGE = {"name": "westus", "extendedLocation": {"name": "microsoftlosangeles1"}, "extendedLocationReplicaCount": 2}
VERSIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dated": {"endOfLifeDate": "2090-06-01", "safety": {"blockDeletionBeforeEndOfLife": False}},
    "safe": {"safety": {"allowDeletionOfReplicatedLocations": True}},
    "premium": {"storageAccountType": "Premium_LRS", "replicaCount": 3},
    "by strategy": {"storageAccountStrategy": "DefaultStandard_LRS"},
    "excluded": {
        "excludeFromLatest": True,
        "targetRegions": ["eastus", {"name": "westus", "excludeFromLatest": False}],
    },
    "stored apart": {"targetRegions": ["East US=2=Premium_LRS", "westus=Standard_LRS"]},
    "further replicas": {
        "targetRegions": [
            {"name": "eastus", "additionalReplicaSets": [{"storageAccountType": "PremiumV2_LRS", "replicas": 2}]}
        ]
    },
    "encrypted": {
        "targetRegions": [
            {"name": region, "encryption": {"osDiskImage": {"diskEncryptionSetId": f"{KEYS}-{region}"}}}
            for region in ("eastus", "westus")
        ]
    },
    "firmware": {"securityProfile": FIRMWARE},
    "at the edge": {"targetExtendedLocations": [EDGE]},
    "shallow": {"replicationMode": "Shallow", "targetRegions": ["eastus"]},
}


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_with(project: CloudProject, name: str) -> None:
    source = {"snapshot": project.disk("os", kind="snapshots")}
    before = version(source, **VERSIONS[name])
    assert project.apply_until_done(gallery(), definition(), before)[V1] == "create"
    assert not project.drift().found
    after = {**before, "tags": {"Owner": "ada"}, "endOfLifeDate": "2095-01-01"}
    assert project.apply_until_done(gallery(), definition(), after) == {V1: "update"}
    assert not project.drift().found
    result = project.apply(destroy=True).result
    assert result is not None
    assert result.complete, result


def test_region_by_region_a_version_changes_in_place(project: CloudProject) -> None:
    source = {"snapshot": project.disk("os", kind="snapshots")}
    safe: dict[str, Any] = {"safety": {"allowDeletionOfReplicatedLocations": True}}
    project.apply_until_done(gallery(), definition(), version(source, **safe))
    regions = ["eastus=4", {"name": "northeurope", "excludeFromLatest": True, "storageAccountType": "Premium_LRS"}]
    done = project.apply_until_done(gallery(), definition(), version(source, **safe, targetRegions=regions))
    assert done == {f"{V1}@eastus": "update", f"{V1}@northeurope": "create", f"{V1}@westus": "delete"}


# What goes wrong, and what is said of it.


def test_a_region_that_somebody_took_away_is_critical(project: CloudProject) -> None:
    project.apply_until_done(gallery(), definition(), version({"snapshot": project.disk("os", kind="snapshots")}))
    safety = {"safetyProfile": {"allowDeletionOfReplicatedLocations": True}}
    project.world.call("PATCH", VERSION_ID, {"properties": safety})
    profile = {"publishingProfile": {"targetRegions": [{"name": "eastus"}]}}
    project.world.call("PATCH", VERSION_ID, {"properties": profile})
    report = project.drift()
    found = {str(one.address): (one.kind, one.severity) for one in report.drifts}
    assert found[f"{V1}@westus"] == (DriftKind.MISSING, DriftSeverity.CRITICAL)
    assert found[V1] == (DriftKind.CHANGED, DriftSeverity.WARNING)
    assert report.critical == 1
    assert project.apply_until_done() == {V1: "update", f"{V1}@westus": "create"}


def test_a_region_that_does_not_exist_is_told_while_planning(project: CloudProject) -> None:
    source = {"snapshot": f"{COMPUTE_ID}/snapshots/os"}
    told = project.refused(gallery(), definition(), version(source, targetRegions=["eastus", "norteurope"]))
    assert "has no region 'norteurope'" in told
    assert "did you mean 'northeurope'?" in told
    assert told.startswith(f"{MANIFEST}:")


def test_an_end_of_life_that_has_passed_is_told_while_planning(project: CloudProject) -> None:
    told = project.refused(gallery(), definition(endOfLifeDate="2020-01-01"))
    assert f"{MANIFEST}:" in told
    assert f"{IMAGE}: endOfLifeDate 2020-01-01T00:00:00Z has already passed" in told
    assert "set a date in the future" in told


GUARDED: dict[str, Any] = {"safety": {"blockDeletionBeforeEndOfLife": True}, "endOfLifeDate": "2090-01-01"}


def test_a_version_is_not_deleted_before_its_end_of_life(project: CloudProject) -> None:
    source = {"snapshot": project.disk("os", kind="snapshots")}
    project.apply_until_done(gallery(), definition(), version(source, **GUARDED))
    told = project.refused(gallery(), definition())
    rule = f"{V1}: safety.blockDeletionBeforeEndOfLife: it must not be deleted"
    assert f"{rule} before its end of life, 2090-01-01T00:00:00Z" in told
    assert "set safety.blockDeletionBeforeEndOfLife: false and apply that first" in told


def test_somebody_guards_a_version_between_plan_and_delete(project: CloudProject) -> None:
    source = {"snapshot": project.disk("os", kind="snapshots")}
    project.apply_until_done(gallery(), definition(), version(source))
    code = "DeleteGalleryImageVersionBlockedBeforeEndOfLife"
    refusal = Fault("error", method="DELETE", path="*/versions/*", status=409, code=code)
    project.world.emulator.service.faults.set([refusal])
    told = project.failure(gallery(), definition(), allow_loss=(V1,))
    assert V1 in told
    assert "set safety.blockDeletionBeforeEndOfLife: false and apply that" in told


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("QuotaExceeded", "remove what is not needed, or use another region or subscription"),
        ("PropertyChangeNotAllowed", "declare a new one, or allow its replacement"),
        ("LocationNotAvailableForResourceType", "use a region that the subscription offers"),
    ],
)
def test_a_refusal_of_the_service_is_told_with_address_and_remedy(
    project: CloudProject, code: str, remedy: str
) -> None:
    refusal = Fault("error", method="PUT", path="*/galleries/corp", status=409, code=code)
    project.world.emulator.service.faults.set([refusal])
    told = project.failure(gallery())
    assert told.startswith(f"{Address('corp')}: ")
    assert f"({code})" in told
    assert remedy in told


def test_the_quota_of_galleries_is_told(project: CloudProject) -> None:
    for number in range(100):
        project.world.call("PUT", f"{COMPUTE_ID}/galleries/g{number}", {"location": "eastus"})
    told = project.failure(gallery())
    assert "The limit of 100 galleries in location 'eastus' is reached" in told
    assert "use another region or subscription" in told
    project.apply_until_done({**gallery(), "location": "westus"})

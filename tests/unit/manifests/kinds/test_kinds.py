"""Documents by themselves: types and canonical attributes."""

from __future__ import annotations

import pytest

from reconciler.manifests.address import Address
from reconciler.manifests.resource import DEFAULT_LIFECYCLE, DriftException, OnRemove

GALLERY = Address("corp")
DEFINITION = Address("corp", "ubuntu")
VERSION = Address("corp", "ubuntu", "1.0.0")

GUID = "0000000-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/0{GUID}/resourceGroups/rg/providers"
SETS = f"{GROUP}/Microsoft.Compute/diskEncryptionSets/"
IDENTITIES = f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/a"


def attributes(manifest, address):
    return manifest.resources[address].attributes


def test_the_least_that_can_be_declared(load, base):
    manifest = load(*base)
    assert attributes(manifest, GALLERY) == {"location": "eastus", "sharing": {"permissions": "Private"}}
    assert attributes(manifest, DEFINITION) == {
        "location": "eastus",
        "osType": "Linux",
        "osState": "Generalized",
        "identifier": {"publisher": "Contoso", "offer": "Ubuntu", "sku": "24.10"},
        "hyperVGeneration": "V2",
        "architecture": "x64",
    }
    assert attributes(manifest, VERSION) == {
        "location": "eastus",
        "source": {"file": "manifests/images/ubuntu.vhd"},
        "replicaCount": 1,
        "excludeFromLatest": False,
        "replicationMode": "Full",
    }
    region = Address("corp", "ubuntu", "1.0.0", "eastus")
    assert attributes(manifest, region) == {"replicas": 1, "excludeFromLatest": False}
    assert manifest.resources[region].lifecycle is DEFAULT_LIFECYCLE
    assert {resource.provider for resource in manifest.resources.values()} == {"default"}


def test_everything_a_gallery_has(load):
    manifest = load(
        """\
kind: Gallery
name: corp
location: WEST EUROPE
description: Golden
tags: {b: '2', a: 1}
sharing: {permissions: groups, groups: {AADTenants: [1-0], Subscriptions: [A-0, 1-0, a-0]}}
softDeletePolicy: {isSoftDeleteEnabled: TRUE, retentionPeriodInDays: 30, gracePeriodInDays: 0}
identity: {type: 'systemassigned, userassigned', userAssignedIdentities: [/ids/id2, /ids/id1]}
""".replace("-0", GUID).replace("/ids/", IDENTITIES)
    )
    assert attributes(manifest, GALLERY) == {
        "location": "westeurope",
        "description": "Golden",
        "tags": {"a": "1", "b": "2"},
        "sharing": {
            "permissions": "Groups",
            "groups": {"AADTenants": [f"1{GUID}"], "Subscriptions": [f"1{GUID}", f"A{GUID}"]},
        },
        "softDeletePolicy": {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 30, "gracePeriodInDays": 0},
        "identity": {
            "type": "SystemAssigned, UserAssigned",
            "userAssignedIdentities": [f"{IDENTITIES}id1", f"{IDENTITIES}id2"],
        },
    }


def test_a_community_gallery(load):
    info = "{publisherUri: https://p, publisherContact: a@b, eula: e, publicNamePrefix: contoso}"
    manifest = load(
        f"kind: Gallery\nname: corp\nlocation: eastus\n"
        f"sharing: {{permissions: Community, communityGalleryInfo: {info}}}\n"
    )
    assert attributes(manifest, GALLERY)["sharing"] == {
        "permissions": "Community",
        "communityGalleryInfo": {
            "publisherUri": "https://p",
            "publisherContact": "a@b",
            "eula": "e",
            "publicNamePrefix": "contoso",
        },
    }


def test_everything_a_definition_has(load, base):
    manifest = load(
        base[0],
        base[1].replace("osType: Linux", "osType: linux")
        + """\
location: west us
hyperVGeneration: v1
architecture: X64
description: d
eula: e
privacyStatementUri: p
releaseNoteUri: r
endOfLifeDate: 2090-01-31
recommended: {vCPUs: {min: 1, max: 16}, memory: {min: 2}}
disallowed: {diskTypes: [Standard_LRS, Premium_LRS]}
purchasePlan: {name: n, publisher: p, product: q}
features:
- {name: securitytype, value: standard}
- {name: DiskControllerType, value: 'NVMe, SCSI', startsAtVersion: 1.2.3}
allowUpdateImage: true
tags: {}
""",
    )
    assert attributes(manifest, DEFINITION) == {
        "location": "westus",
        "osType": "Linux",
        "osState": "Generalized",
        "identifier": {"publisher": "Contoso", "offer": "Ubuntu", "sku": "24.10"},
        "hyperVGeneration": "V1",
        "architecture": "x64",
        "description": "d",
        "eula": "e",
        "privacyStatementUri": "p",
        "releaseNoteUri": "r",
        "endOfLifeDate": "2090-01-31T00:00:00Z",
        "recommended": {"vCPUs": {"min": 1, "max": 16}, "memory": {"min": 2}},
        "disallowed": {"diskTypes": ["Premium_LRS", "Standard_LRS"]},
        "purchasePlan": {"name": "n", "publisher": "p", "product": "q"},
        "features": {
            "SecurityType": {"value": "Standard"},
            "DiskControllerTypes": {"value": "SCSI, NVMe", "startsAtVersion": "1.2.3"},
        },
    }


def test_everything_a_version_has(load, base):
    manifest = load(
        *base[:2],
        """\
kind: ImageVersion
image: corp/ubuntu
name: 1.0.0
location: West US
source: {snapshot: /s/os}
hostCaching: readwrite
dataDisks:
- {lun: 10, source: {disk: /s/d10}, hostCaching: None}
- {lun: 2, source: {vhd: {uri: https://x/y.vhd, storageAccount: /acc}}}
targetRegions:
- name: westus
  replicas: 3
  storageAccountType: premium_lrs
  encryption:
    osDiskImage:
      diskEncryptionSetId: /des/w
      securityProfile: {confidentialVMEncryptionType: encryptedwithcmk, secureVMDiskEncryptionSetId: /des/c}
    dataDiskImages: [{lun: 2, diskEncryptionSetId: /des/w2}]
  additionalReplicaSets: [{storageAccountType: PremiumV2_LRS, replicas: 2}]
replicaCount: 2
excludeFromLatest: True
endOfLifeDate: '2090-01-31 10:00:00.5+02:00'
storageAccountStrategy: PreferStandard_ZRS
replicationMode: full
targetExtendedLocations:
- name: West US
  extendedLocation: {name: losangeles}
  extendedLocationReplicaCount: 1
  storageAccountType: StandardSSD_LRS
safety: {blockDeletionBeforeEndOfLife: true}
securityProfile:
  uefiSettings:
    signatureTemplateNames: [NoSignatureTemplate]
    additionalSignatures: {pk: {type: sha256, value: [b, a]}, db: [{type: x509, value: [z]}]}
restore: true
tags: {a: b}
""".replace("/des/", SETS).replace("/acc", ACCOUNT),
    )
    assert attributes(manifest, VERSION) == {
        "location": "westus",
        "source": {"snapshot": "/s/os"},
        "hostCaching": "ReadWrite",
        "dataDisks": {
            "10": {"source": {"disk": "/s/d10"}, "hostCaching": "None"},
            "2": {"source": {"vhd": {"uri": "https://x/y.vhd", "storageAccount": ACCOUNT}}},
        },
        "replicaCount": 2,
        "excludeFromLatest": True,
        "endOfLifeDate": "2090-01-31T08:00:00Z",
        "storageAccountStrategy": "PreferStandard_ZRS",
        "replicationMode": "Full",
        "targetExtendedLocations": {
            "losangeles": {
                "name": "westus",
                "extendedLocation": {"type": "EdgeZone"},
                "extendedLocationReplicaCount": 1,
                "storageAccountType": "StandardSSD_LRS",
            }
        },
        "safety": {"allowDeletionOfReplicatedLocations": False, "blockDeletionBeforeEndOfLife": True},
        "securityProfile": {
            "uefiSettings": {
                "signatureTemplateNames": ["NoSignatureTemplate"],
                "additionalSignatures": {
                    "pk": {"type": "sha256", "value": ["a", "b"]},
                    "db": [{"type": "x509", "value": ["z"]}],
                },
            }
        },
        "tags": {"a": "b"},
    }
    assert attributes(manifest, VERSION._replace(region="westus")) == {
        "replicas": 3,
        "excludeFromLatest": True,
        "storageAccountType": "Premium_LRS",
        "encryption": {
            "osDiskImage": {
                "diskEncryptionSetId": f"{SETS}w",
                "securityProfile": {
                    "confidentialVMEncryptionType": "EncryptedWithCmk",
                    "secureVMDiskEncryptionSetId": f"{SETS}c",
                },
            },
            "dataDiskImages": {"2": {"diskEncryptionSetId": f"{SETS}w2"}},
        },
        "additionalReplicaSets": {"PremiumV2_LRS": {"replicas": 2}},
    }


@pytest.mark.parametrize(
    ("source", "canonical"),
    [
        ("{file: ../images/a.vhd}", {"file": "images/a.vhd"}),
        ("{file: /srv/a.vhd}", {"file": "/srv/a.vhd"}),
        ("{disk: /d}", {"disk": "/d"}),
        ("{managedImage: /m}", {"managedImage": "/m"}),
        ("{vm: /v}", {"vm": "/v"}),
        ("{communityGalleryImage: /c}", {"communityGalleryImage": "/c"}),
    ],
)
def test_sources(load, base, source, canonical):
    manifest = load(*base[:2], base[2].replace("{file: images/ubuntu.vhd}", source))
    assert attributes(manifest, VERSION)["source"] == canonical


def test_source_versions_are_references(load, base):
    second = "kind: ImageVersion\nimage: corp/ubuntu\nname: 1.0.1\nsource: {version: corp/ubuntu/1.0.0}\n"
    third = "kind: ImageVersion\nimage: corp/ubuntu\nname: 1.0.2\nsource: {version: corp/ubuntu/latest}\n"
    manifest = load(*base, second, third)
    assert manifest.resources[VERSION].references == ()
    assert manifest.resources[VERSION._replace(version="1.0.1")].references == (VERSION,)
    assert manifest.resources[VERSION._replace(version="1.0.2")].references == (DEFINITION,)
    assert attributes(manifest, VERSION._replace(version="1.0.2"))["source"] == {"version": "corp/ubuntu/latest"}


def test_target_regions_in_every_form(load, base):
    europe = "[North Europe=2, westeurope, uksouth=Standard_ZRS]"
    project = f"project: p\nprovider: {{type: local, root: r}}\nregionSets: {{europe: {europe}}}\n"
    manifest = load(
        *base[:2],
        base[2]
        + "replicaCount: 4\nstorageAccountType: standard_lrs\ntargetRegions:\n"
        + "- East US=3=premium_lrs\n- westus=Standard_ZRS\n- '@europe'\n- {name: centralus, excludeFromLatest: true}\n",
        project=project,
    )
    regions = {
        address.region: tuple(resource.attributes.values())
        for address, resource in manifest.resources.items()
        if address.region
    }
    assert regions == {
        "centralus": (True, 4, "Standard_LRS"),
        "eastus": (False, 3, "Premium_LRS"),
        "northeurope": (False, 2, "Standard_LRS"),
        "uksouth": (False, 4, "Standard_ZRS"),
        "westeurope": (False, 4, "Standard_LRS"),
        "westus": (False, 4, "Standard_ZRS"),
    }
    assert list(regions) == sorted(regions)


def test_a_region_set_with_settings_of_its_own(load, base):
    project = "project: p\nprovider: {type: local, root: r}\nregionSets: {us: [eastus=2, westus]}\n"
    manifest = load(
        *base[:2],
        base[2] + "targetRegions: [{name: '@us', replicas: 5, excludeFromLatest: true}]\n",
        project=project,
    )
    assert attributes(manifest, VERSION._replace(region="eastus")) == {"replicas": 5, "excludeFromLatest": True}
    assert attributes(manifest, VERSION._replace(region="westus")) == {"replicas": 5, "excludeFromLatest": True}


def test_version_defaults(load, base):
    defaults = (
        "versionDefaults: {targetRegions: [eastus=2, westus], replicaCount: 3, storageAccountType: Premium_LRS,"
        " excludeFromLatest: true, tags: {a: b}, safety: {allowDeletionOfReplicatedLocations: true}}\n"
    )
    own = base[2].replace("1.0.0", "1.0.1") + (
        "targetRegions: [eastus]\ntags: {c: d}\nexcludeFromLatest: false\nstorageAccountStrategy: PreferStandard_ZRS\n"
    )
    manifest = load(base[0], base[1] + defaults, base[2], own)
    inherited = attributes(manifest, VERSION)
    assert inherited["replicaCount"] == 3
    assert inherited["tags"] == {"a": "b"}
    assert inherited["safety"]["allowDeletionOfReplicatedLocations"] is True
    west = attributes(manifest, VERSION._replace(region="westus"))
    assert west == {"replicas": 3, "excludeFromLatest": True, "storageAccountType": "Premium_LRS"}
    second = VERSION._replace(version="1.0.1")
    assert attributes(manifest, second)["tags"] == {"c": "d"}
    assert attributes(manifest, second)["storageAccountStrategy"] == "PreferStandard_ZRS"
    assert "storageAccountType" not in attributes(manifest, second)
    assert attributes(manifest, second._replace(region="eastus")) == {"replicas": 3, "excludeFromLatest": False}
    assert second._replace(region="westus") not in manifest.resources


def test_the_provider_comes_from_the_gallery(load, base):
    project = "project: p\nproviders: {lab: {type: local, root: r}, default: {type: local, root: r}}\n"
    manifest = load(base[0] + "provider: lab\n", *base[1:], project=project)
    assert {resource.provider for resource in manifest.resources.values()} == {"lab"}


def test_lifecycle(load, base):
    lifecycle = """\
targetRegions: [eastus, westus]
lifecycle:
  protect: true
  onRemove: Retain
  allowReplace: true
  ignoreChanges: [tags.owner, targetRegions.replicas, targetRegions.westus.excludeFromLatest]
  ignoreDrift: [tags, {attribute: targetRegions.replicas, reason: autoscaled, until: 2030-01-01}]
"""
    manifest = load(*base[:2], base[2] + lifecycle)
    version = manifest.resources[VERSION].lifecycle
    assert (version.protect, version.on_remove, version.allow_replace) == (True, OnRemove.RETAIN, True)
    assert version.ignore_changes == ("tags.owner",)
    assert version.ignore_drift == (DriftException("tags"),)
    east = manifest.resources[VERSION._replace(region="eastus")].lifecycle
    west = manifest.resources[VERSION._replace(region="westus")].lifecycle
    assert east.protect
    assert east.ignore_changes == ("replicas",)
    assert west.ignore_changes == ("excludeFromLatest", "replicas")
    assert east.ignore_drift == (DriftException("replicas", "autoscaled", "2030-01-01T00:00:00Z"),)


def test_moves_and_removals(load, base):
    manifest = load(
        *base,
        "kind: Moved\nfrom: corp/old\nto: corp/ubuntu\n",
        "kind: Removed\naddress: corp/gone/1.0.0@West US\n",
        "kind: Removed\naddress: corp/gone\ndestroy: true\n",
    )
    (move,) = manifest.moves
    assert (move.source, move.target) == (Address("corp", "old"), DEFINITION)
    assert [(str(removal.address), removal.destroy) for removal in manifest.removals] == [
        ("corp/gone", True),
        ("corp/gone/1.0.0@westus", False),
    ]

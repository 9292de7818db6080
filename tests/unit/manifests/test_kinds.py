"""Documents by themselves: types, canonical attributes, and what each refuses."""

from __future__ import annotations

import pytest

from manifests.address import Address
from manifests.resource import DEFAULT_LIFECYCLE, DriftException, OnRemove

GALLERY = Address("corp")
DEFINITION = Address("corp", "ubuntu")
VERSION = Address("corp", "ubuntu", "1.0.0")


def attributes(manifest, address):
    return manifest.resources[address].attributes


def only(diagnostics):
    assert len(diagnostics) == 1, [str(diagnostic) for diagnostic in diagnostics]
    return diagnostics[0]


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
sharing: {permissions: groups, groups: {AADTenants: [t], Subscriptions: [s2, s1, s2]}}
softDeletePolicy: {isSoftDeleteEnabled: TRUE, retentionPeriodInDays: 30, gracePeriodInDays: 0}
identity: {type: 'systemassigned, userassigned', userAssignedIdentities: [id2, id1]}
"""
    )
    assert attributes(manifest, GALLERY) == {
        "location": "westeurope",
        "description": "Golden",
        "tags": {"a": "1", "b": "2"},
        "sharing": {"permissions": "Groups", "groups": {"AADTenants": ["t"], "Subscriptions": ["s1", "s2"]}},
        "softDeletePolicy": {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 30, "gracePeriodInDays": 0},
        "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": ["id1", "id2"]},
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
- {lun: 2, source: {vhd: {uri: https://x/y.vhd, storageAccount: /s/a}}}
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
""",
    )
    assert attributes(manifest, VERSION) == {
        "location": "westus",
        "source": {"snapshot": "/s/os"},
        "hostCaching": "ReadWrite",
        "dataDisks": {
            "10": {"source": {"disk": "/s/d10"}, "hostCaching": "None"},
            "2": {"source": {"vhd": {"uri": "https://x/y.vhd", "storageAccount": "/s/a"}}},
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
                "diskEncryptionSetId": "/des/w",
                "securityProfile": {
                    "confidentialVMEncryptionType": "EncryptedWithCmk",
                    "secureVMDiskEncryptionSetId": "/des/c",
                },
            },
            "dataDiskImages": {"2": {"diskEncryptionSetId": "/des/w2"}},
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
    project = (
        "project: p\nprovider: {type: x}\nregionSets: {europe: [North Europe=2, westeurope, uksouth=Standard_ZRS]}\n"
    )
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
    project = "project: p\nprovider: {type: x}\nregionSets: {us: [eastus=2, westus]}\n"
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
    project = "project: p\nproviders: {lab: {type: local}, default: {type: x}}\n"
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


@pytest.mark.parametrize(
    ("document", "address", "place", "says", "remedy"),
    [
        ("kind: Galery\n", None, "7:1", "the kind 'Galery' is unknown", "did you mean 'Gallery'?"),
        ("kind: [x]\n", None, "7:1", "kind must be a word", "Gallery"),
        ("name: x\n", None, "7:1", "has no kind", "ImageDefinition"),
        ("- x\n", None, "7:1", "must be a mapping, not a list", "kind: KIND"),
        ("hello\n", None, "7:1", "must be a mapping, not a text", "kind: KIND"),
        (
            "kind: Gallery\nname: a\nlocaton: x\nlocation: b\n",
            "a",
            "9:1",
            "'locaton' is unknown",
            "did you mean 'location'?",
        ),
        ("kind: Gallery\nname: a\n", "a", "7:1", "location: is missing", "add it"),
        ("kind: Gallery\nname: a\nlocation: [b]\n", "a", "9:1", "must be the name of a region, not a list", ""),
        ("kind: Gallery\nname: a\nlocation: '!'\n", "a", "9:1", "not the name of a region", "East US"),
        ("kind: Gallery\nname: a\nlocation: b\ntags: x\n", "a", "10:1", "must be a mapping, not a text", ""),
        ("kind: Gallery\nname: a\nlocation: b\ntags: {a: [b]}\n", "a", "10:8", "must be a text, not a list", ""),
        ("kind: Gallery\nname: a-b\nlocation: b\n", "a-b", "8:1", "cannot name a gallery", "no '-'"),
        ("kind: Gallery\nname: a_\nlocation: b\n", "a_", "8:1", "cannot name a gallery", "ending with a letter"),
    ],
)
def test_gallery_faults(faults, document, address, place, says, remedy):
    found = only(faults("kind: Gallery\nname: corp\nlocation: x\n\n\n", document))
    assert str(found.position) == f"manifests/a.yaml:{place}"
    assert says in found.summary
    assert remedy in found.detail
    assert (str(found.address) if found.address else None) == address
    assert found.line


@pytest.mark.parametrize(
    ("old", "new", "place", "says", "remedy"),
    [
        ("osType: Linux", "osType: Linx", "8:1", "osType: 'Linx' is not allowed", "did you mean 'Linux'?"),
        ("osState: Generalized\n", "", "5:1", "osState: is missing", "add it"),
        ("sku: 24.10", "sku: 'a b'", "10:49", "identifier.sku: 'a b' is not allowed", "not ending in '.'"),
        ("sku: 24.10", "sku: 'a.'", "10:49", "identifier.sku", "not ending in '.'"),
        ("offer: Ubuntu", f"offer: {'x' * 65}", "10:34", "too long: 65 characters", "at most 64"),
        ("name: ubuntu", "name: -x", "7:1", "cannot name an image definition", "beginning and ending"),
        ("name: ubuntu", "name: latest", "7:1", "cannot name an image definition", ""),
        ("osType", "recommended: {memory: {min: x}}\nosType", "8:24", "'x' is not a whole number", "decimal digits"),
        ("osType", "recommended: {memory: {min: 010}}\nosType", "8:24", "'010' is not", "leading zeros"),
        ("osType", "recommended: {memory: {min: 1.0}}\nosType", "8:24", "'1.0' is not a whole", "decimal"),
        ("osType", "recommended: {memory: {min: 5000000000}}\nosType", "8:24", "out of range", "2147483647"),
        ("osType", "recommended: {vCPUs: {min: 4, max: 2}}\nosType", "8:15", "min 4 is greater than max 2", "at most"),
        ("osType", "endOfLifeDate: tomorrow\nosType", "8:1", "'tomorrow' is not a date", "2030-01-31"),
        ("osType", "endOfLifeDate: 2030-02-30\nosType", "8:1", "not a date of the calendar", "check"),
        ("osType", "endOfLifeDate: 0001-01-01T00:00:00+14:00\nosType", "8:1", "not a date of the calendar", ""),
        ("osType", "features: [{name: SecurtyType, value: x}]\nosType", "8:13", "not a known", "'SecurityType'"),
        ("osType", "features: [{name: SecurityType, value: Trusted}]\nosType", "8:12", "not allowed", "TrustedLaunch"),
        ("osType", "allowUpdateImage: yes\nosType", "8:1", "'yes' is neither true nor false", "true, false"),
        (
            "osType",
            "features: [{name: IsHibernateSupported, value: true}, {name: ishibernatesupported, value: false}]\nosType",
            "8:1",
            "two entries have the name IsHibernateSupported",
            "merge them",
        ),
    ],
)
def test_definition_faults(faults, base, old, new, place, says, remedy):
    found = only(faults(base[0], base[1].replace(old, new, 1)))
    assert says in found.summary
    assert remedy in found.detail
    assert str(found.position) == f"manifests/a.yaml:{place}"


@pytest.mark.parametrize(
    ("old", "new", "says", "remedy"),
    [
        ("name: 1.0.0", "name: 1.0", "'1.0' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: 1", "'1' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: v1.2.3", "'v1.2.3' is not a version number", "did you mean 1.2.3?"),
        ("name: 1.0.0", "name: 1.0.0.4", "'1.0.0.4' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: 01.0.0", "'01.0.0' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: 1.0.2147483648", "is not a version number", "did you mean 1.0.2147483647?"),
        ("name: 1.0.0", f"name: {'9' * 5000}.0.0", "is not a version number", "three whole numbers"),
        ("name: 1.0.0", "name: latest", "'latest' is not a version number", "Major.Minor.Patch"),
        ("image: corp/ubuntu", "image: corp", "'corp' is not an address", "GALLERY/DEFINITION"),
        ("{file: images/ubuntu.vhd}", "{file: a, disk: b}", "source: names file, disk at once", "exactly one of file"),
        ("{file: images/ubuntu.vhd}", "{}", "source: names nothing", "exactly one of file"),
        ("{file: images/ubuntu.vhd}", "x.vhd", "source: must be a mapping, not a text", "keys: file"),
        ("{file: images/ubuntu.vhd}", "{file: ''}", "source.file: '' is not allowed", "relative to this file"),
        ("{file: images/ubuntu.vhd}", "{fiel: a}", "the key 'fiel' is unknown", "did you mean 'file'?"),
        ("{file: images/ubuntu.vhd}", "{vhd: {uri: https://a/b}}", "source.vhd.storageAccount: is missing", ""),
        ("{file: images/ubuntu.vhd}", "{version: corp/ubuntu}", "is not an address", "GALLERY/DEFINITION/latest"),
        ("source", "targetRegions: [eastus=1=2]\nsource", "'eastus=1=2' is not a target region", "count stands before"),
        ("source", "targetRegions: [eastus=x=2]\nsource", "is not a target region", "count stands before"),
        ("source", "targetRegions: [a=1=b=c]\nsource", "is not a target region", "REGION[=COUNT][=STORAGE]"),
        ("source", "targetRegions: [eastus=101]\nsource", "targetRegions[0].replicas: 101 is out", "1 to 100"),
        ("source", "targetRegions: [eastus=0]\nsource", "targetRegions[0].replicas: 0 is out", "1 to 100"),
        ("source", "targetRegions: [eastus=-1]\nsource", "targetRegions[0].replicas: -1 is out", "1 to 100"),
        ("source", "targetRegions: [eastus=Premum_LRS]\nsource", "'Premum_LRS' is not allowed", "'Premium_LRS'?"),
        ("source", "targetRegions: [[a]]\nsource", "targetRegions[0]: is not a target region", "REGION"),
        ("source", "targetRegions: ['@']\nsource", "'@' names no region set", "@NAME"),
        ("source", "targetRegions: [{replicas: 1}]\nsource", "targetRegions[0].name: is missing", ""),
        ("source", "replicaCount: 0\nsource", "replicaCount: 0 is out of range", "1 to 100"),
        (
            "source",
            "dataDisks: [{lun: 1, source: {file: a}}, {lun: 1, source: {file: b}}]\nsource",
            "two entries have the lun 1",
            "lun of its own",
        ),
        ("source", "dataDisks: [{lun: 1, source: {vm: a}}]\nsource", "the key 'vm' is unknown", "allowed: file"),
        ("source", "lifecycle: {onRemove: keep}\nsource", "'keep' is not allowed", "delete, retain"),
        ("source", "lifecycle: {ignoreChanges: ['a b']}\nsource", "'a b' is not allowed", "tags.owner"),
    ],
)
def test_version_faults(faults, base, old, new, says, remedy):
    found = faults(*base[:2], base[2].replace(old, new, 1))[0]
    assert says in found.summary
    assert remedy in found.detail
    assert found.position.line > 10


def test_a_signature_is_refused_and_never_shown(faults, base):
    source = "{vhd: {uri: 'https://a/b.vhd?sv=2020&sig=c2VjcmV0', storageAccount: /a}}"
    found = only(faults(*base[:2], base[2].replace("{file: images/ubuntu.vhd}", source)))
    assert "no shared access signature" in found.detail.replace("no query, ", "")
    assert "c2VjcmV0" not in str(found)
    assert "sig=***" in found.line


INFO = "publisherUri: a, publisherContact: b, eula: c"


@pytest.mark.parametrize(
    ("sharing", "says"),
    [
        ("permissions: Community", "needs communityGalleryInfo"),
        (
            f"permissions: Groups, communityGalleryInfo: {{{INFO}, publicNamePrefix: contoso}}",
            "community galleries only",
        ),
        ("groups: {Subscriptions: [a]}", "directly shared galleries only"),
        (f"permissions: Groups, groups: {{Subscriptions: [{', '.join(map(str, range(31)))}]}}", "31 subscriptions"),
        ("permissions: Groups, groups: {AADTenants: [a, b, c, d, e, f]}", "6 tenants are too many"),
        (f"permissions: Community, communityGalleryInfo: {{{INFO}, publicNamePrefix: x-y}}", "'x-y' is not allowed"),
    ],
)
def test_sharing_faults(faults, sharing, says):
    found = only(faults(f"kind: Gallery\nname: corp\nlocation: x\nsharing: {{{sharing}}}\n"))
    assert says in found.summary
    assert found.position.line == 4


def test_identities_must_fit_their_type(faults):
    found = only(faults("kind: Gallery\nname: corp\nlocation: x\nidentity: {type: UserAssigned}\n"))
    assert "do not fit" in found.summary


def test_all_faults_come_at_once_in_file_order(faults):
    found = faults("kind: Gallery\nname: a-\nlocation: '?'\nfoo: 1\n", "kind: Nothing\n", "a: b\na: c\n")
    places = [(one.position.line, one.position.column) for one in found]
    assert places == sorted(places)
    assert len(found) == 6

"""Hypothesis strategies for documents that are valid together, with everything that a document can say."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from support.manifest_files import load_manifest

from reconciler.manifests.manifest import Manifest

Document = dict[str, Any]

REGIONS = {
    "eastus": "East US",
    "westus2": "West US 2",
    "uksouth": "UK South",
    "australiacentral2": "Australia Central 2",
}
"""Canonical name -> the name that the service answers with."""

STORAGE = ("Standard_LRS", "Standard_ZRS", "Premium_LRS", "PremiumV2_LRS")
CACHING = ("None", "ReadOnly", "ReadWrite")
SUPPORTED = ("Standard", "TrustedLaunchSupported", "ConfidentialVmSupported", "TrustedLaunchAndConfidentialVmSupported")
GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Images-Rg/providers/Microsoft.Compute"
ACCOUNT = GROUP.replace("Compute", "Storage") + "/storageAccounts/vhds"

texts = st.text("aZ é:{}#'\"\\\n漢", max_size=12)
some_text = st.text("aZ09 é:-", min_size=1, max_size=12).map(lambda text: f"x{text}x")
tags = st.dictionaries(st.text("aBc-_. é", min_size=1, max_size=8), st.text("xyZ0. =/:é", max_size=30), max_size=5).map(
    lambda found: {name: value for name, value in found.items() if name == min(_alike(name, found))}
)
moments = st.one_of(
    st.dates().filter(lambda day: 1 < day.year < 9999).map(str),
    st.datetimes().filter(lambda moment: 1 < moment.year < 9999).map(lambda moment: f"{moment.isoformat()}+02:00"),
)
letters = st.text("Ab9._-", min_size=1, max_size=8).map(lambda text: f"{text}x")
guids = st.uuids().flatmap(lambda one: st.sampled_from([str(one), str(one).upper()]))


def _alike(name: str, names: Mapping[str, str]) -> list[str]:
    return [other for other in names if other.lower() == name.lower()]


def any_case(word: str) -> st.SearchStrategy[str]:
    return st.sampled_from([word, word.lower(), word.upper()])


def one_of(words: Sequence[str]) -> st.SearchStrategy[str]:
    """One of some words in some case."""
    return st.sampled_from(words).flatmap(any_case)


def objects(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """An object with some of the members."""
    return st.fixed_dictionaries({}, optional=members)


def lists(members: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(members, max_size=3)


def arm_id(kind: str, names: Sequence[str] = ("one", "Two", "THREE")) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{GROUP}/{kind}/{name}" for name in names])


identity_ids = arm_id("userAssignedIdentities").map(lambda one: one.replace(".Compute", ".ManagedIdentity"))


@st.composite
def galleries(draw: st.DrawFn) -> Document:
    sharing: Document = draw(
        st.one_of(
            st.just({}),
            st.builds(lambda word: {"permissions": word}, one_of(["Private", "Groups"])),
            st.fixed_dictionaries(
                {
                    "permissions": st.just("Groups"),
                    "groups": objects(Subscriptions=lists(guids), AADTenants=lists(guids)),
                }
            ),
            st.fixed_dictionaries(
                {
                    "permissions": st.just("Community"),
                    "communityGalleryInfo": st.fixed_dictionaries(
                        {"publisherUri": some_text, "publisherContact": some_text, "eula": some_text}
                        | {"publicNamePrefix": st.just("Contoso1")}
                    ),
                }
            ),
        )
    )
    identity: st.SearchStrategy[Document] = st.one_of(
        st.builds(lambda word: {"type": word}, one_of(["None", "SystemAssigned"])),
        st.builds(
            lambda word, ids: {"type": word, "userAssignedIdentities": ids},
            one_of(["UserAssigned", "SystemAssigned, UserAssigned"]),
            st.lists(identity_ids, min_size=1, max_size=3),
        ),
    )
    policy = st.fixed_dictionaries(
        {"isSoftDeleteEnabled": st.just(True)},
        optional={"retentionPeriodInDays": st.integers(1, 60), "gracePeriodInDays": st.integers(0, 60)},
    ) | st.just({"isSoftDeleteEnabled": False})
    more = draw(objects(description=texts, tags=tags, softDeletePolicy=policy, identity=identity))
    return {
        "kind": "Gallery",
        "name": "corp",
        "location": "East US",
        **({"sharing": sharing} if sharing else {}),
        **more,
    }


@st.composite
def definitions(draw: st.DrawFn) -> Document:
    security = one_of(SUPPORTED) if draw(st.booleans()) else st.just("Standard")
    generation = draw(st.sampled_from([None, "v2", "V1"]))
    values = {
        "SecurityType": st.just("Standard") if generation == "V1" else security,
        "IsHibernateSupported": one_of(["True", "False"]),
        "IsAcceleratedNetworkSupported": one_of(["True", "False"]),
        "DiskControllerTypes": st.sampled_from(["scsi", "NVMe", "NVMe, SCSI", "SCSI,NVMe"]),
    }
    features = [
        {"name": draw(any_case(name)), "value": draw(values[name])}
        | draw(objects(startsAtVersion=st.sampled_from(["1.0.0", "2.10.0"])))
        for name in draw(st.lists(st.sampled_from(sorted(values)), unique=True, max_size=4))
    ]
    ranges = st.one_of(
        st.builds(lambda number: {"min": number}, st.integers(1, 9)),
        st.builds(lambda number: {"min": number, "max": number + 3}, st.integers(1, 9)),
        st.just({}),
    )
    more = draw(
        objects(
            architecture=one_of(["x64", "Arm64"]),
            description=texts,
            eula=texts,
            privacyStatementUri=texts,
            releaseNoteUri=texts,
            endOfLifeDate=moments,
            recommended=objects(vCPUs=ranges, memory=ranges),
            disallowed=st.builds(lambda types: {"diskTypes": types}, lists(one_of(STORAGE))),
            purchasePlan=st.fixed_dictionaries({"name": some_text}, optional={"publisher": some_text}),
            tags=tags,
        )
    )
    return {
        "kind": "ImageDefinition",
        "gallery": "corp",
        "name": "ubuntu",
        "osType": draw(one_of(["Linux", "Windows"])),
        "osState": draw(one_of(["Generalized", "Specialized"])),
        "identifier": {"publisher": draw(letters), "offer": draw(letters), "sku": draw(letters)},
        **({"hyperVGeneration": generation} if generation else {}),
        **({"features": features} if features else {}),
        **more,
    }


@st.composite
def sources(draw: st.DrawFn) -> Document:
    """The source and the disks of a version."""
    styles = {
        "file": "../images/Os.vhd",
        "vhd": {"uri": "https://vhds.blob.core.windows.net/images/Os.vhd", "storageAccount": ACCOUNT},
        "disk": f"{GROUP}/disks/Os",
        "snapshot": f"{GROUP}/snapshots/Os",
    }
    style = draw(st.sampled_from([*styles, "managedImage", "vm", "version", "communityGalleryImage"]))
    wholes = {
        "managedImage": draw(st.sampled_from([f"{GROUP}/images/Base", f"{GROUP}/galleries/g/images/i/versions/1.0.0"])),
        "vm": f"{GROUP}/virtualMachines/Golden",
        "version": "corp/ubuntu/0.9.0",
        "communityGalleryImage": "/CommunityGalleries/Contoso-1/Images/Base/Versions/1.0.0",
    }
    if style in wholes:
        return {"source": {style: wholes[style]}}
    disks = [
        {"lun": lun, "source": {draw(st.just("snapshot") | st.just("disk")): f"{GROUP}/snapshots/Data{lun}"}}
        | draw(objects(hostCaching=one_of(CACHING)))
        for lun in draw(st.lists(st.integers(0, 63), unique=True, max_size=3))
    ]
    if draw(st.booleans()):
        disks.append({"lun": 70, "source": {"file": "../images/data.vhd"}})
    return {"source": {style: styles[style]}, **({"dataDisks": disks} if disks else {})} | draw(
        objects(hostCaching=one_of(CACHING))
    )


def keys_in(region: str) -> st.SearchStrategy[Document]:
    """Keys for the OS disk, always all of them, as every region needs the same."""
    return arm_id("diskEncryptionSets", [f"{region}-A", f"{region}-b"]).map(
        lambda key: {
            "osDiskImage": {
                "diskEncryptionSetId": key,
                "securityProfile": {
                    "confidentialVMEncryptionType": "encryptedwithcmk",
                    "secureVMDiskEncryptionSetId": key + "-vm",
                },
            }
        }
    )


@st.composite
def target_regions(draw: st.DrawFn, encrypted: bool) -> list[Any]:
    names = ["eastus", *draw(st.lists(st.sampled_from([*REGIONS][1:]), unique=True))]
    found: list[Any] = []
    for name in draw(st.permutations(names)):
        spelled = draw(st.sampled_from([name, REGIONS[name], name.upper()]))
        more = draw(
            objects(
                replicas=st.integers(1, 9),
                excludeFromLatest=st.booleans(),
                storageAccountType=one_of(STORAGE),
                additionalReplicaSets=st.just([{"storageAccountType": "premiumv2_lrs", "replicas": 3}]),
            )
        )
        keys = {"encryption": draw(keys_in(name))} if encrypted else {}
        found.append({"name": spelled, **more, **keys} if more or keys else spelled)
    return found


uefi_keys = st.fixed_dictionaries(
    {"type": one_of(["sha256", "x509"]), "value": lists(st.sampled_from(["QQ==", "b+/Z"]))}
)
security_profiles = st.fixed_dictionaries(
    {
        "uefiSettings": objects(
            signatureTemplateNames=lists(one_of(["NoSignatureTemplate", "MicrosoftWindowsTemplate"])),
            additionalSignatures=objects(pk=uefi_keys, kek=lists(uefi_keys), db=lists(uefi_keys), dbx=lists(uefi_keys)),
        )
    }
)


def edge_zones(encrypted: bool) -> st.SearchStrategy[list[Document]]:
    return st.lists(st.sampled_from(["losAngeles1", "new.york"]), unique=True).flatmap(
        lambda names: st.tuples(*(_edge_zone(name, encrypted) for name in names)).map(list)
    )


def _edge_zone(name: str, encrypted: bool) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(
        {"name": one_of(["West US 2"]), "extendedLocation": st.just({"name": name})}
        | ({"encryption": keys_in(name)} if encrypted else {}),
        optional={
            "extendedLocationReplicaCount": st.integers(1, 9),
            "storageAccountType": one_of(["StandardSSD_LRS", "Premium_LRS"]),
        },
    )


@st.composite
def versions(draw: st.DrawFn) -> Document:
    made_from = draw(sources())
    encrypted = "snapshot" in made_from["source"] and draw(st.booleans())
    more = draw(
        objects(
            replicaCount=st.integers(1, 9),
            excludeFromLatest=st.booleans(),
            endOfLifeDate=moments,
            targetExtendedLocations=edge_zones(encrypted),
            safety=objects(
                allowDeletionOfReplicatedLocations=st.booleans(), blockDeletionBeforeEndOfLife=st.booleans()
            ),
            securityProfile=security_profiles,
            tags=tags,
        )
    )
    storage = draw(
        st.one_of(
            st.just({}),
            st.builds(lambda word: {"storageAccountType": word}, one_of(STORAGE)),
            st.builds(
                lambda word: {"storageAccountStrategy": word}, one_of(["PreferStandard_ZRS", "DefaultStandard_LRS"])
            ),
        )
    )
    if draw(st.booleans()) or encrypted:
        more["targetRegions"] = draw(target_regions(encrypted))
    elif draw(st.booleans()):
        more |= {"replicationMode": draw(any_case("Shallow")), "replicaCount": 1}
    return {"kind": "ImageVersion", "image": "corp/ubuntu", "name": "1.0.0", **made_from, **storage, **more}


EARLIER = {
    "kind": "ImageVersion",
    "image": "corp/ubuntu",
    "name": "0.9.0",
    "source": {"file": "../images/earlier.vhd"},
}


def load(*documents: Document) -> Manifest:
    """The manifest that these documents make. Raises: ManifestError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifests").mkdir()
        (folder / "reconciler.yaml").write_text("project: test\nprovider: {type: local, root: regions}\n")
        text = "\n---\n".join(json.dumps(document, ensure_ascii=False) for document in documents)
        (folder / "manifests" / "all.yaml").write_text(text, "utf-8")
        return load_manifest(folder, None)

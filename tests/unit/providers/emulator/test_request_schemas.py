"""What the service says that it takes, in its OpenAPI description, is what its handlers read and enforce.

The bodies below make the handlers read every property that they know. What is read is recorded, and compared with the
schema in both directions; then every property is sent once with a value that its schema does not allow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support.azure.emulated_service import DEFINITION, GROUP, SUBSCRIPTION, Emulated, emulated_service

from reconciler.providers.emulator.assembly import all_handlers
from reconciler.providers.emulator.core.arm import ArmError
from reconciler.providers.emulator.core.json_schema import TEXT, Schema

KEY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/keys/providers/Microsoft.Compute/diskEncryptionSets/key"
ACCOUNT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/data"
BLOB = {"uri": "https://data.blob.example/vhds/os.vhd", "storageAccountId": ACCOUNT}
NIC = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/networkInterfaces/nic"
PUBLISHER = {"publisherUri": "https://a", "publisherContact": "a@a", "eula": "e", "publicNamePrefix": "open1"}
MARKETPLACE = {"publisher": "Canonical", "offer": "ubuntu", "sku": "server"}
REFERENCES: Sequence[Mapping[str, Any]] = ({"id": "/x"}, MARKETPLACE)
SECURITY_TYPE = {"name": "SecurityType", "startsAtVersion": "1.0.0"}


@dataclass(frozen=True)
class Write:
    """One request; `may_fail` when it is sent only to be read, as there is no blob, image or plan that it names."""

    method: str
    path: str
    body: Mapping[str, Any]
    may_fail: bool = False


def put(path: str, properties: Mapping[str, Any], *, may_fail: bool = False, **members: Any) -> Write:
    return Write("PUT", path, {"location": "eastus", "tags": {}, "properties": properties, **members}, may_fail)


def disk_keys(**lun: int) -> dict[str, Any]:
    confidential = {"confidentialVMEncryptionType": "EncryptedWithCmk", "secureVMDiskEncryptionSetId": KEY}
    return {**lun, "diskEncryptionSetId": KEY, "securityProfile": confidential}


ENCRYPTION = {"osDiskImage": disk_keys(), "dataDiskImages": [disk_keys(lun=0)]}
TARGET_REGION = {
    "name": "eastus",
    "regionalReplicaCount": 1,
    "storageAccountType": "Standard_LRS",
    "excludeFromLatest": True,
    "encryption": ENCRYPTION,
    "additionalReplicaSets": [{"storageAccountType": "Premium_LRS", "regionalReplicaCount": 1}],
}
EDGE_ZONE = {
    "name": "eastus",
    "extendedLocation": {"name": "zone", "type": "EdgeZone"},
    "extendedLocationReplicaCount": 1,
    "storageAccountType": "Standard_LRS",
    "encryption": ENCRYPTION,
}
PUBLISHING = {
    "replicaCount": 1,
    "excludeFromLatest": False,
    "endOfLifeDate": "2090-01-01",
    "replicationMode": "Full",
    "storageAccountStrategy": "DefaultStandard_LRS",
    "targetRegions": [TARGET_REGION],
    "targetExtendedLocations": [EDGE_ZONE],
}


def galleries(_emulated: Emulated) -> Sequence[Write]:
    identity = {"type": "UserAssigned", "userAssignedIdentities": {"id": {}}}
    policy = {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 7, "gracePeriodInDays": 1}
    sharing = {"permissions": "Community", "communityGalleryInfo": PUBLISHER}
    properties = {"description": "d", "sharingProfile": sharing, "softDeletePolicy": policy}
    return [put("galleries/open", properties, identity=identity)]


def sharing(emulated: Emulated) -> Sequence[Write]:
    emulated.put("galleries/shared", {"sharingProfile": {"permissions": "Groups"}})
    groups = [{"type": "Subscriptions", "ids": ["id"]}]
    return [Write("POST", "galleries/shared/share", {"operationType": "Add", "groups": groups})]


def definitions(emulated: Emulated) -> Sequence[Write]:
    emulated.put("galleries/corp")
    properties = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "architecture": "x64",
        "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
        "purchasePlan": {"name": "n", "publisher": "p", "product": "q"},
        "recommended": {"vCPUs": {"min": 1, "max": 2}, "memory": {"min": 1, "max": 2}},
        "disallowed": {"diskTypes": ["Standard_LRS"]},
        "features": [{**SECURITY_TYPE, "value": "TrustedLaunchSupported"}],
        "endOfLifeDate": "2090-01-01",
        **dict.fromkeys(("description", "eula", "privacyStatementUri", "releaseNoteUri"), "text"),
    }
    changed = {"allowUpdateImage": True, "features": [{**SECURITY_TYPE, "value": "Standard"}]}
    return [put(DEFINITION, properties), Write("PATCH", DEFINITION, {"properties": changed})]


def versions(emulated: Emulated) -> Sequence[Write]:
    emulated.definition()
    emulated.put("galleries/corp", {"softDeletePolicy": {"isSoftDeleteEnabled": True}})
    disk = emulated.disk("os", osType="Linux", hyperVGeneration="V2")
    image = {"id": emulated.image("image", disk, emulated.disk("data"))}
    emulated.put(f"{DEFINITION}/versions/9.0.0", {"storageProfile": {"source": image}})
    emulated.send("DELETE", f"{DEFINITION}/versions/9.0.0")
    whole = {
        "source": image,
        "osDiskImage": {"hostCaching": "None"},
        "dataDiskImages": [{"lun": 0, "hostCaching": "None"}],
    }
    properties = {
        "publishingProfile": PUBLISHING,
        "storageProfile": whole,
        "safetyProfile": {"allowDeletionOfReplicatedLocations": True, "blockDeletionBeforeEndOfLife": False},
        "securityProfile": {"uefiSettings": {}},
    }
    blobs = {"osDiskImage": {"source": BLOB}, "dataDiskImages": [{"lun": 1, "source": {"id": disk}}]}
    stored = {"publishingProfile": {"storageAccountType": "Standard_LRS"}, "storageProfile": blobs}
    return [
        put(f"{DEFINITION}/versions/1.0.0", properties),
        put(f"{DEFINITION}/versions/1.0.1", stored, may_fail=True),
        put(f"{DEFINITION}/versions/9.0.0", {"restore": True, "storageProfile": whole}),
    ]


def disks(emulated: Emulated, collection: str = "disks") -> Sequence[Write]:
    kept_objects: dict[str, Any] = {name: {} for name in ("supportedCapabilities", "securityProfile", "purchasePlan")}
    kept_texts = ("networkAccessPolicy", "publicNetworkAccess", "diskAccessId", "tier", "dataAccessAuthMode")
    properties = {
        "creationData": {"createOption": "Empty"},
        "diskSizeGB": 4,
        "osType": "Linux",
        "hyperVGeneration": "V2",
        "encryption": {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": KEY},
        "incremental": True,
        **kept_objects,
        **dict.fromkeys(kept_texts, "text"),
    }
    sources: Sequence[Mapping[str, Any]] = (
        {"createOption": "Copy", "sourceResourceId": emulated.disk("source")},
        {"createOption": "Import", "sourceUri": BLOB["uri"], "storageAccountId": ACCOUNT},
        *({"createOption": "FromImage", "imageReference": {"lun": 0, **image}} for image in REFERENCES),
        *({"createOption": "FromImage", "galleryImageReference": {"lun": 0, **image}} for image in REFERENCES),
    )
    return [
        put(f"{collection}/one", properties, sku={"name": "Standard_LRS"}, zones=["1"]),
        put(f"{collection}/two", {"creationData": {"createOption": "Upload", "uploadSizeBytes": (32 << 20) + 512}}),
        *(
            put(f"{collection}/made{number}", {"creationData": source}, may_fail=True)
            for number, source in enumerate(sources)
        ),
        put(f"{collection}/one", {"creationData": {"sourceUri": "", "storageAccountId": "", "sourceResourceId": ""}}),
    ]


def snapshots(emulated: Emulated) -> Sequence[Write]:
    return disks(emulated, "snapshots")


def images(emulated: Emulated) -> Sequence[Write]:
    common = {"caching": "None", "storageAccountType": "Standard_LRS", "diskSizeGB": 100}
    managed = emulated.disk("os", osType="Linux", hyperVGeneration="V2")
    snapshot = emulated.snapshot("copy", managed)
    places: Sequence[dict[str, Any]] = (
        {"managedDisk": {"id": managed}},
        {"snapshot": {"id": snapshot}},
        {"blobUri": BLOB["uri"]},
    )
    writes = []
    for number, (place, data) in enumerate(product(places, places)):
        os_disk = {"osType": "Linux", "osState": "Generalized", **place, **common}
        storage = {"osDisk": os_disk, "dataDisks": [{"lun": 0, **data, **common}], "zoneResilient": False}
        properties = {"hyperVGeneration": "V2", "storageProfile": storage}
        writes.append(put(f"images/{number}", properties, may_fail=True))
    writes.append(writes[0])
    vm = emulated.virtual_machine("web", emulated.disk("web"))
    source = {"sourceVirtualMachine": {"id": vm}, "hyperVGeneration": "V1"}
    return [*writes, put("images/captured", source, may_fail=True)]


def virtual_machines(emulated: Emulated) -> Sequence[Write]:
    managed = {"storageAccountType": "Standard_LRS"}
    common = {"name": "", "caching": "None", "deleteOption": "Delete", "diskSizeGB": 40, "managedDisk": managed}
    attached = {"createOption": "Attach", "managedDisk": {"id": emulated.disk("data")}}
    copied = {"createOption": "Copy", "sourceResource": {"id": emulated.disk("source")}}
    kept = ("diagnosticsProfile", "additionalCapabilities", "licenseType", "priority", "evictionPolicy")
    members: dict[str, Any] = {
        "plan": {"name": "n", "publisher": "p", "product": "q"},
        "zones": ["1"],
        "identity": {"type": "SystemAssigned"},
    }

    def properties(**storage: Any) -> dict[str, Any]:
        return {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "osProfile": {"computerName": "web", "adminUsername": "me"},
            "networkProfile": {"networkInterfaces": [{"id": NIC}]},
            "securityProfile": {"securityType": "TrustedLaunch"},
            "storageProfile": storage,
            **dict.fromkeys(kept, "kept"),
        }

    made = {"osType": "Linux", "createOption": "FromImage", "diffDiskSettings": {"option": "Local"}, **common}
    data = [{"lun": 2, **common, **copied}, {"lun": 0, **common, "createOption": "Empty"}, {"lun": 1, **attached}]
    unmanaged = {"createOption": "Attach", "osType": "Linux", "vhd": {"uri": "https://a/b/c"}}
    of_image = {"lun": 3, **common, "createOption": "FromImage"}
    os_disk = {"osType": "Linux", "createOption": "Attach", "managedDisk": {"id": emulated.disk("os")}}
    return [
        put("virtualMachines/web", properties(imageReference=MARKETPLACE, osDisk=made, dataDisks=data), **members),
        put("virtualMachines/no", properties(imageReference={"id": "/x"}, osDisk=made), may_fail=True),
        put(
            "virtualMachines/no",
            properties(imageReference=MARKETPLACE, osDisk=made, dataDisks=[of_image]),
            may_fail=True,
        ),
        put("virtualMachines/old", properties(osDisk=unmanaged), may_fail=True),
        put("virtualMachines/attached", {**properties(osDisk=os_disk), "osProfile": None}),
    ]


def groups(_emulated: Emulated) -> Sequence[Write]:
    return [Write("PUT", GROUP, {"location": "eastus", "tags": {}})]


def group_tags(_emulated: Emulated) -> Sequence[Write]:
    return [Write("PATCH", GROUP, {"tags": {}})]


WRITES: Mapping[str, Callable[[Emulated], Sequence[Write]]] = {
    "write gallery": galleries,
    "share gallery": sharing,
    "write definition": definitions,
    "write version": versions,
    "write disk": disks,
    "write snapshot": snapshots,
    "write image": images,
    "write virtualMachine": virtual_machines,
    "write resource group": groups,
    "patch resource group": group_tags,
}
"""Route -> the requests that make its handlers read everything."""
LATER_CHOICES = {"properties.features[].value"}
"""Strings whose choices depend on another property."""
SCHEMAS: Mapping[str, Schema] = {route.name: route.body for route in all_handlers().routes if route.body is not None}


class Recorded(dict[str, Any]):
    """A JSON object that notes which of its members are read: `a.b`, `a.list[].c`."""

    def __init__(self, values: Mapping[str, Any], path: str, read: set[str]) -> None:
        self._path, self._read = f"{path}." if path else "", read
        super().__init__({name: recorded(value, self._path + name, read) for name, value in values.items()})

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(self._path + name)
        return super().get(name, default)


def recorded(value: Any, path: str, read: set[str]) -> Any:
    if isinstance(value, Mapping):
        return Recorded(value, path, read)
    return [recorded(entry, f"{path}[]", read) for entry in value] if isinstance(value, list) else value


def described(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every property in a schema, at any depth, by its path."""
    for name, member in schema.get("properties", {}).items():
        yield path + name, member
        yield from described(member, f"{path}{name}.")
        yield from described(member.get("items", {}), f"{path}{name}[].")


def sent(emulated: Emulated, write: Write, body: Mapping[str, Any]) -> ArmError | None:
    try:
        emulated.send(write.method, write.path, body)
    except ArmError as error:
        return error
    return None


def read_by(emulated: Emulated, write: Write) -> set[str]:
    """The properties that the handlers read of a write."""
    read: set[str] = set()
    refused = sent(emulated, write, Recorded(write.body, "", read))
    assert refused is None or write.may_fail, (write.path, refused)
    return read


def test_every_schema_is_compared() -> None:
    compared = [SCHEMAS[name] for name in WRITES]
    assert [name for name, schema in SCHEMAS.items() if schema not in compared] == []


@pytest.mark.parametrize("route", WRITES)
def test_handlers_read_what_the_schema_names_and_nothing_else(emulated: Emulated, route: str) -> None:
    read = set().union(*(read_by(emulated, write) for write in WRITES[route](emulated)))
    assert read == {path for path, _ in described(SCHEMAS[route])}


TYPES: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def breaches(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Where a value is not what a schema allows; null counts as absent, and enums in any case."""
    if value is None:
        return
    if "enum" in schema and value not in schema["enum"]:
        yield path
    if "type" in schema and type(value) is not TYPES[schema["type"]]:
        yield path
        return
    for name, member in schema.get("properties", {}).items():
        yield from breaches(member, value.get(name), f"{path}.{name}")
    for entry in value if isinstance(value, list) else ():
        yield from breaches(schema["items"], entry, f"{path}[]")


@pytest.mark.parametrize("route", WRITES)
def test_handlers_accept_what_the_schema_allows(emulated: Emulated, route: str) -> None:
    for write in WRITES[route](emulated):
        assert list(breaches(SCHEMAS[route], write.body)) == []
        refused = sent(emulated, write, write.body)
        assert refused is None or write.may_fail, (write.path, refused)


WRONG: Mapping[str, Any] = {"string": 7, "integer": "seven", "boolean": "yes", "array": 7, "object": 7}


def wrong_value(schema: Schema) -> Any:
    """What a schema does not allow; None for one that allows everything."""
    return "something else" if "enum" in schema else WRONG.get(schema.get("type", ""))


def with_value(body: Mapping[str, Any], path: str, value: Any) -> tuple[dict[str, Any], str]:
    """The body with another value at a path, and the path as refusals name it."""
    changed: dict[str, Any] = json.loads(json.dumps(body))
    *above, name = path.split(".")
    place: Any = changed
    for step in above:
        place = place[step.removesuffix("[]")]
        place = place[0] if step.endswith("[]") else place
    place[name] = value
    return changed, path.replace("[]", "[0]")


def readers(route: str, folder: Path) -> dict[str, list[int]]:
    """Property -> the numbers of the writes that make the handlers read it."""
    found: dict[str, list[int]] = {}
    with emulated_service(folder) as emulated:
        for number, write in enumerate(WRITES[route](emulated)):
            for path in read_by(emulated, write):
                found.setdefault(path, []).append(number)
    return found


def refusal(route: str, number: int, path: str, value: Any, folder: Path) -> str:
    """The message about a property when it has another value in one of the writes; empty when it is accepted."""
    with emulated_service(folder) as emulated:
        *before, write = WRITES[route](emulated)[: number + 1]
        for earlier in before:
            sent(emulated, earlier, earlier.body)
        body, named = with_value(write.body, path, value)
        error = sent(emulated, write, body)
        about_it = error is not None and (error.target == named or error.target.endswith(f".{named}"))
        return error.message if error is not None and about_it else ""


@pytest.mark.parametrize("route", WRITES)
def test_handlers_refuse_what_the_schema_does_not_allow(tmp_path_factory: pytest.TempPathFactory, route: str) -> None:
    writes = readers(route, tmp_path_factory.mktemp("read"))

    def message(number: int, path: str, value: Any) -> str:
        return refusal(route, number, path, value, tmp_path_factory.mktemp("world"))

    for path, schema in described(SCHEMAS[route]):
        wrong = wrong_value(schema)
        if wrong is None:
            continue
        number, refused = next(((n, text) for n in writes[path] if (text := message(n, path, wrong))), (-1, ""))
        assert refused, path
        assert "enum" not in schema or f"Allowed are: {', '.join(schema['enum'])}." in refused, path
        if schema is TEXT and path not in LATER_CHOICES:
            assert "Allowed are: " not in message(number, path, "something else"), path

"""A model of Azure's answers to the bodies that it is sent, written from recordings of the real service.

It respells regions, ids, words and dates, fills in what was not said, drops what is empty, adds what is read-only and
keeps no order. Where the service's ways are not known for sure, `chance` decides.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

from support.gallery_documents import REGIONS

Body = dict[str, Any]

_WORDS = {
    *("osType", "osState", "hyperVGeneration", "architecture", "hostCaching", "permissions", "replicationMode"),
    *("storageAccountType", "storageAccountStrategy", "confidentialVMEncryptionType"),
}
_IDS = {"id", "diskEncryptionSetId", "secureVMDiskEncryptionSetId", "virtualMachineId", "storageAccountId"}


class Service:
    """Answers with the choices of `chance`."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def gallery(self, sent: Body, groups: Mapping[str, frozenset[str]]) -> Body:
        """A gallery that is then shared with `groups`, read with `$expand=SharingProfile/Groups`."""
        body, properties = self._begin(sent)
        properties["identifier"] = {"uniqueName": "11111111-CORP"}
        properties["sharingStatus"] = {"aggregatedState": "Succeeded", "summary": []}
        profile = properties["sharingProfile"]
        if groups:
            named = {kind: self._shuffled([self._case(one) for one in sorted(ids)]) for kind, ids in groups.items()}
            profile["groups"] = self._shuffled([{"type": kind, "ids": ids} for kind, ids in named.items()])
        if "communityGalleryInfo" in profile:
            profile["communityGalleryInfo"] |= {"communityGalleryEnabled": True, "publicNames": ["Contoso1-1"]}
        self._soft_delete(properties)
        identity = body.pop("identity", {"type": "None"})
        if identity["type"] != "None":
            body["identity"] = {"type": identity["type"].replace(", ", self._chance.choice([", ", ","]))}
            if "userAssignedIdentities" in identity:
                body["identity"]["userAssignedIdentities"] = {
                    self._id(name): {"principalId": "p", "clientId": "c"} for name in identity["userAssignedIdentities"]
                }
        respelled: Body = self._respelled(body)
        return respelled

    def _soft_delete(self, properties: Body) -> None:
        policy = properties["softDeletePolicy"]
        if policy["isSoftDeleteEnabled"]:
            policy.setdefault("retentionPeriodInDays", 7)
            policy.setdefault("gracePeriodInDays", self._chance.choice([0, 7, 23]))
        elif self._chance.random() < 0.5:
            del properties["softDeletePolicy"]
        elif self._chance.random() < 0.5:
            policy |= {"retentionPeriodInDays": 30, "gracePeriodInDays": 7}  # left from when it was enabled

    def definition(self, sent: Body) -> Body:
        body, properties = self._begin(sent)
        features = properties.setdefault("features", [])
        if not any(feature["name"] == "SecurityType" for feature in features):
            if properties["hyperVGeneration"] == "V2":
                features.append({"name": "SecurityType", "value": "TrustedLaunchSupported"})
        elif self._chance.random() < 0.3:
            features[:] = [one for one in features if one != {"name": "SecurityType", "value": "Standard"}]
        for feature in features:
            feature["value"] = self._case(feature["value"])
        self._chance.shuffle(features)
        if "disallowed" in properties:
            self._chance.shuffle(properties["disallowed"]["diskTypes"])
        self._drop_empty(properties, "features", "disallowed")
        respelled: Body = self._respelled(body)
        return respelled

    def version(self, sent: Body) -> Body:
        """A version that has finished, read with `$expand=UefiSettings`."""
        body, properties = self._begin(sent)
        profile, storage = properties["publishingProfile"], properties["storageProfile"]
        profile["publishedDate"] = "2026-11-01T10:00:00.1234567+00:00"
        if "storageAccountType" not in profile:
            profile.setdefault("storageAccountStrategy", "PreferStandard_ZRS")
            if self._chance.random() < 0.5:
                profile["storageAccountType"] = "Standard_LRS"
        for region in profile["targetRegions"]:
            region["name"] = REGIONS[region["name"]]
            region.setdefault("storageAccountType", profile.get("storageAccountType", "Standard_ZRS"))
        for zone in profile.get("targetExtendedLocations", ()):
            zone["name"] = REGIONS[zone["name"]]
            zone["extendedLocation"] = {name: self._case(value) for name, value in zone["extendedLocation"].items()}
            zone.setdefault("extendedLocationReplicaCount", profile["replicaCount"])
            zone.setdefault("storageAccountType", "StandardSSD_LRS")
        self._chance.shuffle(profile["targetRegions"])
        self._disks(storage)
        properties["safetyProfile"]["reportedForPolicyViolation"] = False
        properties["validationsProfile"] = {"executedValidations": [{"type": "TrustedLaunch", "status": "NotExecuted"}]}
        self._firmware(properties)
        respelled: Body = self._respelled(body)
        return respelled

    def _disks(self, storage: Body) -> None:
        if "source" in storage:
            storage["osDiskImage"] = {"sizeInGB": 30, "hostCaching": "ReadWrite", "source": {}}
            storage["dataDiskImages"] = [{"lun": 3, "sizeInGB": 5, "hostCaching": "None", "source": {}}]
        for disk in [storage["osDiskImage"], *storage.get("dataDiskImages", ())]:
            disk["sizeInGB"] = 30
            disk.setdefault("hostCaching", "ReadOnly" if "lun" in disk else "ReadWrite")
        self._chance.shuffle(storage.get("dataDiskImages", []))
        if self._chance.random() < 0.5:
            for disk in [storage["osDiskImage"], *storage.get("dataDiskImages", ())]:
                disk["source"] = {}
            if "source" in storage:
                storage["source"] = {}

    def _firmware(self, properties: Body) -> None:
        settings = properties.get("securityProfile", {}).get("uefiSettings", {})
        for values in [settings.get("signatureTemplateNames", []), *settings.get("additionalSignatures", {}).values()]:
            if isinstance(values, list):
                self._chance.shuffle(values)

    def _begin(self, sent: Body) -> tuple[Body, Body]:
        body: Body = copy.deepcopy(sent)
        body |= {"id": "/subscriptions/1/resourceGroups/RG", "name": "x", "type": "Microsoft.Compute/galleries"}
        names = self._case if self._chance.random() < 0.5 else str
        body["tags"] = {names(name): value for name, value in body["tags"].items()}
        self._drop_empty(body, "tags")
        properties: Body = body["properties"]
        properties["provisioningState"] = "Succeeded"
        for name in [name for name, value in properties.items() if value == ""]:
            if self._chance.random() < 0.5:
                del properties[name]
        return body, properties

    def _drop_empty(self, members: Body, *names: str) -> None:
        for name in names:
            if not members.get(name):
                members.pop(name, None)

    def _respelled(self, value: Any, name: str = "") -> Any:
        """The whole answer with its members in no order, and words, ids and dates as the service spells them."""
        if isinstance(value, dict):
            found = [(below, self._respelled(inner, below)) for below, inner in value.items()]
            return dict(self._shuffled(found))
        if isinstance(value, list):
            return [self._respelled(inner, name) for inner in value]
        if name == "endOfLifeDate":
            return datetime.fromisoformat(value).isoformat()
        if name in _WORDS:
            return self._case(value)
        return self._id(value) if name in _IDS else value

    def _case(self, text: str) -> str:
        """The string in some case; characters such as `ß`, whose other case is longer, are unchanged."""
        other = self._chance.choice([text, text.upper(), text.lower(), text.swapcase()])
        return other if other.lower() == text.lower() else text

    def _id(self, text: str) -> str:
        return self._chance.choice([text, text.upper(), text.replace("Images-Rg", "IMAGES-RG")])

    def _shuffled(self, values: list[Any]) -> list[Any]:
        return self._chance.sample(values, len(values))

"""Image versions, both ways; their target regions are in `regions`.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies.regions import extended_locations, read_extended_locations, target_regions
from reconciler.providers.azure.bodies.shown import (
    Shown,
    a_word,
    flag,
    inside,
    number,
    objects,
    own_tags,
    present,
    text,
    texts,
)
from reconciler.providers.azure.bodies.sources import read_sources
from reconciler.providers.azure.service import spelling
from reconciler.providers.azure.service.marks import Marks, tagged

_PUBLISHED = (
    *("replicaCount", "excludeFromLatest", "endOfLifeDate", "replicationMode"),
    *("storageAccountType", "storageAccountStrategy"),
)
_SAFETY = ("allowDeletionOfReplicatedLocations", "blockDeletionBeforeEndOfLife")


def version_body(
    attributes: Attributes,
    regions: Mapping[str, Attributes],
    marks: Marks,
    storage_profile: Mapping[str, Any] | None = None,
    now: Shown | None = None,
) -> dict[str, Any]:
    """The body of a PUT, with `regions` as all the target regions it shall have.

    Without a storage profile the service keeps the content it has. `now` is the version as the service shows it, when
    there is one. Raises: ProviderError, for the tags.
    """
    profile = {name: attributes[name] for name in _PUBLISHED if name in attributes}
    profile["targetRegions"] = target_regions(regions, now or {})
    if "targetExtendedLocations" in attributes:
        profile["targetExtendedLocations"] = extended_locations(attributes)
    properties: dict[str, Any] = {
        "publishingProfile": profile,
        "storageProfile": dict(storage_profile or {}),
        "safetyProfile": attributes.get("safety") or dict.fromkeys(_SAFETY, False),
    }
    if "securityProfile" in attributes:
        properties["securityProfile"] = attributes["securityProfile"]
    tags = tagged(attributes.get("tags", {}), marks)
    return {"location": attributes["location"], "tags": tags, "properties": properties}


def version_attributes(body: Shown, marks: Marks) -> dict[str, Any]:
    """The canonical attributes of a version without its regions; see `lacks_security`."""
    properties = inside(body, "properties")
    profile, storage = inside(properties, "publishingProfile"), inside(properties, "storageProfile")
    chosen = {
        "hostCaching": inside(storage, "osDiskImage").get("hostCaching"),
        "storageAccountType": profile.get("storageAccountType"),
        "storageAccountStrategy": profile.get("storageAccountStrategy"),
    }
    return {
        "replicaCount": number(profile.get("replicaCount")) or 1,
        "excludeFromLatest": flag(profile.get("excludeFromLatest")) or False,
        "replicationMode": a_word(profile.get("replicationMode")) or "Full",
        **read_sources(storage, marks),
        **present({name: a_word(value) for name, value in chosen.items() if name in marks.declared}),
        **present(
            {
                "location": spelling.region(body.get("location")),
                "endOfLifeDate": spelling.moment(text(profile.get("endOfLifeDate"))),
                "targetExtendedLocations": read_extended_locations(profile, marks),
                "safety": _safety(inside(properties, "safetyProfile"), marks),
                "securityProfile": _security(inside(properties, "securityProfile"), marks),
                "tags": own_tags(body),
            }
        ),
    }


def lacks_security(body: Shown, marks: Marks) -> bool:
    """Whether a security profile was planned that `body` cannot show: only a GET with `$expand=UefiSettings` does."""
    return bool(marks.security) and not inside(body, "properties", "securityProfile", "uefiSettings")


def _safety(safety: Shown, marks: Marks) -> dict[str, bool]:
    found = {name: flag(safety.get(name)) or False for name in _SAFETY}
    return found if "safety" in marks.declared or any(found.values()) else {}


def _security(security: Shown, marks: Marks) -> dict[str, Any]:
    """Firmware settings; those of our own version that has none planned are the service's, and fixed."""
    if marks.owner is not None and not marks.security:
        return {}
    settings = inside(security, "uefiSettings")
    extra = inside(settings, "additionalSignatures")
    lists = {name: sorted(map(_key, objects(extra.get(name))), key=canonical_json) for name in ("kek", "db", "dbx")}
    signatures = present({"pk": _key(inside(extra, "pk")), **lists})
    templates = sorted({spelling.word(one) for one in texts(settings.get("signatureTemplateNames"))})
    return present({"uefiSettings": present({"signatureTemplateNames": templates, "additionalSignatures": signatures})})


def _key(key: Shown) -> dict[str, Any]:
    return present({"type": a_word(key.get("type")), "value": sorted(set(texts(key.get("value"))))})

"""The emulated service accepts the bodies, and then shows what was planned."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from support.azure.emulated_service import Emulated, emulated_service
from support.azure.objects import (
    DEFINITION,
    GALLERY,
    VERSION,
    owner,
    planned_definition,
    planned_gallery,
    planned_version,
    read_definition,
    read_gallery,
    read_regions,
    read_version,
    version_id,
)
from support.gallery_documents import Document, definitions, galleries, versions

from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies import (
    definition_body,
    gallery_body,
    groups_of,
    groups_of_body,
    metadata_for,
    storage_profile,
    version_body,
)

FAR = "2090-01-31T00:00:00Z"
laws = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@contextmanager
def service() -> Iterator[Emulated]:
    with tempfile.TemporaryDirectory() as name, emulated_service(Path(name)) as emulated:
        yield emulated


def share(emulated: Emulated, before: Attributes, after: Attributes) -> None:
    """Changes the groups of the gallery, which takes two operations."""
    for action, wanted, others in (("Remove", groups_of(before), after), ("Add", groups_of(after), before)):
        known = groups_of(others)
        groups = [{"type": kind, "ids": sorted(ids - known.get(kind, frozenset()))} for kind, ids in wanted.items()]
        if any(group["ids"] for group in groups):
            emulated.send("POST", "galleries/corp/share", {"operationType": action, "groups": groups})


@laws
@given(galleries(), galleries())
def test_galleries(first: Document, second: Document) -> None:
    planned = planned_gallery(first)
    other = planned_gallery({**second, "sharing": first.get("sharing", {}), "identity": first.get("identity")})
    with service() as emulated:
        before: Attributes = {}
        for attributes in (planned, other, planned):
            emulated.send("PUT", "galleries/corp", gallery_body(attributes, metadata_for(owner(GALLERY), attributes)))
            share(emulated, before, attributes)
            shown = emulated.get("galleries/corp", expand="SharingProfile/Groups")
            assert canonical_json(read_gallery(shown)) == canonical_json(attributes)
            assert groups_of_body(shown) == groups_of(attributes)
            before = attributes


def lasting(document: Document) -> Document:
    """The document with an end-of-life date in the future, if any, and without disk controllers of NVMe alone."""
    found = dict(document)
    if "endOfLifeDate" in found:
        found["endOfLifeDate"] = FAR
    if "features" in found:
        found["features"] = [one for one in found["features"] if one["value"] != "NVMe"]
    return found


@laws
@given(definitions(), definitions())
def test_definitions(first: Document, second: Document) -> None:
    planned = planned_definition(lasting(first))
    changeable = ("description", "releaseNoteUri", "recommended", "tags")
    other = {name: value for name, value in planned.items() if name not in changeable}
    other |= {name: value for name, value in planned_definition(second).items() if name in changeable}
    with service() as emulated:
        emulated.put("galleries/corp")
        now = None
        for attributes in (planned, other, planned):
            body = definition_body(attributes, metadata_for(owner(DEFINITION), attributes), now)
            emulated.send("PUT", "galleries/corp/images/ubuntu", body)
            now = emulated.get("galleries/corp/images/ubuntu")
            assert canonical_json(read_definition(now)) == canonical_json(attributes)


def simple(document: Document, source: str) -> Document:
    """The version made from a snapshot, in regions that need no keys and have every kind of storage."""
    found = {name: value for name, value in lasting(document).items() if name != "dataDisks"}
    found["source"] = {"snapshot": source}
    if "targetRegions" in found:
        regions: list[Any] = [{"name": one} if isinstance(one, str) else dict(one) for one in found["targetRegions"]]
        found["targetRegions"] = [one for one in regions if one["name"].lower().replace(" ", "") != "australiacentral2"]
        for region in found["targetRegions"]:
            region.pop("encryption", None)
    for zone in found.get("targetExtendedLocations", ()):
        zone.pop("encryption", None)
    return found


@laws
@given(versions(), versions())
def test_versions(first: Document, second: Document) -> None:
    with service() as emulated:
        path = f"{emulated.definition(osState='Specialized')}/versions/1.0.0"
        snapshot = emulated.snapshot("os", emulated.disk("os", osType="Linux", hyperVGeneration="V2"))
        planned, regions = planned_version(simple(first, snapshot))
        changeable = ("replicaCount", "excludeFromLatest", "safety", "tags")
        other = {name: value for name, value in planned.items() if name not in changeable}
        more, _ = planned_version(simple(second, snapshot))
        other |= {name: value for name, value in more.items() if name in changeable}
        others = {
            name: {**region, "replicas": 1, "excludeFromLatest": not region["excludeFromLatest"]}
            for name, region in regions.items()
        }
        profile: Any = storage_profile(planned, vhd={}, version_id=version_id)
        now = None
        for attributes, wanted in ((planned, regions), (other, others), (planned, regions)):
            metadata = metadata_for(owner(VERSION), attributes, wanted)
            emulated.send("PUT", path, version_body(attributes, wanted, metadata, profile, now))
            profile = None
            now = emulated.get(path, expand="UefiSettings")
            assert now["properties"]["provisioningState"] == "Succeeded"
            assert canonical_json(read_version(now)) == canonical_json(attributes)
            assert canonical_json(read_regions(now)) == canonical_json(wanted)

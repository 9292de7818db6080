"""Whatever the service answers can be read: unmanaged objects, and malformed answers."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.azure.answers import Body
from support.azure.objects import stored_version
from support.gallery_documents import Document, versions

from reconciler.manifests.values import canonical_json
from reconciler.providers.azure.bodies import (
    definition_attributes,
    gallery_attributes,
    groups_of_body,
    lacks_security,
    region_attributes,
    version_attributes,
)
from reconciler.providers.azure.service.tag_metadata import from_tags

names = st.sampled_from(
    [
        *("properties", "publishingProfile", "storageProfile", "targetRegions", "name", "features", "value", "tags"),
        *("softDeletePolicy", "sharingProfile", "groups", "type", "ids", "identity", "source", "id", "uri", "lun"),
        *("osDiskImage", "dataDiskImages", "securityProfile", "uefiSettings", "additionalSignatures", "kek", "pk"),
        *("targetExtendedLocations", "extendedLocation", "encryption", "endOfLifeDate", "recommended", "vCPUs"),
        *("userAssignedIdentities", "communityGalleryInfo", "location", "safetyProfile", "diskTypes", "disallowed"),
        *("reconciler-owner", "reconciler-source-0", "reconciler-planned-0", "reconciler-computed-0"),
    ]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["East US", "Groups", "SecurityType", "2030-01-01", "0001-01-01T00:00:00+10:00", "\ud800", "=7"]),
    st.sampled_from(
        ['={"source":{"file":"\\ud800"}}', '={"source":{"vhd":3}}', '={"declared":[1]}', "zzz", '={"a":NaN}']
    ),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=25
)
objects = st.dictionaries(names, anything, max_size=6)


@settings(deadline=None, max_examples=400)
@given(objects, objects)
def test_nothing_that_the_service_could_answer_is_too_strange(body: Body, tags: Body) -> None:
    found = json.loads(json.dumps({**body, "tags": tags}))
    metadata, _ = from_tags(found["tags"])
    for attributes in (
        gallery_attributes(found, metadata),
        definition_attributes(found, metadata),
        version_attributes(found, metadata),
        region_attributes(found, metadata),
    ):
        canonical_json(attributes).encode()
    assert all(ids for ids in groups_of_body(found).values())
    assert lacks_security(found, metadata) in (True, False)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(versions(), st.data())
def test_a_damaged_answer_is_still_read(document: Document, data: st.DataObject) -> None:
    _, _, body = stored_version(document, Random(1))
    place: Any = body
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list):
            place[key] = data.draw(anything)
            break
        place = place[key]
    metadata, _ = from_tags(body["tags"] if isinstance(body.get("tags"), dict) else {})
    canonical_json(version_attributes(body, metadata)).encode()
    canonical_json(region_attributes(body, metadata)).encode()

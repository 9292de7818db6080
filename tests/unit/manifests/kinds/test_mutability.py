"""The contract of changes: every line of the agreed table, and that nothing else slipped in."""

from __future__ import annotations

import pytest

from reconciler.manifests.address import Kind
from reconciler.manifests.kinds.base import rule_of
from reconciler.manifests.kinds.mutability import attribute_names, mutability_table, node_models, rule_for
from reconciler.manifests.resource import Mutability

IN_PLACE = {
    Kind.GALLERY: ["description", "tags", "softDeletePolicy"],
    Kind.IMAGE_DEFINITION: ["description", "releaseNoteUri", "endOfLifeDate", "recommended", "tags"],
    Kind.IMAGE_VERSION: ["targetRegions", "replicaCount", "excludeFromLatest", "endOfLifeDate", "safety", "tags"],
    Kind.TARGET_REGION: ["replicas", "excludeFromLatest"],
}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (Kind.GALLERY, "description"),
        (Kind.GALLERY, "tags.owner"),
        (Kind.GALLERY, "softDeletePolicy.isSoftDeleteEnabled"),
        (Kind.IMAGE_DEFINITION, "recommended.vCPUs.min"),
        (Kind.IMAGE_DEFINITION, "recommended.memory"),
        (Kind.IMAGE_DEFINITION, "description"),
        (Kind.IMAGE_DEFINITION, "endOfLifeDate"),
        (Kind.IMAGE_DEFINITION, "releaseNoteUri"),
        (Kind.IMAGE_DEFINITION, "tags"),
        (Kind.IMAGE_VERSION, "targetRegions"),
        (Kind.IMAGE_VERSION, "targetRegions.westus"),
        (Kind.IMAGE_VERSION, "targetRegions.westus.replicas"),
        (Kind.IMAGE_VERSION, "replicaCount"),
        (Kind.IMAGE_VERSION, "excludeFromLatest"),
        (Kind.IMAGE_VERSION, "endOfLifeDate"),
        (Kind.IMAGE_VERSION, "tags"),
        (Kind.IMAGE_VERSION, "safety.blockDeletionBeforeEndOfLife"),
        (Kind.IMAGE_VERSION, "safety.allowDeletionOfReplicatedLocations"),
        (Kind.TARGET_REGION, "replicas"),
        (Kind.TARGET_REGION, "excludeFromLatest"),
    ],
)
def test_in_place(kind, path):
    assert rule_for(kind, tuple(path.split("."))).mutability is Mutability.IN_PLACE


@pytest.mark.parametrize(
    ("kind", "path"),
    [(kind, name) for kind in Kind for name in attribute_names(kind) if name not in IN_PLACE[kind]]
    + [
        (Kind.GALLERY, "sharing.permissions"),
        (Kind.GALLERY, "sharing.communityGalleryInfo.eula"),
        (Kind.IMAGE_DEFINITION, "identifier.sku"),
        (Kind.IMAGE_DEFINITION, "features.SecurityType.value"),
        (Kind.IMAGE_VERSION, "source.file"),
        (Kind.IMAGE_VERSION, "dataDisks.0.source"),
        (Kind.IMAGE_VERSION, "targetRegions.westus.storageAccountType"),
        (Kind.TARGET_REGION, "encryption.osDiskImage"),
        (Kind.IMAGE_VERSION, "unheard.of"),
        (Kind.IMAGE_VERSION, ""),
    ],
)
def test_everything_else_is_immutable(kind, path):
    assert rule_for(kind, tuple(path.split("."))).mutability is Mutability.IMMUTABLE


def test_the_table_has_exactly_these_lines_in_place():
    found: dict[Kind, list[str]] = {kind: [] for kind in node_models()}
    for line in mutability_table():
        if line.rule.mutability is Mutability.IN_PLACE:
            found[line.kind].append(line.path)
    assert {kind: sorted(paths) for kind, paths in found.items()} == {
        kind: sorted(paths) for kind, paths in IN_PLACE.items()
    }


def test_sharing_groups_have_their_own_operation():
    rule = rule_for(Kind.GALLERY, ("sharing", "groups", "Subscriptions"))
    assert rule.mutability is Mutability.SHARING


@pytest.mark.parametrize("kind", [Kind.IMAGE_DEFINITION, Kind.IMAGE_VERSION])
def test_an_end_of_life_date_lasts(kind):
    assert rule_for(kind, ("endOfLifeDate",)).lasting


def test_only_dates_last():
    assert {line.path for line in mutability_table() if line.rule.lasting} == {"endOfLifeDate"}


def test_write_flags_are_not_attributes():
    flags = [(line.kind, line.path) for line in mutability_table() if line.rule.mutability is Mutability.WRITE_FLAG]
    assert flags == [(Kind.IMAGE_DEFINITION, "allowUpdateImage"), (Kind.IMAGE_VERSION, "restore")]
    assert "allowUpdateImage" not in attribute_names(Kind.IMAGE_DEFINITION)


def test_every_rule_names_its_source():
    assert [line for line in mutability_table() if not line.rule.source] == []


def test_fields_without_a_rule_are_not_about_the_object():
    plain = {
        (kind, field.alias or name)
        for kind, model in node_models().items()
        for name, field in model.model_fields.items()
        if rule_of(field) is None
    }
    assert plain == {
        *((Kind.GALLERY, name) for name in ("kind", "name", "provider", "lifecycle")),
        *((Kind.IMAGE_DEFINITION, name) for name in ("kind", "gallery", "name", "versionDefaults", "lifecycle")),
        *((Kind.IMAGE_VERSION, name) for name in ("kind", "image", "name", "lifecycle")),
        (Kind.TARGET_REGION, "name"),
    }


def test_only_features_are_unlocked_by_a_write_flag():
    unlocked = [(line.kind, line.path, line.rule.unlocked_by) for line in mutability_table() if line.rule.unlocked_by]
    assert unlocked == [(Kind.IMAGE_DEFINITION, "features", "allowUpdateImage")]

"""The metadata that records in an object's tags what was planned for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests.address import Kind
from reconciler.manifests.values import Attributes, canonical_json, digest
from reconciler.providers.azure.service.tag_metadata import TagMetadata
from reconciler.providers.owner import OwnerMark

_FILLED_IN: Mapping[Kind, tuple[str, ...]] = {
    Kind.GALLERY: (
        "identity",
        "softDeletePolicy",
        "softDeletePolicy.retentionPeriodInDays",
        "softDeletePolicy.gracePeriodInDays",
    ),
    Kind.IMAGE_DEFINITION: ("features.SecurityType",),
    Kind.IMAGE_VERSION: ("hostCaching", "safety", "storageAccountStrategy", "storageAccountType"),
    Kind.TARGET_REGION: ("storageAccountType",),
}
"""The attributes by dotted path that the service fills in if they are not set.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

_FILLED_IN_EDGE_ZONE = ("extendedLocationReplicaCount", "storageAccountType")
_MAY_BE_EMPTY = ("description", "eula", "privacyStatementUri", "releaseNoteUri")
_KEY_IDS = ("diskEncryptionSetId", "secureVMDiskEncryptionSetId")


def metadata_for(
    owner: OwnerMark,
    attributes: Attributes,
    regions: Mapping[str, Attributes] | None = None,
    computed: str = "{}",
    *,
    fence: int = 0,
    protected: bool = False,
) -> TagMetadata:
    """The metadata of an object that is planned to have `attributes` and, for a version, `regions` of ours; `fence` is
    that of the run that writes it."""
    regions = regions or {}
    kind = owner.address.kind
    in_regions = {
        f"targetRegions.{name}.{path}"
        for name, planned in regions.items()
        for path in declared(Kind.TARGET_REGION, planned)
    }
    security = attributes.get("securityProfile")
    return TagMetadata(
        owner=owner,
        declared=declared(kind, attributes) | in_regions,
        source=_source(attributes) if kind is Kind.IMAGE_VERSION else "",
        computed=computed,
        regions=frozenset(regions),
        security=digest(canonical_json(security)) if security else "",
        spellings=frozenset(_case_blind(attributes)).union(*map(_case_blind, regions.values())),
        fence=fence,
        protected=protected,
    )


def declared(kind: Kind, attributes: Attributes) -> frozenset[str]:
    """The dotted paths in `attributes` that the service would fill in, or drops when they are empty."""
    paths = {path for path in _FILLED_IN[kind] if _has(attributes, path)}
    paths |= {name for name in _MAY_BE_EMPTY if attributes.get(name) == ""}
    for zone, planned in attributes.get("targetExtendedLocations", {}).items():
        paths |= {f"targetExtendedLocations.{zone}.{name}" for name in _FILLED_IN_EDGE_ZONE if name in planned}
    return frozenset(paths)


def _has(attributes: Any, path: str) -> bool:
    for name in path.split("."):
        if name not in attributes:
            return False
        attributes = attributes[name]
    return True


def _source(attributes: Attributes) -> str:
    return canonical_json({name: attributes[name] for name in ("source", "dataDisks") if name in attributes})


def _case_blind(attributes: Attributes) -> Iterator[str]:
    """The strings in `attributes` that Azure compares without regard to case: names of tags and edge zones, ids."""
    yield from attributes.get("tags", ())
    yield from attributes.get("targetExtendedLocations", ())
    yield from attributes.get("identity", {}).get("userAssignedIdentities", ())
    yield from attributes.get("disallowed", {}).get("diskTypes", ())
    for ids in attributes.get("sharing", {}).get("groups", {}).values():
        yield from (group for group in ids if group != group.lower())
    yield from _key_ids(attributes.get("encryption", {}))
    yield from _key_ids(attributes.get("targetExtendedLocations", {}))


def _key_ids(value: Any) -> Iterator[str]:
    for name, below in value.items():
        if isinstance(below, Mapping):
            yield from _key_ids(below)
        elif name in _KEY_IDS:
            yield below

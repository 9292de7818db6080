"""Image versions with everything inherited from definition, gallery and region sets, and the nodes they become."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import attribute_fields, canonical, canonical_values, default_of, write_flags
from reconciler.manifests.kinds.configuration import Declarations, Declared
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.image_version import ImageVersion, VersionSettings
from reconciler.manifests.kinds.lifecycle import region_part, version_part
from reconciler.manifests.kinds.sources.image_sources import DiskSource, Source
from reconciler.manifests.kinds.target_region import Encryption, TargetRegion, parse_shorthand
from reconciler.manifests.problems import MOST_PROBLEMS, DocumentPath, Problem
from reconciler.manifests.resource import DEFAULT_LIFECYCLE, Origin, Resource
from reconciler.manifests.values import canonical_json, digest
from reconciler.manifests.words import quoted, suggestion

MOST_REGIONS = 200_000
"""Target regions of all versions of a project."""

RegionSets = Mapping[str, Sequence[TargetRegion]]

_DEFAULTS = {
    name: default for name, field in VersionSettings.model_fields.items() if (default := default_of(field)) is not None
}
_REGION_ATTRIBUTES = frozenset(alias for _, alias, _ in attribute_fields(TargetRegion))


@dataclass(frozen=True, slots=True)
class ResolvedRegion:
    """A target region with nothing left to inherit; `path` is where it is written in the document at `origin`."""

    name: str
    replicas: int
    exclude_from_latest: bool
    storage_account_type: str | None
    encryption: Encryption | None
    entry: TargetRegion
    origin: Origin
    path: DocumentPath

    def attributes(self) -> dict[str, Any]:
        """The canonical attributes of the node."""
        attributes = _plain_attributes(self.replicas, self.exclude_from_latest, self.storage_account_type)
        written = canonical(self.entry)
        attributes.update({key: written[key] for key in ("encryption", "additionalReplicaSets") if key in written})
        return attributes

    def canonical_text(self) -> tuple[str, str]:
        """The canonical text of the attributes, and its digest."""
        if self.encryption is None and not self.entry.additional_replica_sets:
            return _plain_text(self.replicas, self.exclude_from_latest, self.storage_account_type)
        text = canonical_json(self.attributes())
        return text, digest(text)


@lru_cache(maxsize=1024)
def _plain_text(replicas: int, exclude_from_latest: bool, storage_account_type: str | None) -> tuple[str, str]:
    """Canonical text and digest of a region with nothing but these: most regions are alike."""
    text = canonical_json(_plain_attributes(replicas, exclude_from_latest, storage_account_type))
    return text, digest(text)


def _plain_attributes(replicas: int, exclude_from_latest: bool, storage_account_type: str | None) -> dict[str, Any]:
    storage = {} if storage_account_type is None else {"storageAccountType": storage_account_type}
    return {"replicas": replicas, "excludeFromLatest": exclude_from_latest, **storage}


@dataclass(frozen=True, slots=True)
class ResolvedVersion:
    """A version with its definition's defaults applied. `settings` are its values by Python name."""

    declared: Declared[ImageVersion]
    definition: Declared[ImageDefinition]
    gallery: Declared[Gallery]
    settings: Mapping[str, Any]
    location: str
    regions: tuple[ResolvedRegion, ...]

    @property
    def address(self) -> Address:
        return self.declared.address

    def place(self, name: str) -> tuple[Origin, DocumentPath]:
        """Where the setting `name` (Python's spelling) was written: in the version, or in the definition's defaults."""
        alias = VersionSettings.model_fields[name].alias or name
        defaults = self.definition.document.version_defaults
        if getattr(self.declared.document, name) is None and defaults and getattr(defaults, name) is not None:
            return self.definition.origin, ("versionDefaults", alias)
        return self.declared.origin, (alias,)

    def attributes(self) -> dict[str, Any]:
        """The canonical attributes of the version's own node."""
        document, folder = self.declared.document, posixpath.dirname(self.declared.origin.file)
        attributes = canonical_values(ImageVersion, self.settings)
        attributes["location"] = self.location
        attributes["source"] = canonical_source(document.source, folder)
        for disk in document.data_disks or ():
            attributes["dataDisks"][str(disk.lun)]["source"] = canonical_source(disk.source, folder)
        return attributes

    def nodes(self, provider: str) -> Iterator[Resource]:
        """The version's own node, then one for each region in the order of their names."""
        lifecycle, origin = self.declared.lifecycle, self.declared.origin
        flags = write_flags(self.declared.document)
        own = version_part(lifecycle)
        yield Resource.of(self.address, provider, self.attributes(), origin, own, self._references(), flags)
        gallery, definition, number, _ = self.address
        for region in sorted(self.regions, key=lambda region: region.name):
            address = Address(gallery, definition, number, region.name)
            text, text_digest = region.canonical_text()
            part = lifecycle
            if lifecycle is not DEFAULT_LIFECYCLE:
                part = region_part(lifecycle, region.name, _REGION_ATTRIBUTES)
            yield Resource(address, provider, text, text_digest, origin, part)

    def _references(self) -> tuple[Address, ...]:
        """The version that the source names, or the definition when it names the latest."""
        source = self.declared.document.source.version
        if source is None:
            return ()
        return (source._replace(version="") if source.version == "latest" else source,)


def resolve_versions(
    declarations: Declarations, region_sets: Mapping[str, Sequence[str]], problems: list[Problem]
) -> dict[Address, ResolvedVersion]:
    """The versions with valid definition, gallery and region sets; adds unknown region sets to `problems`."""
    sets = {
        name: [TargetRegion.model_validate(parse_shorthand(text)) for text in members]
        for name, members in sorted(region_sets.items())
    }
    resolved = {}
    regions = 0
    for declared in declarations.nodes(ImageVersion):
        address = declared.address
        definition = declarations.node(ImageDefinition, Address(address.gallery, address.definition))
        gallery = declarations.node(Gallery, Address(address.gallery))
        if definition is not None and gallery is not None:
            version = _resolve(declared, definition, gallery, sets, problems)
            if version is not None:
                resolved[address] = version
                regions += len(version.regions)
        if regions > MOST_REGIONS:
            problems.append(_too_many_regions(declared))
        if regions > MOST_REGIONS or len(problems) > MOST_PROBLEMS:
            break
    return resolved


def _too_many_regions(declared: Declared[ImageVersion]) -> Problem:
    return Problem(
        declared.origin,
        ("targetRegions",),
        f"the versions have more than {MOST_REGIONS:,} target regions, counted to this one",
        "list fewer regions, or split the project into several, each in a folder of its own",
        declared.address,
    )


def _resolve(
    declared: Declared[ImageVersion],
    definition: Declared[ImageDefinition],
    gallery: Declared[Gallery],
    region_sets: RegionSets,
    problems: list[Problem],
) -> ResolvedVersion | None:
    """The version with everything inherited; None, and a Problem in `problems`, when it names an unknown region set."""
    settings = _inherit(declared.document, definition.document.version_defaults)
    location = settings.get("location") or gallery.document.location
    entries = settings.get("target_regions")
    if entries is None:
        entry = TargetRegion.model_validate({"name": location})
        home = _region(entry, entry, settings, declared.origin, ("location",))
        return ResolvedVersion(declared, definition, gallery, settings, location, (home,))
    own = declared.document.target_regions is not None
    origin = declared.origin if own else definition.origin
    path: DocumentPath = ("targetRegions",) if own else ("versionDefaults", "targetRegions")
    before = len(problems)
    every = _regions(entries, settings, region_sets, origin, path, problems)
    regions = tuple(islice(every, MOST_REGIONS + 1))
    if len(problems) > before:
        return None
    return ResolvedVersion(declared, definition, gallery, settings, location, regions)


def _beside(source: DiskSource) -> dict[str, str]:
    """What is said beside the place of a file: which machine of it, and what digest it must have."""
    more = {"machine": source.machine if isinstance(source, Source) else None, "sha256": source.sha256}
    return {name: value for name, value in more.items() if value}


def canonical_source(source: DiskSource, folder: str) -> dict[str, Any]:
    """`{STYLE: ...}`; a file relative to the project instead of to `folder`, where it was written."""
    if source.file is not None:
        path = posixpath.normpath(posixpath.join(folder, source.file))
        return {"file": path, **_beside(source)}
    if source.url is not None:
        return {"url": source.url, **_beside(source)}
    version = source.version if isinstance(source, Source) else None
    if version is not None:
        return {"version": str(version)}
    return canonical(source)


def _inherit(document: ImageVersion, defaults: VersionSettings | None) -> dict[str, Any]:
    own = {name: value for name, value in document.__dict__.items() if value is not None}
    if defaults is None:
        return _DEFAULTS | own
    inherited = {name: value for name, value in defaults.__dict__.items() if value is not None}
    if "storage_account_type" in own or "storage_account_strategy" in own:
        inherited.pop("storage_account_type", None)
        inherited.pop("storage_account_strategy", None)
    return _DEFAULTS | inherited | own


def _regions(
    entries: Sequence[TargetRegion],
    settings: Mapping[str, Any],
    region_sets: RegionSets,
    origin: Origin,
    path: DocumentPath,
    problems: list[Problem],
) -> Iterator[ResolvedRegion]:
    for index, entry in enumerate(entries):
        entry_path = (*path, index)
        if not entry.name.startswith("@"):
            yield _region(entry, entry, settings, origin, entry_path)
            continue
        members = region_sets.get(entry.name[1:])
        if members is None:
            problems.append(_unknown_set(entry.name[1:], region_sets, origin, entry_path))
            if len(problems) > MOST_PROBLEMS:
                return
            continue
        for member in members:
            yield _region(entry, member, settings, origin, entry_path)


def _region(
    entry: TargetRegion, member: TargetRegion, settings: Mapping[str, Any], origin: Origin, path: DocumentPath
) -> ResolvedRegion:
    """`entry` is what the list holds; `member` is the same, or one region of the set that it names."""
    replicas = entry.replicas or member.replicas or settings["replica_count"]
    exclude = entry.exclude_from_latest
    return ResolvedRegion(
        name=member.name,
        replicas=replicas,
        exclude_from_latest=settings["exclude_from_latest"] if exclude is None else exclude,
        storage_account_type=entry.storage_account_type
        or member.storage_account_type
        or settings.get("storage_account_type"),
        encryption=entry.encryption,
        entry=entry,
        origin=origin,
        path=path,
    )


def _unknown_set(name: str, region_sets: RegionSets, origin: Origin, path: DocumentPath) -> Problem:
    remedy = suggestion(name, region_sets, label="declared in reconciler.yaml")
    return Problem(origin, path, f"unknown region set {quoted(name)}", remedy)

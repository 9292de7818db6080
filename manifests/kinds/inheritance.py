"""What versions and regions are after inheritance: the middle between documents and resources, which rules look at."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.declarations.declared import Declared
from reconciler.manifests.kinds.base import canonical, canonical_values, default_of
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.image_version import DiskSource, ImageVersion, Source, VersionSettings
from reconciler.manifests.kinds.target_region import Encryption, TargetRegion
from reconciler.manifests.problems import DocumentPath, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted, suggestion

RegionSets = Mapping[str, Sequence[TargetRegion]]

_MATERIALISED = {
    name: default for name, field in VersionSettings.model_fields.items() if (default := default_of(field)) is not None
}


@dataclass(frozen=True, slots=True)
class DesiredRegion:
    """A target region with nothing left to inherit; `path` is where it stands in the document `origin`."""

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
        found: dict[str, Any] = {"replicas": self.replicas, "excludeFromLatest": self.exclude_from_latest}
        if self.storage_account_type is not None:
            found["storageAccountType"] = self.storage_account_type
        rest = canonical(self.entry)
        found.update({key: rest[key] for key in ("encryption", "additionalReplicaSets") if key in rest})
        return found


@dataclass(frozen=True, slots=True)
class DesiredVersion:
    """A version with its definition's defaults taken in. `settings` are its values by Python name."""

    declared: Declared[ImageVersion]
    definition: Declared[ImageDefinition]
    gallery: Declared[Gallery]
    settings: Mapping[str, Any]
    location: str
    regions: tuple[DesiredRegion, ...]

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
        found = canonical_values(ImageVersion, self.settings)
        found["location"] = self.location
        found["source"] = canonical_source(document.source, folder)
        for disk in document.data_disks or ():
            found["dataDisks"][str(disk.lun)]["source"] = canonical_source(disk.source, folder)
        return found


def desired_version(
    declared: Declared[ImageVersion],
    definition: Declared[ImageDefinition],
    gallery: Declared[Gallery],
    region_sets: RegionSets,
    problems: list[Problem],
) -> DesiredVersion | None:
    """The version with everything inherited; None, and a Problem in `problems`, when it names an unknown region set."""
    settings = _inherit(declared.document, definition.document.version_defaults)
    location = settings.get("location") or gallery.document.location
    entries = settings.get("target_regions")
    if entries is None:
        here = TargetRegion.model_validate({"name": location})
        home = _region(here, here, settings, declared.origin, ("location",))
        return DesiredVersion(declared, definition, gallery, settings, location, (home,))
    own = declared.document.target_regions is not None
    origin = declared.origin if own else definition.origin
    path: DocumentPath = ("targetRegions",) if own else ("versionDefaults", "targetRegions")
    before = len(problems)
    regions = tuple(_regions(entries, settings, region_sets, origin, path, problems))
    if len(problems) > before:
        return None
    return DesiredVersion(declared, definition, gallery, settings, location, regions)


def canonical_source(source: DiskSource, folder: str) -> dict[str, Any]:
    """`{STYLE: ...}`; a file relative to the project instead of to `folder`, where it was written."""
    if source.file is not None:
        return {"file": posixpath.normpath(posixpath.join(folder, source.file))}
    version = source.version if isinstance(source, Source) else None
    if version is not None:
        return {"version": str(version)}
    return canonical(source)


def _inherit(document: ImageVersion, defaults: VersionSettings | None) -> dict[str, Any]:
    own = {name: value for name, value in document.__dict__.items() if value is not None}
    if defaults is None:
        return _MATERIALISED | own
    inherited = {name: value for name, value in defaults.__dict__.items() if value is not None}
    if "storage_account_type" in own or "storage_account_strategy" in own:
        inherited.pop("storage_account_type", None)
        inherited.pop("storage_account_strategy", None)
    return _MATERIALISED | inherited | own


def _regions(
    entries: Sequence[TargetRegion],
    settings: Mapping[str, Any],
    region_sets: RegionSets,
    origin: Origin,
    path: DocumentPath,
    problems: list[Problem],
) -> Iterator[DesiredRegion]:
    for index, entry in enumerate(entries):
        here = (*path, index)
        if not entry.name.startswith("@"):
            yield _region(entry, entry, settings, origin, here)
            continue
        members = region_sets.get(entry.name[1:])
        if members is None:
            problems.append(_unknown_set(entry.name[1:], region_sets, origin, here))
            continue
        for member in members:
            yield _region(entry, member, settings, origin, here)


def _region(
    entry: TargetRegion, member: TargetRegion, settings: Mapping[str, Any], origin: Origin, path: DocumentPath
) -> DesiredRegion:
    """`entry` is what stands in the list; `member` the same, or one region of the set it names."""
    replicas = entry.replicas or member.replicas or settings["replica_count"]
    exclude = entry.exclude_from_latest
    return DesiredRegion(
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
    remedy = suggestion(name, sorted(region_sets), label="declared in reconciler.yaml")
    return Problem(origin, path, f"no region set is called {quoted(name)}", remedy)

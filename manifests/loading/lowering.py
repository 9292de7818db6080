"""From documents to the `Manifest`: inheritance, nodes for regions, references, order and digest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.declarations.declared import Declarations, Declared, collect
from reconciler.manifests.declarations.inheritance import DesiredRegion, DesiredVersion, RegionSets, desired_version
from reconciler.manifests.kinds.base import KindModel, canonical, write_flags
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.mutability import attribute_names
from reconciler.manifests.kinds.target_region import TargetRegion, parse_shorthand
from reconciler.manifests.loading.end_of_life import end_of_life_dates, end_of_life_warnings
from reconciler.manifests.manifest import Manifest, Move, Removal
from reconciler.manifests.problems import Problem
from reconciler.manifests.project import DEFAULT_PROVIDER, Project
from reconciler.manifests.resource import DEFAULT_LIFECYCLE, Lifecycle, Resource
from reconciler.manifests.validation import Desired, check
from reconciler.manifests.values import canonical_json, digest

if TYPE_CHECKING:
    from reconciler.manifests.parsing.documents import Document

_REGION_ATTRIBUTES = attribute_names(Kind.TARGET_REGION)


def lower(project: Project, documents: Sequence[Document]) -> tuple[Manifest, list[Problem]]:
    """What the documents declare, and every problem of the schema and of the rules between documents.

    The Manifest is only worth something when there are no problems.
    """
    declarations, problems = collect(documents)
    versions = _versions(declarations, _region_sets(project), problems)
    problems += check(Desired(project, declarations, versions))
    if problems:
        return Manifest({}, ""), _without_repeats(problems)
    resources = _resources(declarations, versions)
    moves = tuple(Move(moved.source, moved.target, origin) for moved, origin in declarations.moves)
    moves = tuple(sorted(moves, key=lambda move: move.source.sort_key))
    removals = tuple(Removal(removed.address, removed.destroy, origin) for removed, origin in declarations.removals)
    removals = tuple(sorted(removals, key=lambda removal: removal.address.sort_key))
    warnings = end_of_life_warnings(end_of_life_dates(resources.values()), datetime.now(UTC))
    found = manifest_digest(resources.values(), moves, removals)
    return Manifest(MappingProxyType(resources), found, moves, removals, warnings), []


def manifest_digest(resources: Iterable[Resource], moves: Sequence[Move], removals: Sequence[Removal]) -> str:
    """The digest of everything declared; `resources`, `moves` and `removals` in the order of their addresses."""
    lines = [
        "\t".join(
            (
                *resource.address,
                resource.provider,
                resource.digest,
                _lifecycle_text(resource.lifecycle),
                *resource.write_flags,
            )
        )
        for resource in resources
    ]
    lines += [f"moved\t{move.source}\t{move.target}" for move in moves]
    lines += [f"removed\t{removal.address}\t{removal.destroy}" for removal in removals]
    return digest("\n".join(lines))


def _lifecycle_text(lifecycle: Lifecycle) -> str:
    return "" if lifecycle is DEFAULT_LIFECYCLE or lifecycle == DEFAULT_LIFECYCLE else repr(lifecycle)


def _region_sets(project: Project) -> RegionSets:
    return {
        name: [TargetRegion.model_validate(parse_shorthand(text)) for text in members]
        for name, members in project.region_sets.items()
    }


def _versions(
    declarations: Declarations, region_sets: RegionSets, problems: list[Problem]
) -> dict[Address, DesiredVersion]:
    """The versions whose definition, gallery and region sets are declared and sound."""
    found = {}
    for address, declared in declarations.versions.items():
        definition = declarations.definitions.get(Address(address.gallery, address.definition))
        gallery = declarations.galleries.get(Address(address.gallery))
        if definition is not None and gallery is not None:
            version = desired_version(declared, definition, gallery, region_sets, problems)
            if version is not None:
                found[address] = version
    return found


def _resources(declarations: Declarations, versions: dict[Address, DesiredVersion]) -> dict[Address, Resource]:
    """All nodes, a version's regions right after it, in the order of addresses."""
    found: dict[Address, Resource] = {}
    regions: dict[tuple[int, bool, str | None], tuple[str, str]] = {}
    for declared in sorted(declarations.all(), key=lambda declared: declared.address.sort_key):
        gallery = declarations.galleries[Address(declared.address.gallery)].document
        provider = gallery.provider or DEFAULT_PROVIDER
        version = versions.get(declared.address)
        if version is None:
            found[declared.address] = _container(declared, gallery, provider)
            continue
        for resource in _version_nodes(version, provider, regions):
            found[resource.address] = resource
    return found


def _container(declared: Declared[KindModel], gallery: Gallery, provider: str) -> Resource:
    document = declared.document
    attributes = canonical(document)
    lifecycle = None
    if isinstance(document, ImageDefinition):
        attributes.setdefault("location", gallery.location)
        lifecycle = document.lifecycle
    elif isinstance(document, Gallery):
        lifecycle = document.lifecycle
    return Resource.of(
        declared.address,
        provider,
        attributes,
        declared.origin,
        _lifecycle(lifecycle),
        write_flags=write_flags(document),
    )


def _version_nodes(
    version: DesiredVersion, provider: str, known: dict[tuple[int, bool, str | None], tuple[str, str]]
) -> Iterator[Resource]:
    declared = version.declared
    lifecycle = _lifecycle(declared.document.lifecycle)
    yield Resource.of(
        declared.address,
        provider,
        version.attributes(),
        declared.origin,
        _own_part(lifecycle),
        _references(version),
        write_flags(declared.document),
    )
    gallery, definition, number, _ = declared.address
    for region in sorted(version.regions, key=lambda region: region.name):
        text, text_digest = _region_text(region, known)
        address = Address(gallery, definition, number, region.name)
        part = lifecycle if lifecycle is DEFAULT_LIFECYCLE else _region_part(lifecycle, region.name)
        yield Resource(address, provider, text, text_digest, declared.origin, part)


def _region_text(region: DesiredRegion, known: dict[tuple[int, bool, str | None], tuple[str, str]]) -> tuple[str, str]:
    """Canonical text and digest of a region: most regions of an estate are alike, so each is worked out once."""
    key = (region.replicas, region.exclude_from_latest, region.storage_account_type)
    plain = region.encryption is None and not region.entry.additional_replica_sets
    if plain and key in known:
        return known[key]
    text = canonical_json(region.attributes())
    found = (text, digest(text))
    if plain:
        known[key] = found
    return found


def _references(version: DesiredVersion) -> tuple[Address, ...]:
    """The version its source names, or the definition when it names the latest."""
    named = version.declared.document.source.version
    if named is None:
        return ()
    return (named._replace(version="") if named.version == "latest" else named,)


def _lifecycle(entry: LifecycleEntry | None) -> Lifecycle:
    return entry.lowered() if entry else DEFAULT_LIFECYCLE


def _own_part(lifecycle: Lifecycle) -> Lifecycle:
    """A version's lifecycle without the paths that are about its regions."""
    return _with_paths(lifecycle, lambda path: "" if path.startswith("targetRegions.") else path)


def _region_part(lifecycle: Lifecycle, region: str) -> Lifecycle:
    """The lifecycle of one region: `targetRegions.PATH` and `targetRegions.REGION.PATH` of its version's."""

    def path_here(path: str) -> str:
        prefix, _, rest = path.partition(".")
        if prefix != "targetRegions":
            return ""
        if rest.startswith(f"{region}."):
            return rest.removeprefix(f"{region}.")
        return rest if rest.partition(".")[0] in _REGION_ATTRIBUTES else ""

    return _with_paths(lifecycle, path_here)


def _with_paths(lifecycle: Lifecycle, here: Callable[[str], str]) -> Lifecycle:
    """`lifecycle` with each attribute path replaced by `here(path)`, or left out where that is empty."""
    if not lifecycle.ignore_changes and not lifecycle.ignore_drift:
        return lifecycle
    return replace(
        lifecycle,
        ignore_changes=tuple(sorted({here(path) for path in lifecycle.ignore_changes} - {""})),
        ignore_drift=tuple(
            replace(exception, attribute=here(exception.attribute))
            for exception in lifecycle.ignore_drift
            if here(exception.attribute)
        ),
    )


def _without_repeats(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once: what is wrong in a definition's defaults shows up in every version."""
    return list({(problem.origin, problem.path, problem.summary): problem for problem in problems}.values())

"""From documents to the `Manifest`: collect, resolve, check, lower every kind, and digest the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.inheritance import resolve_versions
from reconciler.manifests.kinds.registry import Lowered, document_kinds
from reconciler.manifests.loading.collecting import collect
from reconciler.manifests.loading.end_of_life import end_of_life_dates, end_of_life_warnings
from reconciler.manifests.manifest import Manifest, Move, Removal
from reconciler.manifests.problems import MOST_PROBLEMS, Problem
from reconciler.manifests.project import Project
from reconciler.manifests.resource import DEFAULT_LIFECYCLE, Lifecycle, Resource
from reconciler.manifests.validation.check import check
from reconciler.manifests.values import digest

if TYPE_CHECKING:
    from reconciler.manifests.parsing.documents import Document


def lower(project: Project, documents: Sequence[Document]) -> tuple[Manifest, list[Problem]]:
    """What the documents declare, and every problem of the schema and of the rules between documents.

    The Manifest is empty when there are problems.
    """
    declarations, problems = collect(documents)
    versions = resolve_versions(declarations, project.region_sets, problems)
    configuration = Configuration(project, declarations, versions)
    if len(problems) < MOST_PROBLEMS:
        problems += check(configuration)
    if problems:
        return Manifest({}, ""), _without_repeats(problems)
    return _manifest(configuration), []


def _manifest(configuration: Configuration) -> Manifest:
    resources: dict[Address, Resource] = {}
    moves: list[Move] = []
    removals: list[Removal] = []
    for lowered in _lowered(configuration):
        match lowered:
            case Resource():
                resources[lowered.address] = lowered
            case Move():
                moves.append(lowered)
            case Removal():
                removals.append(lowered)
    moves.sort(key=lambda move: move.source.sort_key)
    removals.sort(key=lambda removal: removal.address.sort_key)
    warnings = end_of_life_warnings(end_of_life_dates(resources.values()), datetime.now(UTC))
    content = manifest_digest(resources.values(), moves, removals)
    return Manifest(MappingProxyType(resources), content, tuple(moves), tuple(removals), warnings)


def _lowered(configuration: Configuration) -> Iterator[Lowered]:
    """What all documents become: nodes in the order of addresses, a version's regions right after it."""
    by_kind, kinds = configuration.declarations.by_kind, document_kinds()
    for declared in sorted(configuration.declarations.by_address.values(), key=lambda node: node.address.sort_key):
        yield from kinds[type(declared.document).__name__].lower(declared, configuration)
    for spec in kinds.values():
        if not spec.nodes:
            for document in by_kind.get(spec.name, ()):
                yield from spec.lower(document, configuration)


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


def _without_repeats(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once: what is wrong in a definition's defaults shows up in every version."""
    return list({(problem.origin, problem.path, problem.summary): problem for problem in problems}.values())

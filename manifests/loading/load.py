"""From a project to its `Manifest`: read, parse, type, lower, check; every fault of every stage is told at once."""

from __future__ import annotations

from collections.abc import Mapping

from manifests.diagnostics import Position
from manifests.faults import Fault, refuse
from manifests.files import SourceFile, manifest_files, read_files
from manifests.loading.builder import Document, build_documents
from manifests.loading.events import BadEncoding, decode
from manifests.manifest import Manifest
from manifests.pause import collection_paused
from manifests.project import Project
from manifests.resource import Origin


def load_manifest(project: Project) -> Manifest:
    """Everything the project's manifests declare. Raises: ManifestError with every fault found."""
    names, missing = manifest_files(project.directory, project.manifests)
    files, unreadable = read_files(project.directory, names)
    return manifest_of(project, files, [*missing, *unreadable])


def manifest_of(project: Project, files: list[SourceFile], faults: list[Fault]) -> Manifest:
    """The Manifest of files that were read already; `faults` are those found until now. Raises: ManifestError."""
    from manifests.lowering import lower  # brings in the models

    with collection_paused():
        documents, unparsed = load_documents(files, project.values)
        manifest, refused = lower(project, documents)
        found = [*faults, *unparsed, *refused]
        if found:
            refuse(project.directory, found)
        return manifest


def load_documents(files: list[SourceFile], values: Mapping[str, str] | None) -> tuple[list[Document], list[Fault]]:
    """The documents of `files` in order, and what is wrong with the YAML itself."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for file in files:
        try:
            text = decode(file.content)
        except BadEncoding as cause:
            position = Position(file.name, cause.line, cause.column)
            faults.append(Fault(Origin(file.name, cause.line), (), cause.summary, cause.detail, position=position))
            continue
        found, wrong = build_documents(file.name, text, values)
        documents += found
        faults += wrong
    return documents, faults

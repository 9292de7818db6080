"""From a project to its `Manifest`: read, parse, type, lower, check; all problems are reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.manifests.garbage_collection import collection_paused
from reconciler.manifests.loading.lowering import lower
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.parsing.document_files import load_documents
from reconciler.manifests.parsing.files import SourceFile, read_files
from reconciler.manifests.parsing.finding import manifest_files, unread_warnings
from reconciler.manifests.parsing.problem_reports import refuse
from reconciler.manifests.problems import Problem
from reconciler.manifests.project import Project
from reconciler.manifests.trust import Trust


def read_manifest(
    project: Project, problems: Sequence[Problem] = (), trust: Trust | None = None
) -> tuple[list[SourceFile], Manifest]:
    """The project's manifest files, and everything they declare; read where `trust` allows it.

    Raises: ManifestError with every problem found, and `problems`, those of the project file.
    """
    roots = (trust or Trust()).roots(project.directory)
    names, missing, unread = manifest_files(project.directory, project.manifests, roots)
    files, unreadable = read_files(project.directory, names, roots)
    with collection_paused():
        documents, unparsed = load_documents(files, project.values)
        manifest, invalid = lower(project, documents)
        problems = [*problems, *missing, *unreadable, *unparsed, *invalid]
        if problems:
            refuse(project.directory, problems, trust)
        return files, replace(manifest, warnings=(*unread_warnings(unread), *manifest.warnings))

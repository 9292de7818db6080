"""Reading `reconciler.yaml`: parse, type, merge the environment, replace values, check the settings of providers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reconciler.manifests.diagnostics import Position, error
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.kinds.project_file import History, ProjectFile, ProjectSettings
from reconciler.manifests.kinds.scalars import type_name
from reconciler.manifests.loading.provider_settings import mapping_at, read_providers
from reconciler.manifests.loading.substitution import Substitution
from reconciler.manifests.parsing.document_files import load_documents
from reconciler.manifests.parsing.documents import Document
from reconciler.manifests.parsing.files import PROJECT_FILE, SourceFile, read_file
from reconciler.manifests.parsing.problem_reports import refuse
from reconciler.manifests.parsing.schema_problems import schema_problems
from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.project import (
    DEFAULT_ENVIRONMENT,
    DEFAULT_MANIFESTS,
    DEFAULT_STATE,
    Project,
)
from reconciler.manifests.resource import Origin
from reconciler.manifests.trust import Trust
from reconciler.manifests.words import quoted, suggestion


def read_project(directory: Path, environment: str | None = None, trust: Trust | None = None) -> Project:
    """The project of `directory`. Raises: ManifestError."""
    return project_of(directory, _content(directory), environment, trust)


def project_of(directory: Path, content: bytes, environment: str | None, trust: Trust | None = None) -> Project:
    """The project that the bytes of a project file describe. Raises: ManifestError."""
    project, problems = project_and_problems(directory, content, environment, trust)
    if problems:
        refuse(directory, problems)
    return project


def project_and_problems(
    directory: Path, content: bytes, environment: str | None, trust: Trust | None = None
) -> tuple[Project, list[Problem]]:
    """The project, and what is wrong with the settings of its providers: its manifests can still be checked.

    Raises: ManifestError for everything else.
    """
    documents, problems = load_documents([SourceFile(PROJECT_FILE, content)], None)
    if problems:
        refuse(directory, problems)
    document = _only_mapping(directory, documents)
    trust = trust or Trust()
    file = _typed(directory, document, environment or DEFAULT_ENVIRONMENT, trust)
    chosen = _environment(directory, document.origin, file, environment)
    return _merged(directory, document, file, chosen, environment or DEFAULT_ENVIRONMENT, trust)


def _content(directory: Path) -> bytes:
    path = directory / PROJECT_FILE
    if not os.path.lexists(path):
        raise ManifestError(
            [
                error(
                    f"there is no {PROJECT_FILE} in {directory}",
                    "run `reconciler init` there to make one, or name the project's folder with --project",
                )
            ]
        )
    try:
        return read_file(path, Trust().roots(directory))
    except InvalidInput as invalid:
        problem = error(invalid.summary, invalid.detail, position=Position(PROJECT_FILE))
        raise ManifestError([problem]) from invalid


def _only_mapping(directory: Path, documents: Sequence[Document]) -> Document:
    """The one document of a project file, whose data is a mapping. Raises: ManifestError."""
    example = "write at least: project: NAME and provider: {type: local, root: regions}"
    if not documents:
        refuse(directory, [Problem(Origin(PROJECT_FILE, 0), (), "the project file is empty", example)])
    document = documents[0]
    if len(documents) > 1:
        refuse(
            directory,
            [
                Problem(
                    documents[1].origin,
                    (),
                    "a second document in the project file",
                    "manifests belong in files of their own",
                )
            ],
        )
    if not isinstance(document.data, dict):
        refuse(
            directory,
            [
                Problem(
                    document.origin, (), f"the project file must be a mapping, not {type_name(document.data)}", example
                )
            ],
        )
    return document


def _typed(directory: Path, document: Document, environment: str, trust: Trust) -> ProjectFile:
    """Raises: ManifestError with what is wrong in the file, and in the settings of the environment's providers."""
    try:
        return ProjectFile.model_validate(document.data)
    except ValidationError as cause:
        substitution = Substitution(document.origin, _values(document.data, environment))
        read_providers(document.data, environment, substitution, directory, trust)
        refuse(directory, [*schema_problems(cause, ProjectFile, document.origin, None), *substitution.problems])


def _values(data: Mapping[str, Any], environment: str) -> dict[str, str]:
    """The values of a file that the schema refuses, as far as they can be made out."""
    written = mapping_at(data, ("values",)) | mapping_at(data, ("environments", environment, "values"))
    return {name: value for name, value in sorted(written.items()) if isinstance(value, str)}


def _environment(directory: Path, origin: Origin, file: ProjectFile, name: str | None) -> ProjectSettings | None:
    known = file.environments or {}
    if name is not None and name != DEFAULT_ENVIRONMENT and name not in known:
        remedy = suggestion(name, sorted({*known, DEFAULT_ENVIRONMENT}), label="declared")
        refuse(directory, [Problem(origin, ("environments",), f"no environment is called {quoted(name)}", remedy)])
    return known.get(name or DEFAULT_ENVIRONMENT)


def _merged(
    directory: Path,
    document: Document,
    file: ProjectFile,
    environment: ProjectSettings | None,
    name: str,
    trust: Trust,
) -> tuple[Project, list[Problem]]:
    over = environment or ProjectSettings()
    values = dict(sorted(((file.values or {}) | (over.values or {})).items()))
    in_settings, substitution = Substitution(document.origin, values), Substitution(document.origin, values)
    providers = read_providers(document.data, name, in_settings, directory, trust)
    if not providers:
        remedy = "add provider: {type: local, root: regions}, or another backend"
        substitution.problems.append(Problem(document.origin, (), "the project names no provider", remedy))
    manifests = over.manifests or file.manifests or list(DEFAULT_MANIFESTS)
    project = Project(
        name=file.project,
        directory=directory,
        environment=name,
        manifests=tuple(substitution.everywhere(manifests, ("manifests",))),
        state=substitution.text(over.state or file.state or DEFAULT_STATE, ("state",)),
        providers=providers,
        values=values,
        region_sets={
            key: tuple(members) for key, members in ((file.region_sets or {}) | (over.region_sets or {})).items()
        },
        keep_runs=(over.history or file.history or History()).keep,
    )
    if substitution.problems:
        refuse(directory, [*substitution.problems, *in_settings.problems])
    return project, in_settings.problems

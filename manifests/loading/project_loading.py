"""Reading `reconciler.yaml`: parse, type, merge the environment, replace values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reconciler.manifests.diagnostics import Position, error
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.kinds.project_file import ProjectFile, ProjectSettings, ProviderEntry, settings_of
from reconciler.manifests.kinds.scalars import type_name
from reconciler.manifests.parsing.document_files import load_documents
from reconciler.manifests.parsing.documents import Document, replace_values
from reconciler.manifests.parsing.files import PROJECT_FILE, SourceFile, read_file
from reconciler.manifests.parsing.problem_reports import refuse
from reconciler.manifests.parsing.schema_problems import schema_problems
from reconciler.manifests.problems import DocumentPath, InvalidInput, Problem
from reconciler.manifests.project import (
    DEFAULT_ENVIRONMENT,
    DEFAULT_MANIFESTS,
    DEFAULT_PROVIDER,
    DEFAULT_STATE,
    Project,
    ProviderSettings,
)
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted, suggestion


def read_project(directory: Path, environment: str | None = None) -> Project:
    """The project of `directory`. Raises: ManifestError."""
    return project_of(directory, _content(directory), environment)


def project_of(directory: Path, content: bytes, environment: str | None) -> Project:
    """The project that the bytes of a project file describe. Raises: ManifestError."""
    documents, problems = load_documents([SourceFile(PROJECT_FILE, content)], None)
    if problems:
        refuse(directory, problems)
    document, file = _typed(directory, documents)
    chosen = _environment(directory, document.origin, file, environment)
    return _merged(directory, document.origin, file, chosen, environment or DEFAULT_ENVIRONMENT)


def _content(directory: Path) -> bytes:
    path = directory / PROJECT_FILE
    if not path.exists():
        raise ManifestError(
            [
                error(
                    f"there is no {PROJECT_FILE} in {directory}",
                    "run `reconciler init` there to make one, or name the project's folder with --project",
                )
            ]
        )
    try:
        return read_file(path)
    except InvalidInput as invalid:
        problem = error(invalid.summary, invalid.detail, position=Position(PROJECT_FILE))
        raise ManifestError([problem]) from invalid


def _typed(directory: Path, documents: Sequence[Document]) -> tuple[Document, ProjectFile]:
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
                    "manifests belong into files of their own",
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
    try:
        file = ProjectFile.model_validate(document.data)
    except ValidationError as cause:
        refuse(directory, schema_problems(cause, ProjectFile, document.origin, None))
    return document, file


def _environment(directory: Path, origin: Origin, file: ProjectFile, name: str | None) -> ProjectSettings | None:
    known = file.environments or {}
    if name is not None and name != DEFAULT_ENVIRONMENT and name not in known:
        remedy = suggestion(name, sorted({*known, DEFAULT_ENVIRONMENT}), label="declared")
        refuse(directory, [Problem(origin, ("environments",), f"no environment is called {quoted(name)}", remedy)])
    return known.get(name or DEFAULT_ENVIRONMENT)


def _merged(
    directory: Path, origin: Origin, file: ProjectFile, environment: ProjectSettings | None, name: str
) -> Project:
    over = environment or ProjectSettings()
    providers = _providers(file) | _providers(over)
    values = (file.values or {}) | (over.values or {})
    replacing = _Replacing(origin, values)
    if not providers:
        remedy = "add provider: {type: local, root: regions}, or another backend"
        replacing.problems.append(Problem(origin, (), "the project names no provider", remedy))
    project = Project(
        name=file.project,
        directory=directory,
        environment=name,
        manifests=tuple(replacing.every(over.manifests or file.manifests or list(DEFAULT_MANIFESTS), ("manifests",))),
        state=replacing.text(over.state or file.state or DEFAULT_STATE, ("state",)),
        providers={
            key: ProviderSettings(
                replacing.text(entry.type, ("providers", key)), replacing.every(settings_of(entry), ("providers", key))
            )
            for key, entry in sorted(providers.items())
        },
        values=values,
        region_sets={
            key: tuple(members) for key, members in ((file.region_sets or {}) | (over.region_sets or {})).items()
        },
    )
    if replacing.problems:
        refuse(directory, replacing.problems)
    return project


def _providers(settings: ProjectSettings) -> dict[str, ProviderEntry]:
    default = {DEFAULT_PROVIDER: settings.provider} if settings.provider else {}
    return (settings.providers or {}) | default


class _Replacing:
    """Replaces `${values.NAME}` in what the project file says, and keeps what goes wrong."""

    def __init__(self, origin: Origin, values: Mapping[str, str]) -> None:
        self.origin = origin
        self.values = values
        self.problems: list[Problem] = []

    def text(self, text: str, path: DocumentPath) -> str:
        try:
            return replace_values(text, self.values)
        except InvalidInput as invalid:
            self.problems.append(Problem(self.origin, path, invalid.summary, invalid.detail))
            return text

    def every(self, value: Any, path: DocumentPath) -> Any:
        """`value` with every text in it replaced."""
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, list):
            return [self.every(entry, path) for entry in value]
        if isinstance(value, dict):
            return {key: self.every(entry, path) for key, entry in value.items()}
        return value

"""From a settings file to `Trust`. Paths in it are relative to the file, and `~` is the home folder."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from reconciler.manifests.diagnostics import Position, error
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.kinds.scalars import type_name
from reconciler.manifests.kinds.settings_file import SettingsFile, TrustedDownloads
from reconciler.manifests.parsing.document_files import load_documents
from reconciler.manifests.parsing.documents import Document
from reconciler.manifests.parsing.files import SourceFile, read_file
from reconciler.manifests.parsing.problem_reports import refuse
from reconciler.manifests.parsing.schema_problems import schema_problems
from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.trust import DownloadLimits, Trust

_SQLITE = "sqlite:///"


def read_trust(path: Path) -> Trust:
    """What the settings file at `path` trusts. Raises: ManifestError with everything that is wrong with it."""
    file = Path(os.path.realpath(path))
    settings = _typed(file.parent, _documents(file))
    endpoints = {
        endpoint.url.rstrip("/"): _absolute(file.parent, endpoint.ca) if endpoint.ca else None
        for endpoint in settings.azure.endpoints
    }
    return Trust(
        state=_state(file.parent, settings.state or ""),
        directories=tuple(_absolute(file.parent, folder) for folder in settings.directories),
        endpoints=endpoints,
        libvirt_uris=tuple(settings.libvirt.uris),
        databases=tuple(settings.postgresql.hosts),
        downloads=_downloads(file.parent, settings.downloads),
    )


def _downloads(folder: Path, settings: TrustedDownloads) -> DownloadLimits:
    return DownloadLimits(
        hosts={
            host.host.lower().removesuffix(":443"): _absolute(folder, host.ca) if host.ca else None
            for host in settings.hosts
        },
        image=settings.largest_gib << 30,
        unpacked=settings.largest_unpacked_gib << 30,
        cache=settings.cache_gib << 30,
    )


def _documents(file: Path) -> list[Document]:
    try:
        content = read_file(file, (str(file.parent),))
    except InvalidInput as invalid:
        problem = error(f"these settings: {invalid.summary}", invalid.detail, position=Position(str(file)))
        raise ManifestError([problem]) from invalid
    documents, problems = load_documents([SourceFile(str(file), content)], None)
    if problems:
        refuse(file.parent, problems)
    return documents


def _typed(folder: Path, documents: list[Document]) -> SettingsFile:
    """The settings in the one document of a file; those of an empty file trust nothing. Raises: ManifestError."""
    if not documents:
        return SettingsFile.model_validate({})
    document = documents[0]
    if len(documents) > 1:
        refuse(folder, [_problem(documents[1].origin, "a second document in the settings", "keep one of the two")])
    if not isinstance(document.data, dict):
        summary = f"settings must be a mapping, not {type_name(document.data)}"
        refuse(folder, [_problem(document.origin, summary, f"keys: {', '.join(SettingsFile.model_fields)}")])
    try:
        return SettingsFile.model_validate(document.data)
    except ValidationError as cause:
        refuse(folder, schema_problems(cause, SettingsFile, document.origin, None))


def _problem(origin: Origin, summary: str, detail: str) -> Problem:
    return Problem(origin, (), summary, detail)


def _absolute(folder: Path, written: str) -> Path:
    return Path(os.path.normpath(folder / os.path.expanduser(written)))


def _state(folder: Path, url: str) -> str:
    """A state's URL; that of a file with the absolute path."""
    path = url.removeprefix(_SQLITE)
    return f"{_SQLITE}{_absolute(folder, path)}" if url.startswith(_SQLITE) and path.strip("/") else url

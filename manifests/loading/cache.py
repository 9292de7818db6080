"""The manifests as they were last loaded, valid as long as nothing that they were made from has changed.

A cache file has a header line, which names its inputs, and a line with the result. It counts only when all inputs are
the same byte for byte. Whatever is wrong with it, the manifests are loaded again: a cache may be deleted at any time.
On a hit neither the YAML parser nor the models are imported.

The header also identifies the project file by inode and time of change. No one can know these in advance, so a cache
that came with a checkout, planted to show one thing in review and do another, never counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from reconciler.manifests.garbage_collection import collection_paused
from reconciler.manifests.loading.cache_codec import decode_manifest, decode_project, encode_manifest, encode_project
from reconciler.manifests.loading.end_of_life import end_of_life_warnings
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.parsing.files import PROJECT_FILE, SourceFile, read_file
from reconciler.manifests.parsing.finding import manifest_files, unread_warnings
from reconciler.manifests.private_files import read_cache, write_cache
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.project import DEFAULT_ENVIRONMENT, Project
from reconciler.manifests.trust import Trust
from reconciler.manifests.values import digest

FOLDER = Path(".reconciler") / "cache"
SCHEMA = 4
_UNUSABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Hit:
    """A cache file whose inputs are unchanged."""

    header: Mapping[str, Any]
    path: Path
    unread: list[str]


def load(directory: Path, environment: str | None = None, trust: Trust | None = None) -> tuple[Project, Manifest]:
    """The project and everything its manifests declare; from the cache when nothing has changed.

    Raises: ManifestError with every problem found.
    """
    trust = trust or Trust()
    hit = _find(directory, environment, trust)
    cached = _decoded(hit, directory) if hit else None
    return cached or _load_and_keep(directory, environment, trust)


@dataclass(frozen=True, slots=True)
class CachedManifest:
    """What is known of unchanged manifests without decoding them: the project, their digest, whether there may be
    something to warn of (`dated`: an end of life, or a file that is not read), and `stamp`, a string that only these
    inputs on this computer have."""

    project: Project
    digest: str
    dated: bool
    stamp: str


def find_cached(directory: Path, environment: str | None = None, trust: Trust | None = None) -> CachedManifest | None:
    """What was loaded before, when nothing has changed since; None when the manifests must be loaded.

    Reads the files to compare them, and decodes nothing.
    """
    hit = _find(directory, environment, trust or Trust())
    if hit is None:
        return None
    header = hit.header
    try:
        project = decode_project(header["settings"], directory)
        return CachedManifest(
            project,
            str(header["digest"]),
            bool(header["dated"] or hit.unread),
            digest(json.dumps(header, sort_keys=True)),
        )
    except _UNUSABLE:
        return None


def _find(directory: Path, environment: str | None, trust: Trust) -> _Hit | None:
    path = _path(directory, environment)
    try:
        header = json.loads(read_cache(path).partition(b"\n")[0])
        if header["program"] != _program() or header["project"] != _project_stamp(directory):
            return None
        if header["trust"] != _trust_stamp(trust):
            return None
        if any(_file_stamp(known[0]) != known for known in header["definitions"]):
            return None
        roots = trust.roots(directory)
        names, problems, unread = manifest_files(directory, tuple(header["patterns"]), roots)
        files = header["files"]
        if problems or names != [name for name, _ in files]:
            return None
        unchanged = all(_sha256(read_file(directory / name, roots)) == sha for name, sha in files)
    except (*_UNUSABLE, InvalidInput, RecursionError):
        return None
    return _Hit(header, path, unread) if unchanged and isinstance(header["digest"], str) else None


def _decoded(hit: _Hit, directory: Path) -> tuple[Project, Manifest] | None:
    with collection_paused():
        try:
            header, _, text = read_cache(hit.path).partition(b"\n")
            if json.loads(header) != hit.header:
                return None
            body = json.loads(text)
            resources, dates, moves, removals = decode_manifest(body)
            project = decode_project(hit.header["settings"], directory)
        except (*_UNUSABLE, RecursionError):
            return None
    warnings = (*unread_warnings(hit.unread), *end_of_life_warnings(dates, datetime.now(UTC)))
    return project, Manifest(resources, hit.header["digest"], moves, removals, warnings)


def _load_and_keep(directory: Path, environment: str | None, trust: Trust) -> tuple[Project, Manifest]:
    from reconciler.manifests.loading.manifest_loading import read_manifest
    from reconciler.manifests.loading.project_loading import project_and_problems, read_project

    try:
        stamp = _project_stamp(directory)
        project, problems = project_and_problems(directory, _project_file(directory), environment, trust)
    except (OSError, InvalidInput):
        stamp, project, problems = [], read_project(directory, environment, trust), []
    files, manifest = read_manifest(project, problems, trust)
    _keep(_path(directory, environment), [stamp, _trust_stamp(trust)], project, files, manifest)
    return project, manifest


def _keep(path: Path, stamps: list[Any], project: Project, files: list[SourceFile], manifest: Manifest) -> None:
    """Writes the cache file; a folder that cannot be written has no cache, nor has a project with a password in it."""
    from reconciler.manifests.loading.provider_settings import definition_files

    if _has_password(project.state):
        return
    body = encode_manifest(manifest)
    backends = [provider.type for provider in project.providers.values()]
    header = {
        "program": _program(),
        "definitions": [_file_stamp(file) for file in definition_files(backends)],
        "project": stamps[0],
        "trust": stamps[1],
        "patterns": list(project.manifests),
        "files": [[file.name, file.sha256] for file in files],
        "digest": manifest.digest,
        "settings": encode_project(project),
        "dated": bool(body["dates"]),
    }
    text = f"{json.dumps(header)}\n{json.dumps(body, separators=(',', ':'))}\n"
    write_cache(path, text)


def _has_password(url: str) -> bool:
    """Whether a state's URL may contain a password: in doubt, it does."""
    plain = unquote(url.partition("://")[2])
    return ("@" in plain and ":" in plain.rpartition("@")[0]) or "password" in plain


def _path(directory: Path, environment: str | None) -> Path:
    return directory / FOLDER / f"manifest-{digest(environment or DEFAULT_ENVIRONMENT)}.json"


def _project_stamp(directory: Path) -> list[Any]:
    status = (directory / PROJECT_FILE).stat()
    return [_sha256(_project_file(directory)), status.st_dev, status.st_ino, status.st_ctime_ns]


def _project_file(directory: Path) -> bytes:
    """Raises: InvalidInput; OSError."""
    return read_file(directory / PROJECT_FILE, Trust().roots(directory))


def _trust_stamp(trust: Trust) -> str:
    """What settings and files were accepted with: others may be refused. The state's URL, which may hold a password,
    does not matter here."""
    return digest(repr(replace(trust, state="")))


def _file_stamp(path: str) -> list[Any]:
    """Path, size and time of change of a file or folder."""
    status = os.stat(path)
    return [path, status.st_size, status.st_mtime_ns]


def _program() -> str:
    """Identifies this program: the format's number, and size and time of every file that affects the result."""
    stamps = []
    for folder, _, names in os.walk(Path(__file__).parents[1]):
        for name in sorted(names):
            if name.endswith(".py"):
                status = os.stat(os.path.join(folder, name))
                stamps.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    return f"{SCHEMA} {digest(' '.join(sorted(stamps)))}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""The providers of a project file: each one's settings, with values replaced, checked by the model of its backend."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reconciler.manifests.backends import FACTORIES, BrokenBackend, installed, is_ours, settings_model
from reconciler.manifests.kinds.base import PROJECT_DIRECTORY, Model, models_within
from reconciler.manifests.loading.substitution import Substitution
from reconciler.manifests.parsing.schema_problems import dotted, schema_problems
from reconciler.manifests.problems import DocumentPath, Problem
from reconciler.manifests.project import DEFAULT_PROVIDER, ProviderSettings
from reconciler.manifests.resource import Origin
from reconciler.manifests.trust import TRUST, Trust
from reconciler.manifests.words import quoted, suggestion


@dataclass(frozen=True, slots=True)
class _Entry:
    """A provider as written, and its path in the project file."""

    path: DocumentPath
    type: str
    settings: Mapping[str, Any]


def checked_settings(model: type[Model], settings: Mapping[str, Any], directory: Path, trust: Trust) -> dict[str, Any]:
    """Settings as a backend gets them: plain JSON under the names of the project file, defaults filled in, and what is
    not set left out. `directory` is the project's, `trust` that of whoever runs this.

    Raises: pydantic.ValidationError.
    """
    checked = model.model_validate(settings, context={PROJECT_DIRECTORY: directory, TRUST: trust})
    return checked.model_dump(mode="json", by_alias=True, exclude_none=True)


def read_providers(
    data: Mapping[str, Any], environment: str, substitution: Substitution, directory: Path, trust: Trust
) -> dict[str, ProviderSettings]:
    """The providers of an environment by name, sorted; what is wrong with them is added to the substitution's problems.

    `data` is the project file as written. What is not even shaped like a provider is left out: the schema reports it.
    """
    providers = {}
    for name, entry in sorted(_entries(data, environment).items()):
        backend = substitution.text(entry.type, (*entry.path, "type"))
        settings = substitution.everywhere(entry.settings, entry.path)
        providers[name] = ProviderSettings(
            backend, _checked(backend, settings, entry.path, substitution, directory, trust)
        )
    return providers


def definition_files(backends: Iterable[str]) -> list[str]:
    """The files and folders that define how the settings of `backends` are checked, sorted: while none has changed,
    settings that were accepted once are accepted again."""
    return sorted({file for backend in set(backends) for file in _definition_files(backend)})


def _entries(data: Mapping[str, Any], environment: str) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for path in ((), ("environments", environment)):
        part = mapping_at(data, path)
        written = {("providers", name): value for name, value in mapping_at(part, ("providers",)).items()}
        for place, value in (written | {("provider",): part.get("provider")}).items():
            if isinstance(value, dict) and isinstance(value.get("type"), str):
                settings = {key: setting for key, setting in value.items() if key != "type"}
                name = place[1] if len(place) > 1 else DEFAULT_PROVIDER
                entries[name] = _Entry((*path, *place), value["type"], settings)
    return entries


def mapping_at(data: Mapping[str, Any], path: Iterable[str]) -> dict[str, Any]:
    """The mapping at `path`; an empty one where there is none."""
    for key in path:
        inner = data.get(key)
        data = inner if isinstance(inner, dict) else {}
    return dict(data)


def _checked(
    backend: str,
    settings: dict[str, Any],
    path: DocumentPath,
    substitution: Substitution,
    directory: Path,
    trust: Trust,
) -> dict[str, Any]:
    """The settings that the backend's model makes of these; as they are where it has none, or refuses them."""
    origin, place = substitution.origin, (*path, "type")
    known = {problem.path for problem in substitution.problems}
    try:
        model = settings_model(backend)
    except BrokenBackend as broken:
        summary = f"{dotted(place)}: {broken}"
        substitution.problems.append(Problem(origin, place, summary, "repair that package, or remove it"))
        return settings
    if model is None:
        substitution.problems += _unknown_type(backend, place, origin) if place not in known else ()
        return settings
    try:
        return checked_settings(model, settings, directory, trust)
    except ValidationError as cause:
        refused = schema_problems(cause, model, origin, None, path)
        substitution.problems += [problem for problem in refused if problem.path not in known]
        return settings


def _unknown_type(backend: str, place: DocumentPath, origin: Origin) -> Iterator[Problem]:
    backends = installed(FACTORIES)
    if backend not in backends:
        summary = f"{dotted(place)}: no backend of type {quoted(backend)} is installed"
        yield Problem(origin, place, summary, suggestion(backend, backends, label="installed"))


def _definition_files(backend: str) -> Iterator[str]:
    """The modules that a backend's model is made of, those beside them in a package, and for somebody else's backend
    the folder it is installed in, which changes with every installation there."""
    model = settings_model(backend)
    for module in _modules_of(model) if model else ():
        file = Path(str(sys.modules[module].__file__))
        yield from map(str, file.parent.glob("*.py")) if sys.modules[module].__package__ else [str(file)]
    point = installed(FACTORIES).get(backend)
    if point is not None and point.dist is not None and not is_ours(point):
        yield str(point.dist.locate_file(""))


def _modules_of(model: type[Model]) -> set[str]:
    """The modules of a model, of those inside it and of those it is derived from, except for the base of all."""
    bases = {base for part in models_within([model]) for base in part.__mro__ if issubclass(base, Model)}
    return {base.__module__ for base in bases - {Model}}

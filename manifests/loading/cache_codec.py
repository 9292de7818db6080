"""A `Manifest` as compact JSON and back: repeated values are stored once in a table, and regions with their version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.loading.end_of_life import Dated, end_of_life_dates
from reconciler.manifests.manifest import Manifest, Move, Removal
from reconciler.manifests.project import Project, ProviderSettings
from reconciler.manifests.resource import DEFAULT_LIFECYCLE, DriftException, Lifecycle, OnRemove, Origin, Resource


class _Table:
    """Values by number, each once, in the order in which they first occurred."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def values(self) -> list[Any]:
        return list(self._numbers)


def encode_manifest(manifest: Manifest) -> dict[str, Any]:
    """JSON for everything but the digest and the warnings, which depend on the clock.

    A row is a gallery, definition or version with its regions: [names, provider, text, file, line, lifecycle,
    references, write flags, [region, text, lifecycle, ...]], all but the line, references and write flags by number.
    """
    words, texts, lifecycles = _Table(), _Table(), _Table()
    lifecycles.number(DEFAULT_LIFECYCLE)
    rows: list[list[Any]] = []
    for address, resource in manifest.resources.items():
        text = texts.number((resource.canonical, resource.digest))
        lifecycle = lifecycles.number(resource.lifecycle)
        if address.region:
            rows[-1][8] += (words.number(address.region), text, lifecycle)
            continue
        names = [words.number(name) for name in address[:3]]
        references = [str(reference) for reference in resource.references]
        file = words.number(resource.origin.file)
        rows.append(
            [
                *(names, words.number(resource.provider), text, file, resource.origin.line, lifecycle),
                *(references, resource.write_flags, []),
            ]
        )
    return {
        "words": words.values(),
        "texts": texts.values(),
        "lifecycles": [_encode_lifecycle(lifecycle) for lifecycle in lifecycles.values()],
        "rows": rows,
        "dates": [[str(address), date, *_plain(origin)] for address, date, origin in _dates(manifest)],
        "moves": [[str(move.source), str(move.target), *_plain(move.origin)] for move in manifest.moves],
        "removals": [[str(removal.address), removal.destroy, *_plain(removal.origin)] for removal in manifest.removals],
    }


Decoded = tuple[Mapping[Address, Resource], list[Dated], tuple[Move, ...], tuple[Removal, ...]]


def decode_manifest(data: Mapping[str, Any]) -> Decoded:
    """Resources in order, end-of-life dates, moves and removals.

    Raises: KeyError, IndexError, ValueError, TypeError or AttributeError on anything that encode_manifest did not make.
    """
    dates = [(Address.parse(address), date, Origin(file, line)) for address, date, file, line in data["dates"]]
    moves = [
        Move(Address.parse(source), Address.parse(target), Origin(file, line))
        for source, target, file, line in data["moves"]
    ]
    removals = [
        Removal(Address.parse(address), destroy, Origin(file, line))
        for address, destroy, file, line in data["removals"]
    ]
    return MappingProxyType(_resources(data)), dates, tuple(moves), tuple(removals)


def _resources(data: Mapping[str, Any]) -> dict[Address, Resource]:
    words, texts = data["words"], data["texts"]
    lifecycles = [_decode_lifecycle(lifecycle) for lifecycle in data["lifecycles"]]
    lifecycles[0] = DEFAULT_LIFECYCLE
    resources: dict[Address, Resource] = {}
    for names, provider_number, text, file, line, lifecycle, references, write_flags, regions in data["rows"]:
        gallery, definition, version = words[names[0]], words[names[1]], words[names[2]]
        provider, origin = words[provider_number], Origin(words[file], line)
        address = Address(gallery, definition, version)
        canonical, text_digest = texts[text]
        resources[address] = Resource(
            address,
            provider,
            canonical,
            text_digest,
            origin,
            lifecycles[lifecycle],
            tuple(map(Address.parse, references)) if references else (),
            tuple(write_flags),
        )
        for index in range(0, len(regions), 3):
            address = Address(gallery, definition, version, words[regions[index]])
            canonical, text_digest = texts[regions[index + 1]]
            region_lifecycle = lifecycles[regions[index + 2]]
            resources[address] = Resource(address, provider, canonical, text_digest, origin, region_lifecycle)
    return resources


def encode_project(project: Project) -> dict[str, Any]:
    """JSON for everything but the directory."""
    return {
        "name": project.name,
        "environment": project.environment,
        "manifests": list(project.manifests),
        "state": project.state,
        "providers": {name: [entry.type, entry.settings] for name, entry in project.providers.items()},
        "values": dict(project.values),
        "region_sets": {name: list(members) for name, members in project.region_sets.items()},
        "keep_runs": project.keep_runs,
    }


def decode_project(data: Mapping[str, Any], directory: Path) -> Project:
    """The project, in `directory`. Raises: as decode_manifest."""
    return Project(
        name=data["name"],
        directory=directory,
        environment=data["environment"],
        manifests=tuple(data["manifests"]),
        state=data["state"],
        providers={name: ProviderSettings(*entry) for name, entry in data["providers"].items()},
        values=data["values"],
        region_sets={name: tuple(members) for name, members in data["region_sets"].items()},
        keep_runs=int(data["keep_runs"]),
    )


def _encode_lifecycle(lifecycle: Lifecycle) -> list[Any]:
    return [
        lifecycle.protect,
        lifecycle.on_remove.value,
        lifecycle.allow_replace,
        list(lifecycle.ignore_changes),
        [[entry.attribute, entry.reason, entry.until] for entry in lifecycle.ignore_drift],
    ]


def _decode_lifecycle(data: list[Any]) -> Lifecycle:
    protect, on_remove, allow_replace, changes, drift = data
    exceptions = tuple(DriftException(*entry) for entry in drift)
    return Lifecycle(protect, OnRemove(on_remove), allow_replace, tuple(changes), exceptions)


def _dates(manifest: Manifest) -> list[Dated]:
    return end_of_life_dates(manifest.resources.values())


def _plain(origin: Origin) -> tuple[str, int]:
    return origin.file, origin.line

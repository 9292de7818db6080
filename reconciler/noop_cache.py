"""The no-op cache: after an empty plan, the next one only has to check whether anything has changed since.

An entry is valid for one stamp of the manifests and one lineage and serial of the state, in a store that no one wrote
to in another way: when any of these changes, a full plan is made. Objects are checked every time by their recorded
fingerprints, and sources by their identity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.loading.cache import CachedManifest
from reconciler.manifests.private_files import read_cache, write_cache
from reconciler.manifests.values import canonical_json, digest
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Reader, Scope
from reconciler.state.records import Record, State
from reconciler.state.store import StateStore


@dataclass(frozen=True, slots=True)
class CachedNoOp:
    """An empty plan: how many resources it found unchanged, and (provider, source, identity) of every source. `places`:
    provider -> its recorded places, by region.

    `key` says which manifests and which state it is valid for.
    """

    key: str
    unchanged: int
    sources: tuple[tuple[str, Mapping[str, Any], str], ...]
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def prepare(
    manifest: CachedManifest | None, loaded: str, state: State, stamp: str, readers: Mapping[str, Reader]
) -> CachedNoOp | None:
    """The entry to save if the plan turns out to be empty, with `unchanged` still 0; None when it must not be saved.

    That is where a date or a renamed object calls for a full plan every time, nothing is recorded, or `manifest` is
    not what was `loaded` (a digest). Sources are identified now, before the plan reads them: what changes meanwhile
    then counts as changed. For the same reason `stamp` is that of the store before `state` was read.
    """
    renamed = any(record.named is not None for record in state.records.values())
    if manifest is None or manifest.dated or manifest.digest != loaded or renamed or not state.records:
        return None
    from reconciler.planning.refresh import places_of

    places = {name: places_of(state, name) for name in readers}
    return CachedNoOp(_key(manifest, state, stamp), 0, tuple(_source_identities(state, readers)), places)


def _key(manifest: CachedManifest, state: State, stamp: str) -> str:
    return digest(f"{manifest.stamp} {state.lineage} {state.serial} {stamp}")


def save(path: Path, entry: CachedNoOp) -> None:
    """Writes an entry; does nothing where the folder cannot be written."""
    sources = [[provider, dict(source), identity] for provider, source, identity in entry.sources]
    places = {name: dict(regions) for name, regions in entry.places.items()}
    text = json.dumps({"key": entry.key, "unchanged": entry.unchanged, "sources": sources, "places": places})
    write_cache(path, text)


def _source_identities(state: State, readers: Mapping[str, Reader]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Every recorded source, once, with its present identity."""
    from reconciler.planning.source_checks import identity_of  # an entry that still holds needs none of this

    seen: set[str] = set()
    for address, record in state.records.items():
        if address.version and not address.region:
            for source in _own_sources(record):
                name = f"{record.provider} {canonical_json(source)}"
                if name not in seen and record.provider in readers:
                    seen.add(name)
                    yield record.provider, source, identity_of(readers[record.provider], source)


def _own_sources(record: Record) -> Iterable[Mapping[str, Any]]:
    from reconciler.planning.sources import disk_sources

    return (source for _, source in disk_sources(record.attributes) if "version" not in source)


def find(path: Path, manifest: CachedManifest, state: State, stamp: str) -> CachedNoOp | None:
    """The entry for these manifests and this state, whose store has this stamp; or None."""
    try:
        content = json.loads(read_cache(path))
        if (key := content["key"]) != _key(manifest, state, stamp):
            return None
        sources = tuple((str(name), source, str(identity)) for name, source, identity in content["sources"])
        return CachedNoOp(key, int(content["unchanged"]), sources, content["places"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def still_holds(cached: CachedNoOp, store: StateStore, readers: Mapping[str, Reader]) -> bool:
    """Whether every object still has its recorded fingerprint and every source its identity; doubt is False."""
    wanted: dict[str, dict[Address, str | None]] = {}
    for address, (provider, fingerprint) in store.fingerprints().items():
        wanted.setdefault(provider, {})[address] = fingerprint
    try:
        return all(
            len(readers[provider].scan(Scope(known, places=cached.places.get(provider, {}))).matching) == len(known)
            for provider, known in wanted.items()
        ) and all(
            readers[provider].source_identity(source) == identity for provider, source, identity in cached.sources
        )
    except (ProviderError, KeyError):
        return False

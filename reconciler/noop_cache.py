"""Remembers that there was nothing to do, so that the next plan only has to ask whether anything changed since.

What is remembered is tied to the manifests' stamp and the state's lineage and serial: any change of either, and a full
plan is made. The world is asked every time, each object by its recorded fingerprint, and so are the sources.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json, digest
from reconciler.planning.source_checks import identity_of
from reconciler.planning.sources import disk_sources
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Reader, Scope
from reconciler.state.records import Record, State
from reconciler.state.store import StateStore


@dataclass(frozen=True, slots=True)
class CachedNoOp:
    """A plan without changes: how many resources it found unchanged, and every source by provider with its identity."""

    key: str
    unchanged: int
    sources: tuple[tuple[str, Mapping[str, Any], str], ...]


def key_of(stamp: str, state: State) -> str:
    """What a memory is good for: these manifests and this state."""
    return digest(f"{stamp} {state.lineage} {state.serial}")


def save(path: Path, cached: CachedNoOp) -> None:
    """Keeps what there is to know of an empty plan; a folder that cannot be written remembers nothing."""
    sources = [[provider, dict(source), identity] for provider, source, identity in cached.sources]
    text = json.dumps({"key": cached.key, "unchanged": cached.unchanged, "sources": sources})
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(aside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(aside, path)


def source_identities(state: State, readers: Mapping[str, Reader]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Every recorded source, once, with its identity now; to be taken before the plan that looks at them."""
    seen: set[str] = set()
    for address, record in state.records.items():
        if address.version and not address.region:
            for source in _own_sources(record):
                name = f"{record.provider} {canonical_json(source)}"
                if name not in seen and record.provider in readers:
                    seen.add(name)
                    yield record.provider, source, identity_of(readers[record.provider], source)


def _own_sources(record: Record) -> Iterable[Mapping[str, Any]]:
    return (source for _, source in disk_sources(record.attributes) if "version" not in source)


def find(path: Path, key: str) -> CachedNoOp | None:
    """What was remembered for this key, or nothing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        sources = tuple((str(name), source, str(identity)) for name, source, identity in content["sources"])
        return CachedNoOp(key, int(content["unchanged"]), sources)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def still_holds(cached: CachedNoOp, store: StateStore, readers: Mapping[str, Reader]) -> bool:
    """Whether every object still has its recorded fingerprint and every source its identity; doubt is False."""
    wanted: dict[str, dict[Address, str | None]] = {}
    for address, (provider, fingerprint) in store.fingerprints().items():
        wanted.setdefault(provider, {})[address] = fingerprint
    try:
        return all(
            len(readers[provider].scan(Scope(known)).matching) == len(known) for provider, known in wanted.items()
        ) and all(
            readers[provider].source_identity(source) == identity for provider, source, identity in cached.sources
        )
    except (ProviderError, KeyError):
        return False

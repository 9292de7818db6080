"""`SourceDigests`: the digests of sources, each read once and remembered for as long as its file stays the same.

Plans read the bytes of every source that is to be published. Those of large images are kept in a file of the project's
cache, by the identity of what was read. The file may be deleted at any time, and nobody has to trust it: apply computes
the digest of what it copies, and refuses what differs from the plan.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.manifests.private_files import read_cache, write_cache
from reconciler.manifests.values import canonical_json, digest
from reconciler.providers.content_digest import NO_DIGEST, ContentDigest
from reconciler.providers.errors import Unavailable
from reconciler.providers.protocol import Reader

SCHEMA = 2
_WORTH_KEEPING = 16 << 20
"""Bytes: a smaller image is read again as fast as it is looked up."""

_MOST_KEPT = 500
_CLOCK_TICK_S = 0.02
"""File systems date changes by a clock that moves in steps: a write within the step of the one before leaves the same
identity. Reading starts a step later than the file was identified, so that any later write changes its identity."""


@dataclass(slots=True)
class SourceDigests:
    """Digests by source. `path` is where those of large images are kept between runs; None to keep none.
    `plain`: contents are to be known by their plain sha256, as by a plan that was saved before there were tree digests.

    `save` writes what has been read since.
    """

    path: Path | None = None
    plain: bool = False
    _read: dict[str, ContentDigest] = field(default_factory=dict)
    _kept: dict[str, ContentDigest] | None = None
    _used: dict[str, ContentDigest] = field(default_factory=dict)
    _changed: bool = False

    def of(
        self,
        provider: str,
        reader: Reader,
        source: Mapping[str, Any],
        size: int,
        progress: Callable[[int, int], None] | None = None,
        *,
        plain: bool = False,
    ) -> ContentDigest:
        """The digest of a source's content, which is read unless that was done before; `size` is about that in bytes.
        `plain`: with the sha256 of all its bytes.

        Raises: SourceError, Unsupported, Unavailable as `Reader.source_digest` does.
        """
        read = self._of(provider, reader, source, size, progress, plain=plain or self.plain)
        return ContentDigest(plain=read.plain) if self.plain and read.plain else read

    def _of(
        self,
        provider: str,
        reader: Reader,
        source: Mapping[str, Any],
        size: int,
        progress: Callable[[int, int], None] | None,
        *,
        plain: bool,
    ) -> ContentDigest:
        identity = _identity(reader, source)
        if not identity:
            return reader.source_digest(source, progress, plain=plain)
        named = {name: value for name, value in source.items() if name != "sha256"}
        key = digest(f"{provider} {canonical_json(named)} {identity}")
        known = self._read.get(key)
        large = size >= _WORTH_KEEPING
        if known is None and large:
            known = self._known_before().get(key)
        if known is None or (plain and not known.plain):
            known = self._read_now(reader, source, identity, progress, key if large else "", plain=plain)
        elif large:
            self._used[key] = known
        self._read[key] = known
        return known

    def _read_now(
        self,
        reader: Reader,
        source: Mapping[str, Any],
        identity: str,
        progress: Callable[[int, int], None] | None,
        key: str,
        *,
        plain: bool,
    ) -> ContentDigest:
        """Reads a source; under `key`, if there is one, its digest is kept unless the source changed meanwhile."""
        if key and self.path is not None:
            time.sleep(_CLOCK_TICK_S)
        read = reader.source_digest(source, progress, plain=plain)
        if key and _identity(reader, source) == identity:
            self._used[key] = read
            self._changed = True
        return read

    def _known_before(self) -> dict[str, ContentDigest]:
        if self._kept is None:
            self._kept = _load(self.path) if self.path is not None else {}
        return self._kept

    def save(self) -> None:
        """Keeps what was read, those used last first; does nothing where the folder cannot be written."""
        if not self._changed or self.path is None:
            return
        others = {key: value for key, value in self._known_before().items() if key not in self._used}
        kept = dict(list({**self._used, **others}.items())[:_MOST_KEPT])
        written = {key: digest.facts() for key, digest in kept.items()}
        write_cache(self.path, json.dumps({"schema": SCHEMA, "digests": written}))
        self._changed = False


def _identity(reader: Reader, source: Mapping[str, Any]) -> str:
    try:
        return reader.source_identity(source)
    except Unavailable:
        return ""


def _load(path: Path) -> dict[str, ContentDigest]:
    """What an earlier run kept; nothing if the file is missing or of another shape. Schema 1 had plain digests."""
    try:
        content = json.loads(read_cache(path))
        read = _OF_SCHEMA[content["schema"]]
        kept = {str(key): read(value) for key, value in content["digests"].items()}
        return {key: digest for key, digest in kept.items() if digest.known}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _plain(value: Any) -> ContentDigest:
    return ContentDigest(plain=value) if isinstance(value, str) and len(value) == 64 else NO_DIGEST


_OF_SCHEMA: Mapping[int, Callable[[Any], ContentDigest]] = {1: _plain, SCHEMA: ContentDigest.in_facts}

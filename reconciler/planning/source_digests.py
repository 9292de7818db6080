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
from reconciler.providers.errors import Unavailable
from reconciler.providers.protocol import Reader

SCHEMA = 1
_WORTH_KEEPING = 16 << 20
"""Bytes: a smaller image is read again as fast as it is looked up."""

_MOST_KEPT = 500
_CLOCK_TICK_S = 0.02
"""File systems date changes by a clock that moves in steps: a write within the step of the one before leaves the same
identity. Reading starts a step later than the file was identified, so that any later write changes its identity."""


@dataclass(slots=True)
class SourceDigests:
    """Digests by source. `path` is where those of large images are kept between runs; None to keep none.

    `save` writes what has been read since.
    """

    path: Path | None = None
    _read: dict[str, str] = field(default_factory=dict)
    _kept: dict[str, str] | None = None
    _used: dict[str, str] = field(default_factory=dict)
    _changed: bool = False

    def of(
        self,
        provider: str,
        reader: Reader,
        source: Mapping[str, Any],
        size: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> str:
        """The sha256 of a source's content, which is read unless that was done before; `size` is about that in bytes.

        Raises: SourceError, Unsupported, Unavailable as `Reader.source_digest` does.
        """
        identity = _identity(reader, source)
        if not identity:
            return reader.source_digest(source, progress)
        named = {name: value for name, value in source.items() if name != "sha256"}
        key = digest(f"{provider} {canonical_json(named)} {identity}")
        known = self._read.get(key)
        large = size >= _WORTH_KEEPING
        if known is None and large:
            known = self._known_before().get(key)
        if known is None:
            known = self._read_now(reader, source, identity, progress, key if large else "")
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
    ) -> str:
        """Reads a source; under `key`, if there is one, its digest is kept unless the source changed meanwhile."""
        if key and self.path is not None:
            time.sleep(_CLOCK_TICK_S)
        read = reader.source_digest(source, progress)
        if key and _identity(reader, source) == identity:
            self._used[key] = read
            self._changed = True
        return read

    def _known_before(self) -> dict[str, str]:
        if self._kept is None:
            self._kept = _load(self.path) if self.path is not None else {}
        return self._kept

    def save(self) -> None:
        """Keeps what was read, those used last first; does nothing where the folder cannot be written."""
        if not self._changed or self.path is None:
            return
        others = {key: value for key, value in self._known_before().items() if key not in self._used}
        kept = dict(list({**self._used, **others}.items())[:_MOST_KEPT])
        write_cache(self.path, json.dumps({"schema": SCHEMA, "digests": kept}))
        self._changed = False


def _identity(reader: Reader, source: Mapping[str, Any]) -> str:
    try:
        return reader.source_identity(source)
    except Unavailable:
        return ""


def _load(path: Path) -> dict[str, str]:
    """What an earlier run kept; nothing if the file is missing or of another shape."""
    try:
        content = json.loads(read_cache(path))
        kept = content["digests"] if content["schema"] == SCHEMA else {}
        return {str(key): value for key, value in kept.items() if isinstance(value, str) and len(value) == 64}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}

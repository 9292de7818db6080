"""JSON-shaped values, compared and hashed by their canonical text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value] | None"
Attributes: TypeAlias = Mapping[str, Any]
"""A resource's attributes by ARM property name. Attributes that are not set are absent; None is never a value."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical_json(value: Value | Attributes) -> str:
    """The canonical text of a value: sorted keys, no spaces. Equal values give equal texts."""
    return _encode(value)


def digest(text: str) -> str:
    """A 32-digit hexadecimal digest of canonical text, for comparing; not for secrets."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def source_style(source: Attributes) -> tuple[str, Any]:
    """The style of a source of a version's disk (`file`, `url`, `version`, …) and its value: what the source is beside
    the digest that it must have and the machine that is meant. Empty and None for an empty source."""
    return next(((style, value) for style, value in source.items() if style not in ("sha256", "machine")), ("", None))

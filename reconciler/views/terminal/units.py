"""Numbers and values as people read them."""

from __future__ import annotations

import re
from typing import Any

from reconciler.manifests.values import canonical_json
from reconciler.providers.content_digest import TREE

_SHOWN_VALUE = 60
_CONTEXT = 12
_DIGEST = 12
NOT_SET = "(not set)"
_BARE = re.compile(r"[A-Za-z0-9/][\w./:@+-]*")


def human_bytes(size: int) -> str:
    """`8.0 GiB`: powers of 1024, one decimal from KiB on."""
    if size < 1024:
        return f"{size} B"
    number = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        number /= 1024
        if number < 1023.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1024:.1f} PiB"


def plural(number: int, word: str) -> str:
    """`1 copy`, `2 copies`, `1,200 regions`."""
    many = f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in "aeiou" else f"{word}s"
    return f"{number:,} {word if number == 1 else many}"


def seconds_text(seconds: float) -> str:
    """`0.3 s`, `2 min 5 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def value_text(value: Any) -> str:
    """An attribute's value in one line; None means that it is not set. Strings are quoted only if they need to be."""
    if value is None:
        return NOT_SET
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value.removesuffix("T00:00:00Z")
    return canonical_json(value)


def transition(path: str, before: Any, after: Any) -> tuple[str, str]:
    """Both values in short; long ones are cut to where they start to differ."""
    if path.endswith(("sha256", "digest")):
        return _digest(before), _digest(after)
    first, second = value_text(before), value_text(after)
    if max(len(first), len(second)) <= _SHOWN_VALUE:
        return first, second
    same = next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, same - _CONTEXT)
    return _cut(first, start), _cut(second, start)


def shortened(text: str) -> str:
    """A long text without its middle: ids of one kind often begin alike, and differ at the end."""
    if len(text) <= _SHOWN_VALUE:
        return text
    kept = (_SHOWN_VALUE - 1) // 2
    return f"{text[:kept]}…{text[-kept:]}"


def _cut(text: str, start: int) -> str:
    if text == NOT_SET or (len(text) <= _SHOWN_VALUE and not start):
        return text
    shown = text[start : start + _SHOWN_VALUE]
    return f"{'…' if start else ''}{shown}{'…' if start + _SHOWN_VALUE < len(text) else ''}"


def _digest(value: Any) -> str:
    """The start of a digest; a sentence, or an empty string, is left as it is."""
    text = NOT_SET if value is None else str(value).removeprefix(TREE)
    return f"{text[:_DIGEST]}…" if len(text) > _DIGEST and " " not in text else text

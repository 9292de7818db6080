"""The nearest valid word for a misspelled one, quoting, and secrets that must never be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRETS = (
    re.compile(r"((?:(?i:password|secret|token|accountkey|accesskey)|\bsig)[\"']?\s*[:=]\s*[\"']?)[^;&\s\"',}]+"),
    re.compile(r"(://[^/\s:@\"']*:)[^@\s\"']+(?=@)"),
)

_MOST_COMPARED = 300


def nearest(word: str, words: Iterable[str], alike: float = 0.55) -> str:
    """The word of `words` that `word` was most likely meant to be, ignoring case; empty when none is near. `alike`: how
    much of the two must be the same, from 0 to 1.

    More than a few hundred words must be sorted: only those that would stand beside `word` are compared.
    """
    import difflib  # 3 ms that only a mistake should cost

    by_lower = {known.lower(): known for known in _compared(word, list(words))}
    matches = difflib.get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=alike)
    return by_lower[matches[0]] if matches else ""


def _compared(word: str, words: list[str]) -> list[str]:
    """Of very many words, which must be sorted, those that would stand beside `word`; else all."""
    if len(words) <= _MOST_COMPARED:
        return words
    from bisect import bisect_left

    at = bisect_left(words, word)
    return words[max(0, at - _MOST_COMPARED // 2) : at + _MOST_COMPARED // 2]


def suggestion(word: str, words: Iterable[str], *, label: str = "allowed") -> str:
    """What to write instead of `word`: the nearest of `words`, and all of them in the order given."""
    known = list(words)
    near = nearest(word, known)
    meant = f"did you mean '{near}'? " if near else ""
    shown = [*known[:20], f"and {len(known) - 20:,} more"] if len(known) > 20 else known
    return f"{meant}{label}: {', '.join(shown) if shown else 'nothing'}"


def without_secrets(text: str) -> str:
    """`text` with signatures, keys and passwords replaced by `***`."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text


def quoted(text: str) -> str:
    """`text` in quotes, on one line, truncated to 80 characters."""
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    return f"'{shown}'" if shown.isprintable() else ascii(shown)

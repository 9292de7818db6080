"""Fingerprints: a place, and the name and stamp of every file or volume of an object, as one line of text.

The stamp of a file is what its file system or pool reports without reading it; another stamp means other content. The
place says where to look, so that a scan can compare a fingerprint without searching for the object.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

SEPARATOR = "|"


def fingerprint(place: str, stamps: Iterable[tuple[str, str]]) -> str:
    """The text for the (name, stamp) pairs of an object; neither `place` nor a stamp may contain '|'."""
    return SEPARATOR.join((place, *(f"{quote(name)} {stamp}" for name, stamp in stamps)))


def place_in(text: str) -> str:
    """The place of a fingerprint; empty for an empty one."""
    return text.partition(SEPARATOR)[0]


def stamps_in(text: str) -> dict[str, str]:
    """Name -> stamp, of a fingerprint."""
    entries = (entry.rpartition(" ") for entry in text.split(SEPARATOR)[1:])
    return {unquote(name): stamp for name, _, stamp in entries}

"""How objects are called, and the text by which a look tells that nothing changed."""

from __future__ import annotations

from collections.abc import Iterable

from manifests.address import Address


def object_id(region: str, pool: str, address: Address) -> str:
    """How an object is called in this world: a region's by what the names of its volumes begin with."""
    parts = [part for part in address[:3] if part]
    return "/".join((region, pool, "-".join(parts) if address.region else "/".join(parts)))


def volume_id(region: str, pool: str, volume: str) -> str:
    """How a volume is called that belongs to nobody."""
    return f"{region}/{pool}/{volume}"


def fingerprint(region: str, entries: Iterable[tuple[str, str]]) -> str:
    """The text of an object's volumes and their stamps, its description first; it says by itself where to look. A name
    with '/' is the path of a volume that a Shallow region refers to."""
    return "|".join((region, *(f"{name} {mark}" for name, mark in entries)))


def region_in(text: str) -> str:
    """The region a fingerprint speaks of."""
    return text.partition("|")[0]


def stamps_in(text: str) -> dict[str, str]:
    """Volume -> stamp, of a fingerprint."""
    entries = (entry.rpartition(" ") for entry in text.split("|")[1:])
    return {name: mark for name, _, mark in entries}

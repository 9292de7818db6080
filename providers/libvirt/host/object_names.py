"""How objects are called, and the text by which a look tells that nothing changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.manifests.address import Address


class Place(NamedTuple):
    """Where an object is: a region, and the UUID of the pool that the region was at that time; empty for none.

    By its UUID libvirt knows a pool however its host is called or reached, and it changes with whoever defines another
    pool under the same name.
    """

    region: str
    pool: str


NOWHERE = Place("", "")


def object_id(region: str, pool: str, address: Address) -> str:
    """How an object is called in this world: a region's by what the names of its volumes begin with."""
    parts = [part for part in address[:3] if part]
    return "/".join((region, pool, "-".join(parts) if address.region else "/".join(parts)))


def volume_id(region: str, pool: str, volume: str) -> str:
    """How a volume is called that belongs to nobody."""
    return f"{region}/{pool}/{volume}"


def fingerprint(place: Place, entries: Iterable[tuple[str, str]]) -> str:
    """The text of an object's volumes and their stamps, its description first; it says by itself where to look. A name
    with '/' is the path of a volume that a Shallow region refers to."""
    return "|".join((" ".join(place), *(f"{name} {mark}" for name, mark in entries)))


def place_in(text: str) -> Place:
    """The place a fingerprint speaks of; NOWHERE for an empty one."""
    region, _, pool = text.partition("|")[0].partition(" ")
    return Place(region, pool)


def stamps_in(text: str) -> dict[str, str]:
    """Volume -> stamp, of a fingerprint."""
    entries = (entry.rpartition(" ") for entry in text.split("|")[1:])
    return {name: mark for name, _, mark in entries}

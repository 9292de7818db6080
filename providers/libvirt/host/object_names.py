"""The ids and fingerprints of objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.manifests.address import Address
from reconciler.providers.common import fingerprints


class Place(NamedTuple):
    """Where an object is: a region, and the UUID of the pool that the region used at that time; empty for none.

    The UUID identifies a pool no matter how its host is named or reached, and it changes when another pool is defined
    under the same name.
    """

    region: str
    pool: str


NOWHERE = Place("", "")


def object_id(region: str, pool: str, address: Address) -> str:
    """The object's id for this provider; that of a target region ends with the beginning of its volumes' names."""
    parts = [part for part in address[:3] if part]
    return "/".join((region, pool, "-".join(parts) if address.region else "/".join(parts)))


def volume_id(region: str, pool: str, volume: str) -> str:
    """The id of a volume that belongs to no object."""
    return f"{region}/{pool}/{volume}"


def fingerprint(place: Place, stamps: Iterable[tuple[str, str]]) -> str:
    """The fingerprint of an object from the (name, stamp) pairs of its volumes, its description first. A name with '/'
    is the path of a volume that a Shallow region refers to."""
    return fingerprints.fingerprint(" ".join(place), stamps)


def place_in(text: str) -> Place:
    """The place that a fingerprint is about; NOWHERE for an empty one."""
    region, _, pool = fingerprints.place_in(text).partition(" ")
    return Place(region, pool)

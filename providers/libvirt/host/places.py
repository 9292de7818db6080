"""The identity of the storage behind a region: an empty volume whose name nobody else gives.

    .reconciler~place~6f1c0a52-...    in the pool

Another pool of the same name lacks it, and so does the empty directory that a file system is mounted on. A pool that is
defined again over the same storage is still the same place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import uuid4

from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host.pools import Pool

_BEGINNING = ".reconciler~place~"
_MARKER = re.compile(r"\.reconciler~place~(?P<identity>[0-9a-f-]{36})")


def identities(volumes: Iterable[str]) -> frozenset[str]:
    """The identities that a pool with these volumes has: several if projects that share it claimed it at a time."""
    return frozenset(marker["identity"] for marker in map(_MARKER.fullmatch, volumes) if marker)


def claim(pool: Pool) -> str:
    """The identity of a pool, which gets one if it has none. Raises: ProviderError."""
    pool.refresh()
    present = identities(pool.names())
    if present:
        return min(present)
    identity = str(uuid4())
    pool.create(f"{_BEGINNING}{identity}", 0, "raw")
    return identity


def require(pool: Pool, identity: str) -> None:
    """Raises: Unavailable unless a pool that was just refreshed is the place with this identity."""
    if identity not in identities(pool.names()):
        raise other_place(pool, identity)


def other_place(pool: Pool, identity: str) -> Unavailable:
    """Why nothing is known of a region whose pool lacks the marker of the recorded identity."""
    return Unavailable(
        f"region {pool.region} now uses other storage than this was recorded in: the {pool} lacks the volume "
        f"'{_BEGINNING}{identity}'. Is a file system not mounted there? Mount it, or restore the region's `uri` and "
        "`pool`; or move all volumes from the other pool, with their descriptions and markers (.reconciler~*), into "
        "this one; if they are lost, forget them (reconciler state forget), and apply recreates them"
    )

"""What the pools contain at one moment: one listing of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.scanning import NotFoundButPossible
from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host.hosts import PoolNotDefined
from reconciler.providers.libvirt.host.places import identities, other_place
from reconciler.providers.libvirt.records import sidecars
from reconciler.providers.libvirt.records.description_store import DescriptionStore
from reconciler.providers.libvirt.records.sidecars import Sidecar

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


_NO_PLACES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """One region's pool: its volumes by name, and the sidecars among them, newest first."""

    region: str
    pool: Pool
    volumes: Mapping[str, Volume]
    sidecars: Mapping[tuple[Address, str], Sequence[Sidecar]]

    @property
    def descriptions(self) -> DescriptionStore:
        """The descriptions in the pool as they are now."""
        return DescriptionStore(self.pool)


class PoolSnapshots:
    """Snapshots of some regions' pools. `unreachable`: region -> why there is none; `undefined`: the same for regions
    whose pool the first operation that fills it will define, so that they contain nothing yet. `places`: region -> the
    recorded identity of its storage; a region with another is unreachable."""

    def __init__(self, hosts: Hosts, regions: Iterable[str], places: Mapping[str, str] = _NO_PLACES) -> None:
        self._places = places
        self.by_region: dict[str, PoolSnapshot] = {}
        self.unreachable: dict[str, Unavailable] = {}
        self.undefined: dict[str, PoolNotDefined] = {}
        wanted = sorted(regions)
        if not wanted:
            return
        with ThreadPoolExecutor(len(wanted), thread_name_prefix="pools") as threads:
            results = threads.map(lambda region: _snapshot(hosts, region), wanted)
            for region, result in zip(wanted, results, strict=True):
                self._add(region, result)

    def _add(self, region: str, result: PoolSnapshot | Unavailable) -> None:
        place = self._places.get(region)
        if isinstance(result, PoolSnapshot):
            if place is None or place in identities(result.volumes):
                self.by_region[region] = result
            else:
                self.unreachable[region] = other_place(result.pool, place)
        elif isinstance(result, PoolNotDefined) and place is None:
            self.undefined[region] = result
        else:
            self.unreachable[region] = _pool_lost(result) if isinstance(result, PoolNotDefined) else result

    def require_all(self) -> None:
        """Raises: NotFoundButPossible if a region could not be asked."""
        for why in self.unreachable.values():
            raise NotFoundButPossible(why.message, why.remedy, self.unreachable)

    def require_home(self, region: str, pool: str) -> None:
        """Raises: Unavailable if an object that was not found in a region may exist even so: the region cannot be
        asked, the settings no longer name it, or its pool is no longer the one with the UUID `pool` that the object was
        recorded in (empty if it was not recorded), or is empty. Neither matters where the storage is known to be the
        recorded one."""
        if region in self.unreachable:
            raise self.unreachable[region]
        if region in self.undefined and pool:
            raise _pool_lost(self.undefined[region])
        snapshot = self.by_region.get(region)
        if snapshot is not None and pool and region not in self._places:
            if snapshot.pool.place.pool != pool:
                raise _pool_changed(snapshot.pool)
            if not snapshot.volumes:
                raise _pool_empty(snapshot.pool)
        if region not in self.by_region and region not in self.undefined:
            raise Unavailable(
                f"region {region} is no longer among the provider's `regions`, and its volumes may still exist: add it "
                "again until they are deleted, or forget them (kind: Removed, destroy: false)"
            )


def _snapshot(hosts: Hosts, region: str) -> PoolSnapshot | Unavailable:
    try:
        pool = hosts.pool(region)
        volumes = pool.volumes(refresh=True)
    except PoolNotDefined as error:
        return error
    except Unavailable as error:
        return Unavailable("; ".join(part for part in (error.message, error.remedy) if part))
    return PoolSnapshot(region, pool, volumes, sidecars.listed(volumes))


def _pool_lost(why: PoolNotDefined) -> Unavailable:
    return Unavailable(
        f"{why.message}; this was recorded in the pool that the region used, and may still exist: restore the region's "
        "`uri` and `pool`, or define that pool again; if its volumes are lost, forget them (reconciler state forget), "
        "and apply recreates the pool and the volumes"
    )


def _pool_empty(pool: Pool) -> Unavailable:
    return Unavailable(
        f"region {pool.region}: the {pool} is empty, and this was recorded in it. Is a file system not mounted there? "
        "Mount it; if the volumes are lost, forget them (reconciler state forget), and apply recreates them"
    )


def _pool_changed(pool: Pool) -> Unavailable:
    return Unavailable(
        f"region {pool.region} now uses another pool, the {pool}, than the one that this was recorded in and may still "
        "be in: restore the region's `uri` and `pool`, or move all volumes of that pool, with their descriptions "
        "(.reconciler~*), into this one; if they are lost, forget them (reconciler state forget), and apply recreates "
        "them"
    )

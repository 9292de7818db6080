"""The hosts of the regions: one `Connection` for each URI, and the active pool of each region."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import libvirt

from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.configuration import Configuration, Host
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.host.connections import Connection, KeepAlive
from reconciler.providers.libvirt.host.failures import explained, is_missing_pool
from reconciler.providers.libvirt.host.object_names import Place
from reconciler.providers.libvirt.host.places import require
from reconciler.providers.libvirt.host.pools import Pool
from reconciler.providers.libvirt.host.volumes import pool_xml
from reconciler.providers.owner import Owner, Writer

_NOBODY = Writer(Owner(""))


@dataclass(slots=True)
class _Connections:
    """The connections by URI, the lock that adding one takes, and the recorded identities of the regions' places."""

    by_uri: dict[str, Connection] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    places: Mapping[str, str] = field(default_factory=dict)


class PoolNotDefined(Unavailable):
    """A region's pool is not defined yet: the first operation that fills it defines it."""


class Hosts:
    """Connections and pools of all regions, opened on demand and shared by all threads."""

    def __init__(
        self,
        settings: Configuration,
        keep_alive: KeepAlive | None = None,
        writer: Writer = _NOBODY,
        connections: _Connections | None = None,
        defining: Mapping[str, threading.Lock] | None = None,
    ) -> None:
        self._settings = settings
        self._keep_alive = keep_alive or KeepAlive()
        self._writer = writer
        self._connections = connections or _Connections()
        self._pools: dict[str, Pool] = {}
        self._defining = defining or {region: threading.Lock() for region in settings.hosts}

    def for_writer(self, writer: Writer) -> Hosts:
        """The same hosts on the same connections; their pools are changed only while `writer` has its lease."""
        return Hosts(self._settings, self._keep_alive, writer, self._connections, self._defining)

    @property
    def regions(self) -> tuple[str, ...]:
        """The canonical names of all regions, sorted."""
        return tuple(sorted(self._settings.hosts))

    def connection(self, region: str) -> Connection:
        """The connection of a region's host; regions with the same URI share it. Raises: ProviderError if there is no
        such region."""
        host = self._settings.host(region)
        with self._connections.lock:
            return self._connections.by_uri.setdefault(host.uri, Connection(host.uri, host.name, self._keep_alive))

    def expect(self, places: Mapping[str, str]) -> None:
        """From now on nothing is changed in a region whose storage is not the one with this identity."""
        self._connections.places = dict(places)

    def pool_to_change(self, region: str, *, create: bool = False) -> Pool:
        """As `pool`, before something in it is changed, just refreshed; `create`: as `pool_to_fill`. Raises: as those;
        Unavailable if its storage is not the recorded one."""
        expected = self._connections.places.get(region)
        pool = self.pool_to_fill(region) if create and expected is None else self.pool(region)
        pool.refresh()
        if expected is not None:
            require(pool, expected)
        return pool

    def pool(self, region: str) -> Pool:
        """A region's pool, which was active a moment ago. Nothing is changed on the host.

        Raises: ProviderError if there is no such region; Unavailable, naming host and pool, if the host does not answer
        or the pool is missing or not active; PoolNotDefined if `pool_to_fill` would define it.
        """
        return self._pool(region, define=False)

    def pool_to_fill(self, region: str) -> Pool:
        """As `pool`, before creating something in it: if the settings allow it, a missing pool is defined, started and
        set to start with its host. Raises: as `pool`; ProviderError if it cannot be defined."""
        return self._pool(region, define=self._settings.define_pools)

    def close(self) -> None:
        """Closes all connections."""
        with self._connections.lock:
            connections = list(self._connections.by_uri.values())
            self._connections.by_uri.clear()
            self._pools.clear()
        for connection in connections:
            connection.close()

    def _pool(self, region: str, *, define: bool) -> Pool:
        host, connection = self._settings.host(region), self.connection(region)
        with connection.asking(f"looking for the pool '{host.pool}' of region {region}") as handle:
            # With the lock, no thread sees a pool that is defined and not started yet.
            with self._defining[region] if self._settings.define_pools else nullcontext():
                pool = _lookup(handle, host)
                if pool is None and define:
                    self._writer.require_lease()
                    pool = _define(handle, host)
            if pool is None:
                raise self._missing(host)
            if not pool.isActive():
                raise _stopped(host)
            place = Place(region, pool.UUIDString())
        with self._connections.lock:
            if region not in self._pools or self._pools[region].place != place:
                self._pools[region] = Pool(region, connection, host.pool, place, self._writer.require_lease)
            return self._pools[region]

    def _missing(self, host: Host) -> Unavailable:
        what = f"{host.name}: the pool '{host.pool}' of region {host.region} is not defined there"
        if self._settings.define_pools:
            return PoolNotDefined(what, "apply: the pool is defined when something is created in that region")
        return Unavailable(
            what,
            f"define it: {virsh('pool-define-as', host.pool, 'dir', '--target', 'DIRECTORY', uri=host.uri)}, then "
            "pool-start and pool-autostart; or set `definePools: true`, and the region's `path`",
        )


def _lookup(handle: libvirt.virConnect, host: Host) -> libvirt.virStoragePool | None:
    try:
        return handle.storagePoolLookupByName(host.pool)
    except libvirt.libvirtError as error:
        if is_missing_pool(error):
            return None
        raise


def _define(handle: libvirt.virConnect, host: Host) -> libvirt.virStoragePool:
    pool = handle.storagePoolDefineXML(pool_xml(host.pool, host.path), 0)
    try:
        pool.build(0)
        pool.setAutostart(1)
        pool.create(0)
    except libvirt.libvirtError as error:
        pool.undefine()  # undo; the directory stays
        raise explained(error, f"defining the pool '{host.pool}' in '{host.path}'", host.name) from error
    return pool


def _stopped(host: Host) -> Unavailable:
    return Unavailable(
        f"{host.name}: the pool '{host.pool}' of region {host.region} is not active",
        f"start it: {virsh('pool-start', host.pool, uri=host.uri)}",
    )

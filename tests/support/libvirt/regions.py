"""Regions on the hosts of the test run, in pools that only one test uses."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from support.libvirt.daemons import LibvirtHost

from reconciler.providers.libvirt.configuration import Configuration, Host
from reconciler.providers.libvirt.host.hosts import Hosts
from reconciler.providers.libvirt.host.pools import Pool

_numbers = count(1)


@dataclass(frozen=True)
class Region:
    """One region: its host, its pool, and the pool's directory as this process sees it."""

    name: str
    host: LibvirtHost
    pool: Pool
    folder: Path


@dataclass(frozen=True)
class Regions:
    """`east` and `north` are two pools of one host, `west` is on the other."""

    hosts: Hosts
    east: Region
    north: Region
    west: Region


@contextmanager
def regions_on(daemons: tuple[LibvirtHost, ...]) -> Iterator[Regions]:
    """New pools on the first two of `daemons`."""
    first, second = daemons
    number = next(_numbers)
    placed = {"east": first, "north": first, "west": second}
    folders = {region: host.define_pool(f"{region}{number}") for region, host in placed.items()}
    settings = Configuration("main", {name: Host(name, host.uri, f"{name}{number}") for name, host in placed.items()})
    hosts = Hosts(settings)
    yield Regions(hosts, *(Region(name, placed[name], hosts.pool(name), folders[name]) for name in placed))
    hosts.close()


@contextmanager
def one_region(host: LibvirtHost) -> Iterator[tuple[Hosts, Region]]:
    """A region `eastus` with a new pool on `host`; nothing is left of it afterwards."""
    name = f"pool-{uuid.uuid4().hex[:8]}"
    folder = host.define_pool(name)
    hosts = Hosts(Configuration("default", {"eastus": Host("eastus", host.uri, name)}))
    try:
        yield hosts, Region("eastus", host, hosts.pool("eastus"), folder)
    finally:
        hosts.close()
        host.virsh("pool-destroy", name)
        host.virsh("pool-undefine", name)
        shutil.rmtree(folder)

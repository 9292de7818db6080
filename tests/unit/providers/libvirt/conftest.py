"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.libvirt.daemons import LibvirtHost
from support.libvirt.galleries import version
from support.libvirt.regions import Regions, regions_on
from support.libvirt.world import LibvirtWorld

from reconciler.providers.protocol import Provider
from reconciler.testing.operations import CONTENT


@pytest.fixture
def regions(libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[Regions]:
    with regions_on(libvirt_hosts) as regions:
        yield regions


@pytest.fixture
def world(tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[LibvirtWorld]:
    world = LibvirtWorld(tmp_path, libvirt_hosts)
    yield world
    world.close()


@pytest.fixture
def provider(world: LibvirtWorld) -> Provider:
    return world.provider()


@pytest.fixture
def attributes(world: LibvirtWorld) -> dict[str, Any]:
    return version(world.image("ubuntu.raw", CONTENT))

"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.libvirt_daemons import LibvirtHost
from support.libvirt_regions import Regions, regions_on


@pytest.fixture
def regions(libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[Regions]:
    with regions_on(libvirt_hosts) as regions:
        yield regions

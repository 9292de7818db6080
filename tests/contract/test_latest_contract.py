"""The parts of the provider contract that not all of our own backends keep yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.world import AzureWorld
from support.libvirt.daemons import LibvirtHost
from support.libvirt.world import LibvirtWorld
from support.local_galleries import LocalWorld

from reconciler.testing import FenceCases, LeaseCases, PlaceCases, ProtectionCases, ReplacementCases


class TestLocal(FenceCases, LeaseCases, PlaceCases, ProtectionCases, ReplacementCases):
    """On directories."""

    @pytest.fixture
    def provider_world(self, tmp_path: Path) -> LocalWorld:
        return LocalWorld(tmp_path)


@pytest.mark.azurite
class TestEmulator(FenceCases, LeaseCases, ProtectionCases):
    """On Azure's API. One resource group is behind all regions, and a version is deleted before another takes its name,
    so that the cases of places and of staged replacements do not apply."""

    @pytest.fixture
    def provider_world(self, tmp_path: Path, azurite: RunningAzurite) -> Iterator[AzureWorld]:
        world = AzureWorld(tmp_path, azurite)
        yield world
        world.close()


@pytest.mark.libvirt
class TestLibvirt(FenceCases, LeaseCases, PlaceCases, ProtectionCases, ReplacementCases):
    """On storage pools."""

    @pytest.fixture
    def provider_world(self, tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[LibvirtWorld]:
        world = LibvirtWorld(tmp_path, libvirt_hosts)
        yield world
        world.close()

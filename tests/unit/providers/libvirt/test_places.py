"""A region's storage is known by a marker: what lacks it says nothing of what is recorded there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.libvirt.daemons import POOLS, LibvirtHost
from support.libvirt.galleries import publish
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.address import Address
from reconciler.providers.protocol import Provider, Scope
from reconciler.testing.operations import CONTENT, DEFINITION, EAST, GALLERY, VERSION, WEST, applied, writer_of

REGIONS = ("eastus", "westus")


def scope(provider: Provider, places: dict[str, str]) -> Scope:
    """What a state would ask that has recorded everything."""
    seen = {address: provider.read(address) for address in (GALLERY, DEFINITION, VERSION, EAST, WEST)}
    return Scope({address: one.fingerprint for address, one in seen.items() if one}, places=places)


def claimed(provider: Provider) -> dict[str, str]:
    return dict(provider.claim(REGIONS, writer_of()))


def move_all(folder: Path, to: Path) -> None:
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
        path.unlink()


def test_a_place_keeps_its_identity(world: LibvirtWorld, provider: Provider) -> None:
    first = claimed(provider)
    assert first.keys() == set(REGIONS)
    assert len(set(first.values())) == len(REGIONS)
    assert claimed(world.provider()) == first


def test_what_is_recorded_is_found_in_its_place(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    places = claimed(provider)
    publish(provider, attributes, {EAST: 1, WEST: 1})
    asked = scope(provider, places)
    assert provider.scan(asked).matching == asked.wanted.keys()
    assert not provider.scan(Scope(asked.wanted, places=places, unmanaged=True)).unmanaged


@dataclass
class MountedPool:
    """A pool on a file system of its own, which can be unmounted under it."""

    host: LibvirtHost
    name: str

    @property
    def target(self) -> str:
        return f"{POOLS}/{self.name}"

    def unmount(self) -> None:
        """The file system stays, mounted elsewhere."""
        self.host.run("mkdir", "-p", f"{self.target}.kept")
        self.host.run("mount", "--move", self.target, f"{self.target}.kept")

    def mount(self) -> None:
        self.host.run("mount", "--move", f"{self.target}.kept", self.target)


@pytest.fixture
def mounted(world: LibvirtWorld) -> Iterator[MountedPool]:
    """The pool of westus in `on_mount`."""
    pool = MountedPool(world.hosts["westus"], f"m-{uuid4().hex[:8]}")
    pool.host.define_pool(pool.name, 64)
    pool.host.run("mount", "--make-private", pool.target)
    yield pool
    pool.host.virsh("pool-destroy", pool.name)
    pool.host.virsh("pool-undefine", pool.name)


@pytest.fixture
def on_mount(world: LibvirtWorld, mounted: MountedPool) -> Provider:
    settings = world.settings
    settings["regions"]["westus"] |= {"pool": mounted.name}
    return world.provider(settings)


def test_an_empty_mount_point_is_not_a_region_that_lost_everything(
    mounted: MountedPool, on_mount: Provider, attributes: dict[str, Any]
) -> None:
    places = claimed(on_mount)
    applied(publish(on_mount, attributes, {EAST: 1, WEST: 1}), WEST)
    asked = scope(on_mount, places)
    mounted.unmount()
    scan = on_mount.scan(asked)
    assert scan.matching == asked.wanted.keys() - {WEST}
    assert not scan.observed
    assert scan.unreachable.keys() == {WEST}
    why = scan.unreachable[WEST]
    assert f"the pool '{mounted.name}'" in why
    assert f".reconciler~place~{places['westus']}" in why
    assert "Is a file system not mounted there?" in why
    assert on_mount.scan(Scope({WEST: None}, places=places)).unreachable.keys() == {WEST}
    mounted.mount()
    assert on_mount.scan(asked).matching == asked.wanted.keys()


def test_another_pool_of_the_name_is_not_the_recorded_one(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    places = claimed(provider)
    publish(provider, attributes, {EAST: 1, WEST: 1})
    asked = scope(provider, places)
    settings = world.settings
    settings["regions"]["eastus"] = settings["regions"].pop("northeurope")
    elsewhere = world.provider(settings)
    assert elsewhere.scan(asked).unreachable.keys() == {GALLERY, DEFINITION, VERSION, EAST}
    elsewhere.claim({"eastus"}, writer_of())
    assert elsewhere.scan(asked).unreachable.keys() == {GALLERY, DEFINITION, VERSION, EAST}


def test_a_pool_defined_anew_over_the_same_storage_is_the_same_place(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    places = claimed(provider)
    publish(provider, attributes, {EAST: 1, WEST: 1})
    asked = scope(provider, places)
    host, pool = world.hosts["westus"], world.pools["westus"]
    host.virsh("pool-destroy", pool)
    host.virsh("pool-undefine", pool)
    host.define_pool(pool)
    scan = world.provider().scan(asked)
    assert scan.observed.keys() == {WEST}
    assert not scan.unreachable
    for path in world.folders["westus"].glob("*corp*"):
        path.unlink()
    scan = world.provider().scan(asked)
    assert not scan.observed
    assert not scan.unreachable


def test_volumes_may_move_with_their_marker(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    places = claimed(provider)
    publish(provider, attributes, {EAST: 1, WEST: 1})
    asked = scope(provider, places)
    settings = world.settings
    move_all(world.folders["eastus"], world.folders["northeurope"])
    settings["regions"]["eastus"] = settings["regions"].pop("northeurope")
    scan = world.provider(settings).scan(asked)
    assert scan.observed.keys() == {GALLERY, DEFINITION, VERSION, EAST}
    assert not scan.unreachable
    assert [world.sectors(path) for path in world.volumes(EAST._replace(region="northeurope"))] == [CONTENT]


def test_a_lost_pool_with_a_recorded_place_is_not_defined_as_an_empty_one(
    world: LibvirtWorld, attributes: dict[str, Any]
) -> None:
    settings = world.settings
    for place in settings["regions"].values():
        place["path"] = f"{POOLS}/{place['pool']}"
    provider = world.provider({**settings, "definePools": "true"})
    places = claimed(provider)
    host, pool = world.hosts["westus"], world.pools["westus"]
    host.virsh("pool-destroy", pool)
    host.virsh("pool-undefine", pool)
    try:
        scan = provider.scan(Scope({WEST: None, Address("other"): None}, places=places))
        assert WEST in scan.unreachable
        assert "is not defined there" in scan.unreachable[WEST]
        assert pool not in host.virsh("pool-list", "--all", "--name").split()
    finally:
        host.define_pool(pool)

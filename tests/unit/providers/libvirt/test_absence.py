"""An object that is not found is absent only if it cannot be anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from support.libvirt.daemons import POOLS
from support.libvirt.galleries import publish
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.address import Address
from reconciler.providers.errors import Unavailable
from reconciler.providers.protocol import Condition, Provider, Scope, Step, Verb
from reconciler.testing.operations import DEFINITION, EAST, GALLERY, VERSION, WEST, applied, run, writer_of

EVERYTHING = (GALLERY, DEFINITION, VERSION, EAST, WEST)


def recorded(provider: Provider) -> dict[Address, str | None]:
    """What a state would have recorded of every object."""
    return {address: one.fingerprint for address in EVERYTHING if (one := provider.read(address)) is not None}


# Regions that left the settings.


@pytest.fixture
def without_west(world: LibvirtWorld) -> Provider:
    regions = {name: place for name, place in world.settings["regions"].items() if name != "westus"}
    return world.provider({"regions": regions})


def test_a_region_that_the_settings_no_longer_name_is_not_absent(
    provider: Provider, without_west: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    scan = without_west.scan(Scope({EAST: None, WEST: None}))
    assert scan.observed.keys() == {EAST}
    assert "westus is no longer among the provider's `regions`" in scan.unreachable[WEST]
    with pytest.raises(Unavailable, match="westus"):
        without_west.read(WEST)


def test_objects_recorded_in_a_home_that_the_settings_no_longer_name_are_unknown(
    provider: Provider, without_west: Provider
) -> None:
    made = run(provider, Step(Verb.CREATE, GALLERY, {"location": "westus"}))
    scan = without_west.scan(Scope({GALLERY: applied(made, GALLERY).fingerprint, Address("other"): None}))
    assert scan.unreachable.keys() == {GALLERY}
    assert "westus is no longer among the provider's `regions`" in scan.unreachable[GALLERY]
    assert not scan.observed


# Pools that are defined.


@pytest.fixture
def new_pool(world: LibvirtWorld) -> Iterator[str]:
    """The name of a pool for westus that is not defined yet."""
    name = f"new-{uuid4().hex[:8]}"
    yield name
    host = world.hosts["westus"]
    if name in host.virsh("pool-list", "--name").split():
        host.virsh("pool-destroy", name)
        host.virsh("pool-undefine", name)


@pytest.fixture
def makes_west(world: LibvirtWorld, new_pool: str) -> Provider:
    """A provider that may define the pools of its regions; only that of westus is missing."""
    settings = world.settings
    for place in settings["regions"].values():
        place["path"] = f"{POOLS}/{place['pool']}"
    settings["regions"]["westus"] |= {"pool": new_pool, "path": f"{POOLS}/{new_pool}"}
    return world.provider({**settings, "definePools": "true"})


def test_looking_defines_no_pool(
    world: LibvirtWorld, makes_west: Provider, new_pool: str, attributes: dict[str, Any]
) -> None:
    scan = makes_west.scan(Scope(dict.fromkeys(EVERYTHING), unmanaged=True, deep=True))
    assert not scan.observed
    assert not scan.unreachable
    assert [makes_west.read(address) for address in EVERYTHING] == [None] * len(EVERYTHING)
    makes_west.source_facts(attributes["source"])
    makes_west.tidy(EVERYTHING, writer_of("lineage"))
    assert new_pool not in world.hosts["westus"].virsh("pool-list", "--all", "--name").split()


@pytest.mark.parametrize("first", [WEST, GALLERY])
def test_the_first_operation_in_a_region_defines_its_pool(
    world: LibvirtWorld, makes_west: Provider, new_pool: str, attributes: dict[str, Any], first: Address
) -> None:
    if first == GALLERY:
        applied(run(makes_west, Step(Verb.CREATE, GALLERY, {"location": "westus"})), GALLERY)
    else:
        applied(publish(makes_west, attributes, {EAST: 1, WEST: 1}), WEST)
    assert new_pool in world.hosts["westus"].virsh("pool-list", "--autostart", "--name").split()
    seen = makes_west.read(first)
    assert seen is not None
    assert seen.object_id.startswith(f"westus/{new_pool}/")


def test_objects_recorded_in_a_lost_pool_are_unknown(
    world: LibvirtWorld, makes_west: Provider, new_pool: str, attributes: dict[str, Any]
) -> None:
    publish(makes_west, attributes, {EAST: 1, WEST: 1})
    known = recorded(makes_west)
    assert known.keys() == set(EVERYTHING)
    host = world.hosts["westus"]
    host.virsh("pool-destroy", new_pool)
    host.virsh("pool-undefine", new_pool)
    scan = makes_west.scan(Scope(known))
    assert scan.matching == set(EVERYTHING) - {WEST}
    assert scan.unreachable.keys() == {WEST}
    assert f"the pool '{new_pool}' of region westus is not defined there; this was recorded" in scan.unreachable[WEST]
    assert "state forget" in scan.unreachable[WEST]
    assert new_pool not in host.virsh("pool-list", "--all", "--name").split()


# Pools that are others than they were.


def test_objects_recorded_in_a_regions_former_pool_are_unknown(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    settings = world.settings
    settings["regions"]["eastus"] = settings["regions"].pop("northeurope")
    scan = world.provider(settings).scan(Scope(recorded(provider)))
    assert scan.matching == {WEST}
    assert scan.unreachable.keys() == {GALLERY, DEFINITION, VERSION, EAST}
    for why in scan.unreachable.values():
        assert f"region eastus now uses another pool, the pool '{world.pools['northeurope']}' of" in why
        assert "restore the region's `uri` and `pool`" in why
        assert "state forget" in why


def test_a_host_may_be_reached_another_way(world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    settings = world.settings
    for place in settings["regions"].values():
        place["uri"] = place["uri"].replace("qemu:", "qemu+unix:")
    assert world.provider(settings).scan(Scope(recorded(provider))).matching == set(EVERYTHING)


def test_a_redefined_pool_still_has_the_objects_found_in_it(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    known = recorded(provider)
    host, pool = world.hosts["westus"], world.pools["westus"]
    host.virsh("pool-destroy", pool)
    host.virsh("pool-undefine", pool)
    host.define_pool(pool)
    later = world.provider()
    scan = later.scan(Scope(known))
    assert scan.observed.keys() == {WEST}
    assert scan.observed[WEST].condition is Condition.READY
    assert later.scan(Scope({WEST: scan.observed[WEST].fingerprint})).matching == {WEST}
    for path in world.folders["westus"].iterdir():
        path.unlink()
    assert later.scan(Scope(known)).unreachable.keys() == {WEST}
    emptied = later.scan(Scope({WEST: scan.observed[WEST].fingerprint}))
    assert "is empty, and this was recorded in it" in emptied.unreachable[WEST]
    (world.folders["westus"] / "anything").touch()
    gone = later.scan(Scope({WEST: scan.observed[WEST].fingerprint}))
    assert not gone.observed
    assert not gone.unreachable

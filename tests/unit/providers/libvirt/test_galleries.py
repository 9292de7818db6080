"""What the libvirt provider guarantees beyond the contract of all backends."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from support.content.digests import tree_digest
from support.libvirt.cut_line import cut_line
from support.libvirt.daemons import POOLS, LibvirtHost
from support.libvirt.galleries import disks, publish, region, remove, version
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict, SourceError, Unavailable, Unsupported
from reconciler.providers.protocol import Applied, Condition, InProgress, Operation, Provider, Scope, Step, Verb
from reconciler.testing.operations import CONTENT, EAST, NORTH, VERSION, WEST, applied, failed, run, writer_of

LARGE = bytes(range(256)) * (16 << 10) + bytes(20 << 20) + b"\1" * (1 << 20)


def a_volume(world: LibvirtWorld, name: str, content: bytes, disk_format: str = "raw", place: str = "eastus") -> Path:
    """Someone else's volume in a pool."""
    path = world.folders[place] / name
    raw = world.folder / "volume.raw"
    raw.write_bytes(content)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", disk_format, raw, path], check=True)
    world.hosts[place].virsh("pool-refresh", world.pools[place])
    return path


def a_machine(world: LibvirtWorld, volume: str, place: str = "eastus", pool: str = "") -> str:
    """A machine with a disk, shut off; its name."""
    name = f"machine-{uuid4().hex[:8]}"
    description = world.folder / f"{name}.xml"
    description.write_text(
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>"
        f"<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{POOLS}/{pool or world.pools[place]}/{volume}'/><target dev='vda' bus='virtio'/></disk>"
        "</devices></domain>"
    )
    world.hosts[place].virsh("define", str(description))
    return name


def an_overlay(world: LibvirtWorld, name: str, below: str, size: int = 1 << 20, place: str = "eastus") -> None:
    world.hosts[place].virsh(
        *("vol-create-as", world.pools[place], name, f"{size}B", "--format", "qcow2"),
        *("--backing-vol", below, "--backing-vol-format", "qcow2"),
    )


def by_hand(world: LibvirtWorld, path: str, below: Path) -> None:
    """An overlay on a volume of eastus, created without libvirt; `path` is its path on the host."""
    lies_on = f"{POOLS}/{world.pools['eastus']}/{below.name}"
    world.hosts["eastus"].run("qemu-img", "create", "-q", "-f", "qcow2", "-b", lies_on, "-F", "qcow2", path)


# Names.


def test_names_are_chosen_before_anything_is_created(world: LibvirtWorld, provider: Provider) -> None:
    attributes = version(world.image("ubuntu.raw", CONTENT))
    step = Step(Verb.CREATE, EAST, region(2))
    answer = provider.begin(Operation(VERSION, writer_of(), (step,), attributes), lambda *_: None)
    assert isinstance(answer, InProgress)
    assert answer.retry_after_s == 0
    assert world.objects() == []
    first, second = answer.handle["names"][str(EAST)]["os"]
    assert re.fullmatch(r"corp-ubuntu-1\.0\.3-os-20\d\d-\d\d-\d\d", first)
    assert second == f"{first}-01"


def test_the_names_of_the_handle_are_those_of_the_volumes(world: LibvirtWorld, provider: Provider) -> None:
    data = {"0": {"source": world.image("data.raw", CONTENT[::-1])}}
    attributes = version(world.image("ubuntu.raw", CONTENT), dataDisks=data)
    publish(provider, attributes, {WEST: 1})
    names = [name for name in world.objects() if not name.startswith(("eastus/.", "westus/."))]
    assert len(names) == 2
    assert re.fullmatch(r"westus/corp-ubuntu-1\.0\.3-datadisk-0-\d{4}-\d\d-\d\d", names[0])
    assert re.fullmatch(r"westus/corp-ubuntu-1\.0\.3-os-\d{4}-\d\d-\d\d", names[1])


def test_the_recorded_facts_of_disks_stay_when_one_of_them_is_lost(world: LibvirtWorld, provider: Provider) -> None:
    sources = [world.image("ubuntu.raw", CONTENT), world.image("data.raw", CONTENT[::-1])]
    before = version(sources[0], dataDisks={"0": {"source": sources[1]}})
    known = disks(publish(provider, before, {EAST: 1}))
    for source in sources:
        world.remove_image(source)
    next(world.folders["eastus"].glob("corp-ubuntu-1.0.3-datadisk-0-*")).unlink()
    after = {**before, "excludeFromLatest": True}
    steps = Step(Verb.UPDATE, VERSION, after, before), Step(Verb.CREATE, WEST, region())
    results = run(provider, *steps, version=after, computed={"disks": known})
    assert "no region has a complete copy of disk data-0" in failed(results, WEST).message
    assert disks(results) == known


# Use.


@pytest.mark.parametrize("way", ["directly", "through an overlay", "through two overlays"])
def test_a_volume_that_a_machine_uses_is_not_deleted(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], way: str
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    (used,) = world.volumes(EAST)
    top = used.name
    for number in range(["directly", "through an overlay", "through two overlays"].index(way)):
        an_overlay(world, f"overlay-{number}", top)
        top = f"overlay-{number}"
    machine = a_machine(world, top)
    try:
        refusals = [remove(provider, attributes, EAST)]
        replace = Step(Verb.REPLACE, EAST, region(), region())
        refusals.append(run(provider, replace, version=attributes, computed={"disks": disks(results)}))
        for refused in refusals:
            error = failed(refused, EAST)
            assert isinstance(error, ObjectConflict)
            assert used.name in error.message
            assert machine in error.message
        assert world.copies(EAST) == [CONTENT]
    finally:
        world.hosts["eastus"].virsh("undefine", machine)


def test_a_volume_with_the_same_path_on_another_host_is_another(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1})
    (volume,) = world.volumes(EAST)
    assert world.pools["westus"] == world.pools["eastus"]
    machine = a_machine(world, volume.name, "westus")
    try:
        assert all(isinstance(result, Applied) for result in remove(provider, attributes, EAST).values())
    finally:
        world.hosts["westus"].virsh("undefine", machine)


def test_an_overlay_without_a_machine_keeps_its_backing_volume(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1})
    an_overlay(world, "overlay", world.volumes(EAST)[0].name)
    error = failed(remove(provider, attributes, EAST), EAST)
    assert "the volume 'overlay', an overlay on it" in error.message
    assert world.copies(EAST) == [CONTENT]


@pytest.mark.parametrize("known", [True, False])
def test_an_overlay_in_another_pool_keeps_its_backing_volume(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], known: bool
) -> None:
    """Even if libvirt has not refreshed the pool since it was created."""
    publish(provider, attributes, {EAST: 1})
    by_hand(world, f"{POOLS}/{world.pools['northeurope']}/overlay", world.volumes(EAST)[0])
    if known:
        world.hosts["northeurope"].virsh("pool-refresh", world.pools["northeurope"])
    error = failed(remove(provider, attributes, EAST), EAST)
    assert "the volume 'overlay', an overlay on it" in error.message
    assert world.copies(EAST) == [CONTENT]


def test_nothing_is_deleted_while_a_pool_of_the_host_cannot_be_refreshed(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1})
    host, name = world.hosts["eastus"], f"broken-{uuid4().hex[:8]}"
    host.define_pool(name).rmdir()
    error = failed(remove(provider, attributes, EAST), EAST)
    assert isinstance(error, ObjectConflict)
    assert f"the pool '{name}' cannot be refreshed" in error.message
    assert world.copies(EAST) == [CONTENT]
    assert all(isinstance(result, Applied) for result in remove(provider, attributes, EAST).values())
    host.virsh("pool-undefine", name)


@pytest.mark.parametrize("seen", [True, False])
def test_a_machine_that_is_off_may_have_overlays_outside_of_all_pools(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], seen: bool
) -> None:
    """In a pool that was not refreshed since, and in no pool at all."""
    publish(provider, attributes, {EAST: 1})
    (used,) = world.volumes(EAST)
    host, folder = world.hosts["eastus"], f"made-{uuid4().hex[:8]}"
    if seen:
        host.define_pool(folder)
    host.run("mkdir", "-p", f"{POOLS}/{folder}")
    by_hand(world, f"{POOLS}/{folder}/overlay", used)
    machine = a_machine(world, "overlay", pool=folder)
    try:
        error = failed(remove(provider, attributes, EAST), EAST)
        assert isinstance(error, ObjectConflict)
        assert f"the machine '{machine}'" in error.message
        assert (used.name in error.message) is seen
        assert ("pool-create-as" in error.remedy) is not seen
        assert world.copies(EAST) == [CONTENT]
    finally:
        host.virsh("undefine", machine)
        if seen:
            host.virsh("pool-destroy", folder)
            host.virsh("pool-undefine", folder)
    assert all(isinstance(result, Applied) for result in remove(provider, attributes, EAST).values())


# Sources on the hosts.


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
@pytest.mark.parametrize("place", ["eastus", "westus"])
def test_a_volume_is_a_source(world: LibvirtWorld, provider: Provider, disk_format: str, place: str) -> None:
    path = a_volume(world, "golden", LARGE, disk_format, place)
    attributes = version({"disk": f"{place}/{world.pools[place]}/golden"})
    results = publish(provider, attributes, {EAST: 1, WEST: 1})
    assert world.copies(EAST) == world.copies(WEST) == [LARGE]
    recorded = disks(results)["os"]
    assert recorded["digest"] == tree_digest(path.read_bytes())
    assert recorded["contentDigest"] == tree_digest(LARGE)
    assert (recorded["format"], recorded["virtualSize"]) == (disk_format, len(LARGE))
    assert provider.source_identity(attributes["source"]) == recorded["source"]
    assert provider.source_digest(attributes["source"]).tree == recorded["digest"]


def test_a_source_volume_is_found_by_pool_or_path_if_that_is_unambiguous(
    world: LibvirtWorld, provider: Provider
) -> None:
    a_volume(world, "golden", CONTENT, place="northeurope")
    pool = world.pools["northeurope"]
    for written in (f"{pool}/golden", f"{POOLS}/{pool}/golden", f"northeurope/{pool}/golden"):
        assert provider.source_facts({"disk": written}).virtual_size == len(CONTENT)
    for place in ("eastus", "westus"):
        a_volume(world, "twice", CONTENT, place=place)
    with pytest.raises(SourceError, match="several hosts"):
        provider.source_facts({"disk": f"{world.pools['eastus']}/twice"})
    with pytest.raises(SourceError, match="no host has a volume"):
        provider.source_facts({"disk": f"{pool}/never"})


def test_an_overlay_is_published_with_its_whole_backing_chain(world: LibvirtWorld, provider: Provider) -> None:
    a_volume(world, "golden", LARGE, "qcow2")
    an_overlay(world, "upper", "golden", len(LARGE))
    publish(provider, version({"disk": f"{world.pools['eastus']}/upper"}), {EAST: 1})
    assert world.copies(EAST) == [LARGE]


def test_an_internal_snapshot_is_a_source(world: LibvirtWorld, provider: Provider) -> None:
    path = a_volume(world, "golden", CONTENT, "qcow2")
    subprocess.run(["qemu-img", "snapshot", "-c", "before", path], check=True)
    subprocess.run(["qemu-io", "-c", "write -P 255 0 512", path], check=True, stdout=subprocess.DEVNULL)
    publish(provider, version({"snapshot": f"{world.pools['eastus']}/golden@before"}), {EAST: 1})
    assert world.copies(EAST) == [CONTENT]


def test_the_volume_of_a_running_machine_is_not_a_source(world: LibvirtWorld, provider: Provider) -> None:
    a_volume(world, "golden", CONTENT, "qcow2")
    machine = a_machine(world, "golden")
    host = world.hosts["eastus"]
    host.virsh("start", machine, "--paused")
    try:
        results = publish(provider, version({"disk": f"{world.pools['eastus']}/golden"}), {EAST: 1})
        error = failed(results, EAST)
        assert isinstance(error, SourceError)
        assert machine in error.message
    finally:
        host.virsh("destroy", machine)
        host.virsh("undefine", machine)
    assert world.volumes(EAST) == []


def test_a_machine_is_published_on_its_own_host_and_elsewhere(world: LibvirtWorld, provider: Provider) -> None:
    a_volume(world, "golden", LARGE, "qcow2", "northeurope")
    machine = a_machine(world, "golden", "northeurope")
    attributes = version({"vm": machine})
    facts = provider.source_facts(attributes["source"])
    assert facts.virtual_size == len(LARGE)
    try:
        results = publish(provider, attributes, {WEST: 1, NORTH: 2})
        assert world.copies(NORTH) == [LARGE, LARGE]
        assert world.copies(WEST) == [LARGE]
        recorded = disks(results)["os"]
        assert recorded["source"] == facts.identity == provider.source_identity(attributes["source"])
        assert recorded["contentDigest"] == tree_digest(LARGE)
        remove(provider, attributes, WEST, NORTH)
        error = failed(publish(provider, attributes, {WEST: 1}), WEST)
        assert isinstance(error, Unsupported)
        assert "northeurope" in error.remedy
    finally:
        world.hosts["northeurope"].virsh("undefine", machine)


# Shallow.


def test_a_shallow_version_is_backed_by_its_source(world: LibvirtWorld, provider: Provider) -> None:
    path = a_volume(world, "golden", CONTENT, "qcow2")
    attributes = version({"disk": f"eastus/{world.pools['eastus']}/golden"}, replicationMode="Shallow")
    results = publish(provider, attributes, {EAST: 2, WEST: 1, NORTH: 1})
    assert isinstance(failed(results, WEST), Unsupported)
    for where, count in ((EAST, 2), (NORTH, 1)):
        found = world.volumes(where)
        assert len(found) == count
        for overlay in found:
            info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", overlay], text=True))
            assert info["backing-filename"] == f"{POOLS}/{world.pools['eastus']}/golden"
            assert info["backing-filename-format"] == "qcow2"
    fingerprint = applied(results, EAST).fingerprint
    assert provider.scan(Scope({EAST: fingerprint})).matching == {EAST}
    os.utime(path)
    seen = provider.scan(Scope({EAST: fingerprint})).observed[EAST]
    assert seen.condition is Condition.DAMAGED
    assert "golden' has changed since" in seen.defects[0]


# What the world does to it.


def test_a_stopped_pool_is_unreachable_with_its_remedy(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    host, pool = world.hosts["westus"], world.pools["westus"]
    host.virsh("pool-destroy", pool)
    try:
        scan = provider.scan(Scope(dict.fromkeys((EAST, WEST, VERSION))))
        assert scan.unreachable.keys() == {WEST}
        assert scan.unreachable[WEST].endswith(f"pool-start {pool}")
        assert scan.observed.keys() == {EAST, VERSION}
        with pytest.raises(Unavailable, match="not active"):
            provider.read(WEST)
        assert isinstance(failed(remove(provider, attributes, EAST, WEST), WEST), Unavailable)
    finally:
        host.virsh("pool-start", pool)
    assert provider.scan(Scope({WEST: None})).observed.keys() == {WEST}


@pytest.mark.parametrize("harm", ["resized", "replaced"])
def test_the_defect_of_a_volume_is_named(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: str
) -> None:
    publish(provider, attributes, {EAST: 1})
    (volume,) = world.volumes(EAST)
    if harm == "resized":
        subprocess.run(["qemu-img", "resize", "-q", volume, "1M"], check=True)
    else:
        volume.write_bytes(CONTENT)
    (seen,) = provider.scan(Scope({EAST: None})).observed.values()
    assert seen.condition is Condition.DAMAGED
    assert f"{volume.name} was {harm}" in seen.defects[0]


def test_a_volume_that_was_only_touched_is_still_intact(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    before = applied(publish(provider, attributes, {EAST: 1}), EAST).fingerprint
    os.utime(world.volumes(EAST)[0])
    (seen,) = provider.scan(Scope({EAST: before})).observed.values()
    assert seen.condition is Condition.READY
    assert seen.fingerprint != before
    assert provider.scan(Scope({EAST: seen.fingerprint})).matching == {EAST}


def test_other_volumes_of_a_pool_are_ignored(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1})
    a_volume(world, "somebody.qcow2", CONTENT)
    a_volume(world, "corp-by-hand.img", CONTENT)
    found = provider.scan(Scope(dict.fromkeys((Address("corp"), EAST, VERSION)), unmanaged=True)).unmanaged
    assert [one.object_id.rpartition("/")[2] for one in found if not one.mark] == ["corp-by-hand.img"]
    remove(provider, attributes, EAST)
    assert world.objects() == ["eastus/corp-by-hand.img", "eastus/somebody.qcow2"]


def test_a_full_pool_fails_its_region_and_keeps_nothing(tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]) -> None:
    class SmallWest(LibvirtWorld):
        def __init__(self) -> None:
            super().__init__(tmp_path, libvirt_hosts)
            host = self.hosts["westus"]
            self.pools["westus"] = f"small-{uuid4().hex[:8]}"
            self.folders["westus"] = host.define_pool(self.pools["westus"], size_mib=2)

    world = SmallWest()
    provider = world.provider()
    attributes = version(world.image("large.raw", os.urandom(8 << 20)))
    results = publish(provider, attributes, {EAST: 1, WEST: 1})
    error = failed(results, WEST)
    assert "free some space" in error.remedy
    assert not [name for name in world.objects() if name.startswith("westus/")]
    assert len(world.copies(EAST)) == 1
    world.hosts["westus"].run("mount", "-o", "remount,size=64m", f"{POOLS}/{world.pools['westus']}")
    again = Step(Verb.CREATE, WEST, region())
    applied(run(provider, again, version=attributes, computed={"disks": disks(results)}), WEST)
    assert len(world.copies(WEST)) == 1


def test_raw_pools_hold_the_same_content(tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]) -> None:
    world = LibvirtWorld(tmp_path, libvirt_hosts, pool_format="raw")
    provider = world.provider()
    attributes = version(world.image("large.raw", LARGE))
    results = publish(provider, attributes, {EAST: 2, WEST: 1, NORTH: 1})
    for where, count in ((EAST, 2), (WEST, 1), (NORTH, 1)):
        assert world.copies(where) == [LARGE] * count
        for volume in world.volumes(where):
            assert volume.stat().st_blocks * 512 < len(LARGE) // 2, "the holes were filled"
    wanted = {one: applied(results, one).fingerprint for one in (EAST, WEST, NORTH)}
    scan = provider.scan(Scope(wanted, deep=True))
    assert {one.condition for one in scan.observed.values()} == {Condition.READY}
    world.close()


def test_a_region_whose_host_dies_in_the_middle_is_recovered_later(
    world: LibvirtWorld, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = version(world.image("large.raw", os.urandom(24 << 20)))
    killed = False

    def kill(address: Address, done: int, total: int) -> None:
        nonlocal killed
        if address == WEST and done > 0 and not killed:
            killed = True
            world.hosts["westus"].kill()

    try:
        steps = [Step(Verb.CREATE, one, region()) for one in (EAST, WEST)]
        results = run(provider, Step(Verb.CREATE, VERSION, attributes), *steps, version=attributes, progress=kill)
        assert killed
        assert isinstance(failed(results, WEST), Unavailable)
        applied(results, EAST)
    finally:
        world.hosts["westus"].restart()
    provider.tidy([VERSION, EAST, WEST], writer_of())
    assert provider.read(WEST) is None
    assert not [name for name in world.objects() if name.startswith("westus/")]
    again = Step(Verb.CREATE, WEST, region())
    applied(run(provider, again, version=attributes, computed={"disks": disks(results)}), WEST)
    assert world.copies(WEST) == world.copies(EAST)


def test_a_stream_that_breaks_in_the_middle_leaves_nothing_that_counts(
    tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]
) -> None:
    """Both daemons keep running; only the connection to one of them breaks, once."""
    server = libvirt_hosts[1].uri.partition("socket=")[2]
    with TemporaryDirectory(prefix="line-") as short, cut_line(Path(short) / "line", server) as line:

        class CutWest(LibvirtWorld):
            @property
            def settings(self) -> dict[str, Any]:
                settings = super().settings
                settings["regions"]["westus"]["uri"] = f"qemu:///system?socket={line.path}"
                return settings

        world = CutWest(tmp_path, libvirt_hosts)
        provider = world.provider()
        attributes = version(world.image("large.raw", os.urandom(24 << 20)))
        cuts = 0

        def cut(address: Address, done: int, total: int) -> None:
            nonlocal cuts
            if address == WEST and 0 < done < total and not cuts:
                cuts += 1
                line.cut()

        steps = [Step(Verb.CREATE, one, region()) for one in (EAST, WEST)]
        results = run(provider, Step(Verb.CREATE, VERSION, attributes), *steps, version=attributes, progress=cut)
        assert cuts
        assert isinstance(failed(results, WEST), Unavailable)
        applied(results, EAST)
        seen = provider.read(WEST)
        assert seen is None or seen.condition is not Condition.READY
        provider.tidy([VERSION, EAST, WEST], writer_of())
        assert not [name for name in world.objects() if name.startswith("westus/")]
        again = Step(Verb.CREATE, WEST, region())
        applied(run(provider, again, version=attributes, computed={"disks": disks(results)}), WEST)
        assert world.copies(WEST) == world.copies(EAST)
        world.close()

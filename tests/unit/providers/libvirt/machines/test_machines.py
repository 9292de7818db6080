"""Machines created from copies on a real host: what they boot, who owns them, and what is left of them."""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from support.libvirt.daemons import LibvirtHost
from support.libvirt.guest_linux import restart_with_linux
from support.libvirt.regions import Region, one_region
from support.libvirt.seeds import read_seed
from support.libvirt.tiny_guest import TinyMachine, await_text, boot_volume, data_volume, sectors

from reconciler.manifests.address import Address
from reconciler.providers.content_digest import NO_DIGEST
from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable, Unsupported
from reconciler.providers.libvirt.host.hosts import Hosts
from reconciler.providers.libvirt.machines.trial_machines import TrialMachines
from reconciler.providers.libvirt.records.descriptions import Copy
from reconciler.providers.owner import Owner
from reconciler.providers.protocol import Machine, MachineOrder

IMAGE = Address("corp", "web", "1.0.0", "eastus")
OWNER, OTHER, FORGER = Owner("lineage", b"key"), Owner("other", b"key"), Owner("lineage", b"guess")
READ_SEED = """\
until seed=$(blkid -t LABEL=cidata -o device); do sleep 0.1; done
mount -o ro -t iso9660 "$seed" /disk && cat /disk/meta-data /disk/user-data && echo the seed was read
poweroff -f
"""
LINUX: Mapping[str, Any] = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V1"}


def copy(volume: str, disk: str, replica: int, size_mib: int) -> Copy:
    return Copy(volume, disk, replica, size_mib << 20, "raw", NO_DIGEST, "")


class Lab:
    """A region with one image in it that has a data disk and two replicas."""

    def __init__(self, hosts: Hosts, region: Region) -> None:
        self.hosts, self.host = hosts, region.host
        self.pool, self.folder, self.pool_name = region.pool, region.folder, region.pool.name
        host = self.host
        self.copies = [
            copy(data_volume(host, self.pool_name, "data", b"kept"), "data-0", 1, 4),
            copy(boot_volume(host, self.pool_name, "os-1", "the image speaks"), "os", 1, 8),
            copy(boot_volume(host, self.pool_name, "os-2", "the image speaks"), "os", 2, 8),
        ]
        self.room = TrialMachines(self.hosts, lambda _: self.copies)
        self.images = sorted(self.pool.volumes(refresh=True))

    def order(self, **values: Any) -> MachineOrder:
        name = f"try-{uuid.uuid4().hex[:8]}"
        return replace(MachineOrder(name, IMAGE, OWNER, LINUX, {}, {}, 1, 64), **values)

    def create(self, **values: Any) -> Machine:
        return self.room.create(self.order(**values))

    def description(self, machine: Machine) -> str:
        return self.host.virsh("dumpxml", machine.name)

    def close(self) -> None:
        for machine in self.room.all("eastus"):
            (owner,) = (one for one in (OWNER, OTHER, FORGER) if one.owns(machine.mark, IMAGE))
            self.room.delete(machine.name, "eastus", owner)


@pytest.fixture
def lab(libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[Lab]:
    with one_region(libvirt_hosts[0]) as (hosts, region):
        lab = Lab(hosts, region)
        try:
            yield lab
        finally:
            lab.close()


def test_a_machine_boots_from_the_image_and_does_not_change_it(lab: Lab) -> None:
    before = {name: sectors(lab.host, lab.pool_name, name) for name in lab.images}
    machine = lab.create(user="ada", ssh_keys=("ssh-ed25519 AAAAC3 ada@home",))
    await_text(lab.folder / f"machine~{machine.name}~console.log", "the image speaks")
    assert b"the image speaks" in lab.room.output(machine.name, "eastus", OWNER)
    assert machine.state == "running"
    assert machine.mark.address == IMAGE
    assert [found.name for found in lab.room.all("eastus")] == [machine.name]
    volumes = lab.pool.volumes(refresh=True)
    assert volumes[f"machine~{machine.name}~os.qcow2"].backing_path in {volumes["os-1"].path, volumes["os-2"].path}
    assert volumes[f"machine~{machine.name}~data-0.qcow2"].backing_path == volumes["data"].path
    assert "<interface" not in lab.description(machine)
    assert {name: sectors(lab.host, lab.pool_name, name) for name in lab.images} == before


def test_nothing_is_left_of_a_machine_that_is_deleted(lab: Lab) -> None:
    machine = lab.create()
    assert lab.room.delete(machine.name, "eastus", OWNER)
    assert sorted(lab.pool.volumes(refresh=True)) == lab.images
    assert machine.name not in lab.host.virsh("list", "--all", "--name")
    assert not lab.room.delete(machine.name, "eastus", OWNER)


def test_a_machine_of_another_state_or_without_an_owner_is_left_alone(lab: Lab) -> None:
    machine = lab.create(owner=OTHER)
    for act in (lab.room.delete, lab.room.output):
        with pytest.raises(ObjectConflict, match="another project"):
            act(machine.name, "eastus", OWNER)
    forged = lab.create(owner=FORGER)
    for act in (lab.room.delete, lab.room.output):
        with pytest.raises(ObjectConflict, match="not made with the key of this state"):
            act(forged.name, "eastus", OWNER)
    stranger = TinyMachine(lab.host, f"stranger-{uuid.uuid4().hex[:6]}", lab.pool_name, {"vda": "os-1"})
    stranger.define()
    try:
        with pytest.raises(ObjectConflict, match="not created by reconciler"):
            lab.room.delete(stranger.name, "eastus", OWNER)
        with pytest.raises(ObjectConflict, match="already"):
            lab.create(name=stranger.name)
        assert {found.name for found in lab.room.all("eastus")} == {machine.name, forged.name}
    finally:
        lab.host.virsh("undefine", stranger.name)


def test_nothing_is_left_of_a_machine_that_does_not_start(lab: Lab) -> None:
    with pytest.raises(ProviderError, match="nonesuch"):
        lab.create(network="nonesuch")
    assert sorted(lab.pool.volumes(refresh=True)) == lab.images
    assert lab.room.all("eastus") == []


def test_others_volumes_with_its_names_stay(lab: Lab) -> None:
    strange = lab.folder / "machine~mine~os.qcow2"
    strange.write_bytes(b"theirs")
    with pytest.raises(ObjectConflict, match="machine~mine~os"):
        lab.create(name="mine")
    assert strange.read_bytes() == b"theirs"
    assert "mine" not in lab.host.virsh("list", "--all", "--name").split()


@pytest.mark.parametrize("known", [True, False])
def test_a_missing_or_stopped_network_is_reported(lab: Lab, known: bool) -> None:
    if known:
        description = lab.folder.parent / "lonely.xml"
        description.write_text("<network><name>lonely</name><bridge name='lonely0'/></network>")
        lab.host.virsh("net-define", str(description))
    try:
        with pytest.raises(ProviderError, match="lonely") as caught:
            lab.create(network="lonely")
        assert not isinstance(caught.value, Unavailable)
        assert "virsh net-start" in caught.value.remedy
    finally:
        if known:
            lab.host.virsh("net-undefine", "lonely")


def test_the_library_that_writes_iso_images_may_be_missing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycdlib", None)
    with pytest.raises(Unsupported, match="pycdlib, which writes it, is not installed") as caught:
        lab.create()
    assert "'.[libvirt]'" in caught.value.remedy
    assert sorted(lab.pool.volumes(refresh=True)) == lab.images
    lab.create(definition={**LINUX, "osState": "Specialized"})


def test_a_specialized_image_takes_no_identity(lab: Lab) -> None:
    specialized = {**LINUX, "osState": "Specialized"}
    with pytest.raises(Unsupported, match="is specialized"):
        lab.create(definition=specialized, user="ada")
    machine = lab.create(definition=specialized)
    assert "seed.iso" not in lab.description(machine)
    assert f"machine~{machine.name}~seed.iso" not in lab.pool.volumes(refresh=True)


def test_a_booted_image_can_read_the_seed(lab: Lab) -> None:
    """A kernel with no other driver than that of the image's disks, almost like kernels for virtual machines."""
    machine = lab.create(user="ada", host_name="lovelace", memory_mib=256)
    restart_with_linux(lab.host, machine.name, READ_SEED, ["blkid"])
    console = lab.folder / f"machine~{machine.name}~console.log"
    await_text(console, "the seed was read")
    said = console.read_text("utf-8", errors="replace")
    assert '"local-hostname": "lovelace"' in said
    assert '"name": "ada"' in said


def test_a_recreated_machine_has_another_identity(lab: Lab) -> None:
    """Its image may have been captured from the first of that name, whose cloud-init must run again."""
    identities = []
    for _ in range(2):
        machine = lab.create(name="again", user="ada")
        seed = read_seed((lab.folder / "machine~again~seed.iso").read_bytes(), "meta-data")
        identities.append(json.loads(seed)["instance-id"])
        assert identities[-1] == lab.host.virsh("domuuid", machine.name).strip()
        lab.room.delete("again", "eastus", OWNER)
    assert identities[0] != identities[1]


def test_machines_are_spread_over_the_replicas(lab: Lab) -> None:
    used = set()
    for number in range(6):
        machine = lab.create(name=f"spread-{number}")
        used.add(lab.pool.volumes(refresh=True)[f"machine~{machine.name}~os.qcow2"].backing_path.rpartition("/")[2])
    assert used == {"os-1", "os-2"}


def test_disks_have_the_host_caching_of_the_version(lab: Lab) -> None:
    version = {"hostCaching": "ReadOnly", "dataDisks": {"0": {"hostCaching": "ReadWrite"}}}
    captured = {"disks": {"os": {"hostCaching": "None"}, "data-0": {"hostCaching": "ReadOnly"}}}
    declared = lab.description(lab.create(version=version, computed=captured))
    assert re.findall("cache='([a-z]+)'", declared) == ["writethrough", "writeback"]
    inherited = lab.description(lab.create(version={}, computed=captured))
    assert re.findall("cache='([a-z]+)'", inherited) == ["none", "writethrough"]
    assert "cache=" not in lab.description(lab.create())


def test_more_than_the_host_has_is_refused(lab: Lab) -> None:
    with pytest.raises(Unsupported, match=r"at most \d+ processors"):
        lab.create(cpus=100_000)
    with pytest.raises(Unsupported, match="MiB of memory"):
        lab.create(memory_mib=1 << 40)
    with pytest.raises(Unsupported, match="invalid machine name"):
        lab.create(name="../etc")
    assert lab.room.all("eastus") == []


def test_another_architecture_needs_an_emulator_on_the_host(lab: Lab) -> None:
    with pytest.raises(Unsupported, match="no QEMU for aarch64") as caught:
        lab.create(definition={**LINUX, "architecture": "Arm64"})
    assert "qemu-system-arm and qemu-efi-aarch64" in caught.value.remedy
    assert sorted(lab.pool.volumes(refresh=True)) == lab.images


def test_a_missing_copy_is_reported(lab: Lab) -> None:
    lab.copies[0] = replace(lab.copies[0], volume="lost")
    with pytest.raises(ProviderError, match="'lost'"):
        lab.create()
    lab.copies.clear()
    with pytest.raises(ProviderError, match="no complete copy"):
        lab.create()
    assert lab.room.all("eastus") == []


def test_a_machine_is_emulated_if_kvm_is_offered_and_fails(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that reports the features KVM needs, on a host whose QEMU cannot use them."""
    monkeypatch.setattr("reconciler.providers.libvirt.machines.trial_machines.can_accelerate", lambda *_: True)
    lab.host.run("mount", "--bind", "/dev/null", "/dev/kvm")
    try:
        machine = lab.create()
    finally:
        lab.host.run("umount", "/dev/kvm")
    assert "is emulated" in machine.notes[0]
    assert "<domain type='qemu'" in lab.description(machine)
    await_text(lab.folder / f"machine~{machine.name}~console.log", "the image speaks")

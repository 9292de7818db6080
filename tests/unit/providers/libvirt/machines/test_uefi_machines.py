"""Machines with UEFI firmware on a real host: what they boot, and what they keep beside their disks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.libvirt.daemons import POOLS, LibvirtHost
from support.libvirt.regions import Region, one_region
from support.libvirt.tiny_guest import await_text
from support.libvirt.uefi_guest import DISK_MIB, write_uefi_disk

from reconciler.manifests.address import Address
from reconciler.providers.content_digest import NO_DIGEST
from reconciler.providers.errors import Unsupported
from reconciler.providers.libvirt.host.hosts import Hosts
from reconciler.providers.libvirt.machines import trial_machines
from reconciler.providers.libvirt.machines.trial_machines import TrialMachines
from reconciler.providers.libvirt.records.descriptions import Copy
from reconciler.providers.owner import Owner
from reconciler.providers.protocol import Machine, MachineOrder

IMAGE = Address("corp", "web", "1.0.0", "eastus")
OWNER = Owner("lineage", b"key")
SCRIPT = """\
[ -d /sys/firmware/efi ] && echo started by UEFI
poweroff -f
"""
V2: Mapping[str, Any] = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2"}
TRUSTED = {**V2, "features": {"SecurityType": {"value": "TrustedLaunch"}}}


class Lab:
    """A region with one image in it that boots only with UEFI."""

    def __init__(self, hosts: Hosts, region: Region) -> None:
        self.hosts, self.host = hosts, region.host
        self.folder, self.pool_name = region.folder, region.pool.name
        write_uefi_disk(self.folder / "os", SCRIPT)
        copies = [Copy("os", "os", 1, DISK_MIB << 20, "raw", NO_DIGEST, "")]
        self.room = TrialMachines(self.hosts, lambda _: copies)

    def create(self, name: str, definition: Mapping[str, Any] = V2) -> Machine:
        order = MachineOrder(f"{name}-{self.pool_name}", IMAGE, OWNER, definition, {}, {}, 1, 256)
        return self.room.create(order)

    def delete(self, machine: Machine) -> None:
        assert self.room.delete(machine.name, "eastus", OWNER)

    def await_text(self, machine: Machine, text: str) -> None:
        await_text(self.folder / f"machine~{machine.name}~console.log", text)

    @property
    def files(self) -> list[str]:
        """What is in the pool besides the image, and what the host keeps for the test's machines elsewhere."""
        kept = self.host.run("find", "/var/lib/libvirt", "-name", f"*{self.pool_name}*", "-not", "-path", f"{POOLS}/*")
        return sorted([path.name for path in self.folder.iterdir() if path.name != "os"] + kept.split())

    def close(self) -> None:
        for machine in self.room.all("eastus"):
            self.delete(machine)


@pytest.fixture
def lab(libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[Lab]:
    with one_region(libvirt_hosts[0]) as (hosts, region):
        lab = Lab(hosts, region)
        try:
            yield lab
        finally:
            lab.close()


def variables(lab: Lab, machine: Machine) -> Path:
    return lab.folder / f"machine~{machine.name}~variables.fd"


def test_each_machine_has_its_own_variables(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Firmware writes to them when it starts. The next deletion completes an interrupted one."""
    one = lab.create("one")
    template = re.search("template='(.+?)'", lab.host.virsh("dumpxml", one.name))
    assert template is not None
    lab.await_text(one, "started by UEFI")
    assert variables(lab, one).read_bytes() != Path(template[1]).read_bytes()
    two = lab.create("two")
    lab.delete(one)
    assert not variables(lab, one).exists()
    assert variables(lab, two).exists()

    def cut_off(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trial_machines, "undefine", cut_off)
        with pytest.raises(KeyboardInterrupt):
            lab.delete(two)
    assert [found.name for found in lab.room.all("eastus")] == [two.name]
    lab.delete(two)
    assert lab.files == []


def test_variables_that_another_machine_left_are_not_used(lab: Lab) -> None:
    """libvirt would reuse them by the name of the machine, if whoever removed it kept them."""
    name = f"one-{lab.pool_name}"
    left = lab.host.folder / "var" / "qemu" / "nvram" / f"{name}_VARS.fd"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"theirs")
    machine = lab.create("one")
    assert machine.name == name
    lab.delete(machine)
    assert left.read_bytes() == b"theirs"
    left.unlink()


def test_trusted_launch_boots_only_what_is_signed(lab: Lab) -> None:
    machine = lab.create("safe", TRUSTED)
    lab.await_text(machine, "Access Denied")
    identity = lab.host.virsh("domuuid", machine.name).strip()
    tpm = lab.host.folder / "var" / "swtpm" / identity
    assert (tpm / "tpm2").is_dir()
    lab.delete(machine)
    assert lab.files == []
    assert not tpm.exists()


def test_a_host_without_a_tpm_refuses_trusted_launch(lab: Lab) -> None:
    lab.host.run("mount", "--bind", "/dev/null", "/usr/bin/swtpm")
    try:
        with pytest.raises(Unsupported, match="cannot emulate one") as caught:
            lab.create("safe", TRUSTED)
    finally:
        lab.host.run("umount", "/usr/bin/swtpm")
    assert "swtpm-tools" in caught.value.remedy
    assert lab.files == []

"""Machines as sources, on real hosts: what is captured, when, and what is refused."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.libvirt.agent_guest import AgentMachine, needs_recovery, start_agent_machine
from support.libvirt.daemons import LibvirtHost
from support.libvirt.regions import Region, Regions, one_region
from support.libvirt.tiny_guest import TinyMachine, await_text, boot_volume, data_volume, overlay, sectors

from reconciler.providers.errors import ObjectConflict, SourceError
from reconciler.providers.libvirt.capture import capture
from reconciler.providers.libvirt.host.hosts import Hosts

REGION = "eastus"


class Lab:
    """Machines in a region, removed after the test."""

    def __init__(self, hosts: Hosts, region: Region) -> None:
        self.hosts, self.host = hosts, region.host
        self.pool, self.folder, self.name = region.pool, region.folder, region.pool.name
        self._machines: list[str] = []

    def machine(self, disks: dict[str, str], caching: dict[str, str] | None = None) -> TinyMachine:
        machine = TinyMachine(self.host, f"vm-{uuid.uuid4().hex[:8]}", self.name, disks, caching or {})
        machine.define()
        self._machines.append(machine.name)
        return machine

    def agent_machine(self, *, reachable: bool) -> AgentMachine:
        name = f"agent-{uuid.uuid4().hex[:8]}"
        self._machines.append(name)
        return start_agent_machine(self.host, self.name, name, reachable=reachable)

    def boot_disk(self, message: str, name: str = "boot.raw") -> str:
        return boot_volume(self.host, self.name, name, message)

    def capture(
        self, machine: TinyMachine | AgentMachine, generalized: bool, targets: dict[str, str], form: str = "qcow2"
    ) -> bool:
        reports: list[tuple[int, int]] = []
        done = capture.capture(
            self.hosts, REGION, machine.name, generalized, targets, self.pool, form, lambda *two: reports.append(two)
        )
        assert reports[-1][0] == reports[-1][1]
        assert reports == sorted(reports)
        return done.quiesced

    def close(self) -> None:
        for name in self._machines:
            if name in self.host.virsh("list", "--name"):
                self.host.virsh("destroy", name)
            self.host.virsh("undefine", name, "--managed-save")


@pytest.fixture
def lab(libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[Lab]:
    with one_region(libvirt_hosts[0]) as (hosts, region):
        lab = Lab(hosts, region)
        try:
            yield lab
        finally:
            lab.close()


@pytest.mark.parametrize("form", ["qcow2", "raw"])
@pytest.mark.parametrize("generalized", [True, False])
def test_a_machine_that_is_off_is_copied_with_all_its_disks(lab: Lab, form: str, generalized: bool) -> None:
    """vda is an overlay on a boot disk, vdb is raw: both copies are complete."""
    lab.boot_disk("below")
    machine = lab.machine(
        {
            "vda": overlay(lab.host, lab.name, "top.qcow2", "boot.raw"),
            "vdb": data_volume(lab.host, lab.name, "d", b"d1"),
        },
        {"vda": "writethrough", "vdb": "none"},
    )
    found = capture.facts(lab.hosts, REGION, machine.name, generalized)
    assert [(disk.disk, disk.device, disk.virtual_size >> 20, disk.caching) for disk in found] == [
        ("os", "vda", 8, "ReadOnly"),
        ("data-0", "vdb", 4, "None"),
    ]
    assert lab.capture(machine, generalized, {"os": "c-os", "data-0": "c-data"}, form)
    copies = lab.pool.volumes()
    assert {name: (copies[name].format, copies[name].backing_path) for name in ("c-os", "c-data")} == {
        "c-os": (form, ""),
        "c-data": (form, ""),
    }
    assert copies["c-data"].allocation < 1 << 20  # holes stay holes
    assert sectors(lab.host, lab.name, "c-os") == sectors(lab.host, lab.name, "boot.raw")
    assert sectors(lab.host, lab.name, "c-data") == sectors(lab.host, lab.name, "d")


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_a_specialized_machine_keeps_running_while_it_is_captured(lab: Lab, form: str) -> None:
    machine = lab.machine({"vda": lab.boot_disk("alive"), "vdb": data_volume(lab.host, lab.name, "d", b"d1")})
    machine.start()
    machine.await_text("alive")
    quiesced = lab.capture(machine, False, {"os": "c-os", "data-0": "c-data"}, form)
    assert not quiesced  # no agent is in there
    assert machine.name in lab.host.virsh("list", "--name", "--state-running")
    copies = lab.pool.volumes()
    assert sorted(copies) == ["boot.raw", "c-data", "c-os", "d"]
    assert copies["c-os"].format == form
    assert copies["c-data"].allocation < 1 << 20
    assert sectors(lab.host, lab.name, "c-os") == sectors(lab.host, lab.name, "boot.raw")
    assert sectors(lab.host, lab.name, "c-data") == sectors(lab.host, lab.name, "d")
    copy = lab.machine({"vda": "c-os" if form == "raw" else overlay(lab.host, lab.name, "try.qcow2", "c-os", form)})
    copy.start()
    copy.await_text("alive")


def test_a_generalized_machine_must_be_off(lab: Lab) -> None:
    machine = lab.machine({"vda": lab.boot_disk("on")})
    machine.start()
    with pytest.raises(SourceError, match="is running") as refused:
        capture.facts(lab.hosts, REGION, machine.name, True)
    assert "virt-sysprep" in refused.value.remedy
    with pytest.raises(SourceError, match="is running"):
        lab.capture(machine, True, {"os": "c-os"})
    assert sorted(lab.pool.volumes(refresh=True)) == ["boot.raw"]


def test_disks_of_a_paused_or_saved_machine_are_refused(lab: Lab) -> None:
    machine = lab.machine({"vda": lab.boot_disk("on")})
    machine.start()
    machine.await_text("on")
    lab.host.virsh("suspend", machine.name)
    with pytest.raises(SourceError, match="is paused") as paused:
        capture.facts(lab.hosts, REGION, machine.name, False)
    assert f"virsh resume {machine.name}" in paused.value.remedy
    lab.host.virsh("resume", machine.name)
    lab.host.virsh("managedsave", machine.name)
    for generalized in (True, False):
        with pytest.raises(SourceError, match="is saved") as saved:
            capture.facts(lab.hosts, REGION, machine.name, generalized)
        assert "managedsave-remove" in saved.value.remedy


def test_a_machine_that_is_missing_is_named_with_its_host(lab: Lab) -> None:
    assert capture.identity(lab.hosts, REGION, "nobody") == ""
    with pytest.raises(SourceError, match="no machine 'nobody'") as refused:
        capture.facts(lab.hosts, REGION, "nobody", True)
    assert lab.host.uri in refused.value.remedy


def test_a_machine_keeps_its_identity_whatever_it_writes(lab: Lab) -> None:
    machine = lab.machine({"vda": lab.boot_disk("on")})
    before = capture.identity(lab.hosts, REGION, machine.name)
    machine.start()
    assert before
    assert capture.identity(lab.hosts, REGION, machine.name) == before
    assert capture.facts(lab.hosts, REGION, machine.name, False)[0].identity == before


def test_a_raw_disk_that_claims_another_format_is_not_trusted(lab: Lab) -> None:
    """The guest wrote a qcow2 header, with a file of the host as backing file, to its raw disk."""
    boot = lab.boot_disk("on", "evil.raw")
    machine = lab.machine({"vda": boot})
    secret = lab.folder / "secret"
    secret.write_bytes(b"of the host".ljust(512))
    (lab.folder / boot).unlink()
    lab.host.run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        f"/var/lib/libvirt/images/{lab.name}/secret",
        "-F",
        "raw",
        f"/var/lib/libvirt/images/{lab.name}/evil.raw",
    )
    lab.pool.refresh()
    with pytest.raises(SourceError, match="opens its disk vda as raw, but it looks like qcow2"):
        lab.capture(machine, True, {"os": "c-os"})
    assert "c-os" not in lab.pool.volumes(refresh=True)


def test_a_disk_outside_of_all_pools_is_refused_with_the_remedy(lab: Lab) -> None:
    machine = lab.machine({"vda": lab.boot_disk("on"), "vdb": "../stranger"})
    (lab.folder.parent / "stranger").write_bytes(bytes(1 << 20))
    with pytest.raises(SourceError, match="in no active pool") as refused:
        lab.capture(machine, True, {"os": "c-os", "data-0": "c-data"})
    assert "pool-define-as" in refused.value.remedy
    assert "c-os" not in lab.pool.volumes(refresh=True)


def test_names_that_are_taken_are_not_touched(lab: Lab) -> None:
    machine = lab.machine({"vda": lab.boot_disk("on")})
    data_volume(lab.host, lab.name, "c-os", b"somebody's")
    with pytest.raises(ObjectConflict, match="c-os"):
        lab.capture(machine, True, {"os": "c-os"})
    assert sectors(lab.host, lab.name, "c-os").startswith(b"somebody's")


def test_the_remains_of_a_capture_are_discarded(lab: Lab) -> None:
    """The targets stay, which the caller removes: only the caller knows whether they are in use by now."""
    machine = lab.machine({"vda": lab.boot_disk("on"), "vdb": data_volume(lab.host, lab.name, "d", b"d1")})
    machine.start()
    machine.await_text("on")
    lab.pool.create("c-os", 8 << 20, "qcow2")
    lab.pool.create(".reconciler~capture~c-data", 4 << 20, "qcow2")
    capture.discard(lab.hosts, REGION, machine.name, ["c-os", "c-data"], lab.pool)
    assert sorted(lab.pool.volumes(refresh=True)) == ["boot.raw", "c-os", "d"]


def test_a_running_job_is_aborted_and_nothing_is_left_of_its_capture(lab: Lab) -> None:
    """Another process cleans up after a capture that it believes dead: the job ends, the machine keeps running."""
    large = data_volume(lab.host, lab.name, "d", os.urandom(1 << 20) * 700, size_mib=700)
    machine = lab.machine({"vda": lab.boot_disk("on"), "vdb": large})
    machine.start()
    machine.await_text("on")
    targets = {"os": "c-os", "data-0": "c-data"}
    for _ in range(8):
        if _ended_while_it_copies(lab, machine.name, targets):
            break
        for name in targets.values():  # this copy was faster: once more
            lab.pool.delete(name)
    else:
        pytest.fail("every copy was over before it could be ended")
    assert sorted(lab.pool.volumes(refresh=True)) == ["boot.raw", "d"]
    assert machine.name in lab.host.virsh("list", "--name", "--state-running")


def _ended_while_it_copies(lab: Lab, machine: str, targets: dict[str, str]) -> bool:
    """Starts a capture and aborts its job; whether that was in time."""
    with ThreadPoolExecutor(1) as threads:
        captured = threads.submit(
            capture.capture, lab.hosts, REGION, machine, False, targets, lab.pool, "qcow2", lambda *_: None
        )
        while "Backup" not in lab.host.virsh("domjobinfo", machine):
            if captured.done():
                return False
        busy = _refusal(lambda: capture.facts(lab.hosts, REGION, machine, False))
        capture.discard(lab.hosts, REGION, machine, ["somebody-elses"], lab.pool)
        capture.discard(lab.hosts, REGION, machine, targets.values(), lab.pool)
        return "is busy" in busy and "could not be copied" in _refusal(captured.result)


def _refusal(call: Callable[[], object]) -> str:
    """The error that refuses a call; empty if there is none."""
    try:
        call()
    except SourceError as error:
        return error.message
    return ""


@pytest.mark.parametrize("agent", [True, False])
def test_file_systems_are_frozen_if_an_agent_answers(lab: Lab, agent: bool, tmp_path: Path) -> None:
    """The guest writes all the time. A copy that was taken while its file system was frozen is marked clean; any other
    has a journal to replay, as after a power cut. The machine keeps running either way."""
    machine = lab.agent_machine(reachable=agent)
    quiesced = lab.capture(machine, False, {"os": "c-os"}, "raw")
    assert quiesced == agent
    copy = tmp_path / "copy"
    copy.write_bytes(sectors(lab.host, lab.name, "c-os"))
    assert needs_recovery(copy) != agent
    counted = machine.count
    await_text(machine.console, f"count {counted + 3}")


def test_a_disk_in_another_pool_is_copied_when_no_other_copy_is_between_pools(regions: Regions) -> None:
    """libvirt deadlocks when volumes are copied between two pools in both directions at the same time."""
    east, north = regions.east, regions.north
    data_volume(east.host, east.pool.name, "data.raw", b"here")
    machine = TinyMachine(east.host, f"vm-{east.pool.name}", east.pool.name, {"vda": "data.raw"})
    machine.define()
    wanted = (regions.hosts, "east", machine.name, True, {"os": "copy"}, north.pool, "qcow2", lambda *_: None)
    with ThreadPoolExecutor(1) as pool:
        with east.pool.connection.between_pools():
            copying = pool.submit(capture.capture, *wanted)
            with pytest.raises(TimeoutError):
                copying.result(1)
            assert "copy" not in os.listdir(north.folder)
        copying.result(20)
    assert "copy" in north.pool.names()
    east.host.virsh("undefine", machine.name)

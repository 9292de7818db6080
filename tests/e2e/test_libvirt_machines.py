"""From a machine to a verified copy on another host, and to a machine that boots from it: all parts are real."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.libvirt.daemons import POOLS, LibvirtHost
from support.libvirt.tiny_guest import TinyMachine, await_text, boot_volume, data_volume, sectors
from support.libvirt.uefi_guest import write_uefi_disk

from reconciler.cli.app import run

GALLERY = """\
kind: Gallery
name: corp
location: eastus
---
kind: ImageDefinition
gallery: corp
name: {definition}
osType: Linux
osState: {state}
hyperVGeneration: V1
identifier: {{publisher: Contoso, offer: Servers, sku: {definition}}}
recommended: {{vCPUs: {{min: 1, max: 2}}, memory: {{max: 1}}}}
"""
VERSION = """\
---
kind: ImageVersion
image: corp/{definition}
name: {name}
source: {{vm: {vm}}}
targetRegions: {regions}
"""


class Estate:
    """A project with two regions on two hosts, the machines that its images come from, and its commands."""

    def __init__(
        self,
        folder: Path,
        hosts: tuple[LibvirtHost, ...],
        capture: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.folder = folder
        self.first, self.second = hosts
        self.pool = f"images-{uuid.uuid4().hex[:8]}"
        self.work = f"work-{uuid.uuid4().hex[:8]}"
        self.places = {"eastus": self.first.define_pool(self.pool), "westus": self.second.define_pool(self.pool)}
        self.workshop = self.first.define_pool(self.work)
        self._capture = capture
        self._machines: list[TinyMachine] = []
        regions = {name: {"uri": host.uri, "pool": self.pool} for name, host in zip(self.places, hosts, strict=True)}
        (folder / "manifests").mkdir(parents=True)
        project = {
            "project": "images",
            "manifests": ["manifests"],
            "provider": {"type": "libvirt", "regions": regions},
        }
        (folder / "reconciler.yaml").write_text(json.dumps(project))
        trusted = folder.parent / "settings.yaml"
        trusted.write_text(json.dumps({"libvirt": {"uris": [host.uri for host in hosts]}}))
        monkeypatch.setenv("RECONCILER_SETTINGS", str(trusted))
        self.out = self.err = ""

    def machine(self, message: str) -> TinyMachine:
        """A machine that is off, on the first host, with an OS disk that says something and a data disk."""
        name = f"golden-{uuid.uuid4().hex[:6]}"
        disks = {
            "vda": boot_volume(self.first, self.work, f"{name}.img", message),
            "vdb": data_volume(self.first, self.work, f"{name}-data.img", b"precious"),
        }
        made = TinyMachine(self.first, name, self.work, disks, {"vda": "writethrough"})
        made.define()
        self._machines.append(made)
        return made

    def remove_sources(self) -> None:
        """The option that a machine is removed once it is captured."""
        path = self.folder / "reconciler.yaml"
        project = json.loads(path.read_text())
        project["provider"]["removeSource"] = True
        path.write_text(json.dumps(project))

    def write(self, *texts: str) -> None:
        (self.folder / "manifests" / "corp.yaml").write_text("".join(texts))

    def __call__(self, *words: str) -> int:
        self._capture.readouterr()
        code = run(["--project", str(self.folder), *words])
        self.out, self.err = self._capture.readouterr()
        return code

    def done(self, *words: str) -> str:
        """What a command printed that has to go well."""
        assert self(*words) == 0, self.out + self.err
        return self.out

    def volumes(self, region: str) -> list[str]:
        """Without the marker of the place, which is another in each pool."""
        host = self.first if region == "eastus" else self.second
        host.virsh("pool-refresh", self.pool)
        names = (line.split()[0] for line in host.virsh("vol-list", self.pool).splitlines() if line.strip())
        return sorted(name for name in names if not name.startswith(".reconciler~place~"))

    def copies(self, region: str, disk: str) -> list[str]:
        return [name for name in self.volumes(region) if f"-{disk}-" in name and not name.startswith(".")]

    def close(self) -> None:
        for host in (self.first, self.second):
            for name in host.virsh("list", "--all", "--name").split():
                if self.pool in host.virsh("dumpxml", name) or name in {one.name for one in self._machines}:
                    if name in host.virsh("list", "--name").split():
                        host.virsh("destroy", name)
                    host.virsh("undefine", name)
            host.virsh("pool-destroy", self.pool)
            host.virsh("pool-undefine", self.pool)
        self.first.virsh("pool-destroy", self.work)
        self.first.virsh("pool-undefine", self.work)
        for folder in (*self.places.values(), self.workshop):
            shutil.rmtree(folder)


@pytest.fixture
def estate(
    tmp_path: Path,
    libvirt_hosts: tuple[LibvirtHost, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Estate]:
    estate = Estate(tmp_path / "project", libvirt_hosts, capsys, monkeypatch)
    try:
        yield estate
    finally:
        estate.close()


def test_a_machine_becomes_an_image_and_boots_from_its_copy_on_another_host(estate: Estate) -> None:
    golden = estate.machine("I am golden 7")
    definition = GALLERY.format(definition="web", state="Generalized")
    estate.write(
        definition, VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus, westus=2]")
    )
    estate.done("apply", "--auto-approve")
    for region, host, replicas in (("eastus", estate.first, 1), ("westus", estate.second, 2)):
        assert len(estate.copies(region, "os")) == len(estate.copies(region, "datadisk-0")) == replicas
        for name in estate.copies(region, "os"):
            assert sectors(host, estate.pool, name) == sectors(estate.first, estate.work, f"{golden.name}.img")
        for name in estate.copies(region, "datadisk-0"):
            assert sectors(host, estate.pool, name) == sectors(estate.first, estate.work, f"{golden.name}-data.img")
    golden.start()  # however the machine goes on: what was published stays what it is
    assert estate("plan", "--detailed-exitcode") == 0, estate.out + estate.err
    before = estate.volumes("westus")

    key = estate.folder / "id.pub"
    key.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@home\n")
    said = estate.done(
        "vm", "create", "try-1", "--image", "corp/web/latest", "--region", "westus", "--cpus", "3", "--user", "ada",
        "--ssh-key", str(key),
    )  # fmt: skip
    assert "created try-1 from corp/web/1.0.0@westus" in said
    assert "3 processors: the image recommends 1 to 2" in said
    await_text(estate.places["westus"] / "machine~try-1~console.log", "I am golden 7")
    assert "I am golden 7" in estate.done("vm", "log", "try-1", "--region", "westus")
    assert "try-1  running  corp/web/1.0.0@westus" in estate.done("vm", "list")
    assert "cache='writethrough'" in estate.second.virsh("dumpxml", "try-1")

    estate.write(definition)
    assert estate("apply", "--auto-approve", "--allow-loss", "corp/web/1.0.0") == 1
    assert "machine~try-1~" in estate.out + estate.err or "machine 'try-1'" in estate.out + estate.err
    assert len(estate.copies("westus", "os")) == 2

    estate.done("vm", "delete", "try-1", "--region", "westus")
    assert estate.done("vm", "list") == ""
    assert "try-1" not in estate.second.virsh("list", "--all", "--name")
    assert not [name for name in estate.volumes("westus") if name.startswith("machine~")]
    assert [name for name in before if not name.startswith(".")] == [
        name for name in estate.volumes("westus") if not name.startswith(".")
    ]
    estate.done("destroy", "--auto-approve")
    assert estate.volumes("eastus") == estate.volumes("westus") == []
    assert golden.name in estate.first.virsh("list", "--all", "--name")  # never removed unless that is asked for


def test_a_specialized_machine_is_captured_as_it_runs_and_its_copy_boots(estate: Estate) -> None:
    golden = estate.machine("still here")
    golden.start()
    golden.await_text("still here")
    estate.write(
        GALLERY.format(definition="db", state="Specialized"),
        VERSION.format(definition="db", name="1.0.0", vm=golden.name, regions="[eastus, westus]"),
    )
    estate.done("apply", "--auto-approve")
    assert golden.name in estate.first.virsh("list", "--name")
    assert estate("vm", "create", "twin", "--image", "corp/db/1.0.0", "--region", "westus", "--user", "ada") == 1
    assert "corp/db is specialized" in estate.err
    estate.done("vm", "create", "twin", "--image", "corp/db/1.0.0", "--region", "westus")
    await_text(estate.places["westus"] / "machine~twin~console.log", "still here")
    assert "seed.iso" not in estate.second.virsh("dumpxml", "twin")


def test_a_generalized_machine_that_runs_is_refused_with_the_remedy(estate: Estate) -> None:
    golden = estate.machine("on")
    golden.start()
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus]"),
    )
    assert estate("apply", "--auto-approve") == 1
    told = " ".join((estate.out + estate.err).split())
    assert f"the machine '{golden.name}' is running" in told
    assert "virt-sysprep" in told
    assert estate.copies("eastus", "os") == []
    golden.stop()
    estate.done("apply", "--auto-approve")
    assert len(estate.copies("eastus", "os")) == 1


@pytest.mark.slow
def test_an_image_of_generation_2_starts_by_uefi_and_so_does_what_is_captured_from_its_machine(estate: Estate) -> None:
    """The second generation is the default. A machine's variables are no part of its image."""
    write_uefi_disk(
        estate.folder / "manifests" / "golden.raw", "[ -d /sys/firmware/efi ] && echo started by UEFI\npoweroff -f\n"
    )
    definition = GALLERY.format(definition="web", state="Generalized").replace("hyperVGeneration: V1\n", "")
    first = VERSION.format(definition="web", name="1.0.0", vm="", regions="[eastus]")
    first = first.replace("{vm: }", "{file: golden.raw}")
    estate.write(definition, first)
    estate.done("apply", "--auto-approve")
    create = ("vm", "create", "--image", "corp/web/latest", "--memory", "0.25", "--region")
    estate.done(*create, "eastus", "golden")
    console = estate.places["eastus"] / "machine~golden~console.log"
    await_text(console, "started by UEFI")
    await_text(console, "Power down")
    second = VERSION.format(definition="web", name="2.0.0", vm="golden", regions="[eastus, westus]")
    estate.write(definition, first, second)
    estate.done("apply", "--auto-approve")
    estate.done(*create, "westus", "twin")
    await_text(estate.places["westus"] / "machine~twin~console.log", "started by UEFI")
    estate.done("vm", "delete", "golden", "--region", "eastus")
    estate.done("vm", "delete", "twin", "--region", "westus")
    assert not [name for region in estate.places for name in estate.volumes(region) if name.startswith("machine~")]


def test_a_machine_with_other_firmware_than_its_image_is_refused(estate: Estate) -> None:
    golden = estate.machine("by BIOS")
    definition = GALLERY.format(definition="web", state="Generalized")
    version = VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus]")
    estate.write(definition.replace("hyperVGeneration: V1\n", ""), version)
    assert estate("plan") == 1
    told = " ".join((estate.out + estate.err).split())
    assert f"the machine '{golden.name}' boots with a BIOS" in told
    assert "declare hyperVGeneration: V1" in told
    estate.write(definition, version)
    estate.done("apply", "--auto-approve")


def test_which_version_a_machine_is_made_from(estate: Estate) -> None:
    """2.0.0 is never latest in westus, and is not in eastus at all."""
    golden = estate.machine("on")
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus, westus]"),
        VERSION.format(
            definition="web", name="2.0.0", vm=golden.name, regions="[eastus, {name: westus, excludeFromLatest: true}]"
        ),
    )
    estate.done("apply", "--auto-approve")
    for region, version in (("eastus", "2.0.0"), ("westus", "1.0.0")):
        said = estate.done("vm", "create", f"in-{region}", "--image", "corp/web/latest", "--region", region)
        assert f"from corp/web/{version}@{region}" in said
    for image, region, why in (
        ("corp/web/3.0.0", "westus", "is not in region westus"),
        ("corp/none/latest", "westus", "no such image definition: corp/none"),
        ("corp/web/1.0.0", "mars", "is not in region mars"),
    ):
        assert estate("vm", "create", "no", "--image", image, "--region", region) == 1
        assert why in " ".join(estate.err.split())
    estate.done("vm", "create", "by-number", "--image", "corp/web/2.0.0", "--region", "westus")
    assert [line.split()[0] for line in estate.done("vm", "list").splitlines()] == [
        "in-eastus",
        "by-number",
        "in-westus",
    ]
    assert estate("vm", "delete", "in-eastus", "--region", "westus") == 1
    assert "no machine 'in-eastus'" in estate.err


def test_a_damaged_copy_starts_no_machine(estate: Estate) -> None:
    golden = estate.machine("on")
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus]"),
    )
    estate.done("apply", "--auto-approve")
    (copy,) = estate.copies("eastus", "datadisk-0")
    estate.first.virsh("vol-delete", copy, "--pool", estate.pool)
    assert estate("vm", "create", "no", "--image", "corp/web/latest", "--region", "eastus") == 1
    assert "is not ready" in estate.err
    assert copy in " ".join(estate.err.split())
    estate.done("apply", "--auto-approve")
    estate.done("vm", "create", "yes", "--image", "corp/web/latest", "--region", "eastus")


def test_a_key_that_is_no_text_is_refused(estate: Estate) -> None:
    picture = estate.folder / "key.png"
    picture.write_bytes(b"\x89PNG\xff")
    words = ("vm", "create", "no", "--image", "corp/web/latest", "--region", "eastus", "--ssh-key", str(picture))
    assert estate(*words) == 1
    assert "key.png is not plain text" in " ".join(estate.err.split())


def test_a_host_that_is_down_is_told(estate: Estate) -> None:
    golden = estate.machine("on")
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus, westus]"),
    )
    estate.done("apply", "--auto-approve")
    estate.done("vm", "create", "here", "--image", "corp/web/latest", "--region", "eastus")
    estate.second.kill()
    try:
        assert estate("vm", "list") == 3
        assert estate.out.startswith("here  running")
        assert estate.err.startswith("westus: ")
        assert estate("vm", "create", "there", "--image", "corp/web/latest", "--region", "westus") == 3
        assert estate("vm", "delete", "here", "--region", "westus") == 3
    finally:
        estate.second.restart()
    assert estate("vm", "list") == 0


def test_a_machine_is_removed_after_its_capture_where_that_is_asked_for(estate: Estate) -> None:
    estate.remove_sources()
    golden, kept = estate.machine("goes"), estate.machine("stays")
    work = set(estate.first.virsh("vol-list", estate.work).split())
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus, westus]"),
    )
    removal = f"machine {golden.name} on {estate.first.uri} with 2 volumes"
    saved = str(estate.folder / "plan.json")
    told = " ".join(estate.done("plan", "--out", saved).split())
    why = "once corp/web/1.0.0 is complete in all its regions (removeSource)"
    assert f"- remove {removal} {why}" in told
    assert told.index("- remove ") < told.index("+ create ")
    assert "1 remove · 5 create" in told
    plan = json.loads(estate.done("plan", "--format", "json"))
    assert plan["counts"]["remove"] == 1
    (version,) = (change for change in plan["changes"] if change["address"] == "corp/web/1.0.0")
    assert version["removes"] == [removal]
    assert "**- remove**" in estate.done("plan", "--format", "markdown")
    told = " ".join(estate.done("apply", saved).split())
    assert f"- removed {removal}" in told
    assert "Done: 1 removed · 5 created" in told
    machines = estate.first.virsh("list", "--all", "--name").split()
    assert golden.name not in machines
    assert kept.name in machines
    gone = work - set(estate.first.virsh("vol-list", estate.work).split())
    assert {name for name in gone if "/" not in name} == {f"{golden.name}.img", f"{golden.name}-data.img"}
    assert estate("plan", "--detailed-exitcode") == 0, estate.out + estate.err
    estate.done("vm", "create", "twin", "--image", "corp/web/latest", "--region", "westus")
    await_text(estate.places["westus"] / "machine~twin~console.log", "goes")


def test_only_what_the_plan_said_is_removed(estate: Estate) -> None:
    golden = estate.machine("kept")
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus]"),
    )
    assert "remove" not in estate.done("plan")
    estate.remove_sources()
    result = json.loads(estate.done("apply", "--auto-approve", "--format", "json").splitlines()[-1])
    assert result["removed"] == [f"machine {golden.name} on {estate.first.uri} with 2 volumes"]
    assert golden.name not in estate.first.virsh("list", "--all", "--name").split()


def test_a_machine_stays_while_a_region_has_no_copy(estate: Estate) -> None:
    estate.remove_sources()
    golden = estate.machine("needed")
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus, westus]"),
    )
    target = f"{POOLS}/{estate.pool}"
    estate.second.run("mount", "--bind", target, target)
    estate.second.run("mount", "-o", "remount,bind,ro", target)
    try:
        assert estate("apply", "--auto-approve") == 1
    finally:
        estate.second.run("umount", target)
    assert "removed" not in estate.out
    assert golden.name in estate.first.virsh("list", "--all", "--name").split()


def test_a_machine_whose_disk_somebody_else_uses_is_not_removed(estate: Estate) -> None:
    estate.remove_sources()
    golden = estate.machine("shared")
    other = TinyMachine(estate.first, f"other-{golden.name}", estate.work, {"vda": f"{golden.name}-data.img"})
    other.define()
    estate.write(
        GALLERY.format(definition="web", state="Generalized"),
        VERSION.format(definition="web", name="1.0.0", vm=golden.name, regions="[eastus]"),
    )
    try:
        assert estate("apply", "--auto-approve") == 1
        told = " ".join((estate.out + estate.err).split())
        assert f"the machine '{golden.name}' was not removed" in told
        assert other.name in told
        assert golden.name in estate.first.virsh("list", "--all", "--name")
        assert f"{golden.name}.img" in estate.first.virsh("vol-list", estate.work)
    finally:
        estate.first.virsh("undefine", other.name)
    estate.done("apply", "--auto-approve")  # the version is complete, and ours
    estate.done("vm", "create", "twin", "--image", "corp/web/latest", "--region", "eastus")

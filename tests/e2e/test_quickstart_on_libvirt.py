"""The quickstart on hypervisor hosts, as people run it: no difference but the line `provider:`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.console import scratch_project
from support.libvirt.daemons import POOLS, LibvirtHost
from support.libvirt.tiny_guest import TinyMachine, boot_volume
from support.libvirt.world import LibvirtWorld
from support.paths import ROOT

from reconciler.manifests.address import Address

WEB = Address("corp", "web", "1.1.0")


@dataclass
class Project:
    """A copy of the quickstart on the pools of `world`."""

    folder: Path
    world: LibvirtWorld

    @property
    def environment(self) -> dict[str, str]:
        """Of whoever runs the command, and trusts the daemons of the test."""
        return {"RECONCILER_SETTINGS": str(self.folder.parent / "settings.yaml")}

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code and both streams of a command, as one line each of words."""
        answer = subprocess.run(
            [sys.executable, "-m", "reconciler", *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **self.environment},
        )
        return answer.returncode, " ".join(answer.stdout.split()), " ".join(answer.stderr.split())


@pytest.fixture
def project(tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[Project]:
    world = LibvirtWorld(tmp_path, libvirt_hosts)
    folder = scratch_project(tmp_path)
    path = folder / "reconciler.yaml"
    provider = json.dumps({"type": "libvirt", **world.settings})
    path.write_text(re.sub(r"^provider:.*$", f"provider: {provider}", path.read_text(), flags=re.M))
    trusted = {"libvirt": {"uris": sorted({region["uri"] for region in world.settings["regions"].values()})}}
    (tmp_path / "settings.yaml").write_text(json.dumps(trusted))
    yield Project(folder, world)
    world.close()


def test_its_whole_life(project: Project) -> None:
    code, out, err = project.run("plan", "--detailed-exitcode")
    assert (code, err) == (2, "")
    assert "15 create · 0 unchanged · 96.0 MiB to copy" in out
    code, out, err = project.run("apply", "--auto-approve")
    assert code == 0, out + err
    assert "Done: 15 created" in out
    image = (project.folder / "images" / "web-1.1.0.img").read_bytes()
    for region, replicas in (("eastus", 2), ("westus", 1), ("northeurope", 1)):
        assert project.world.copies(WEB._replace(region=region)) == [image] * replicas
    code, out, _ = project.run("plan", "--detailed-exitcode")
    assert (code, out) == (0, "No changes. 15 objects match the manifests (environment default).")
    assert project.run("latest", "corp/web")[:2] == (0, "eastus 1.1.0 northeurope 1.1.0 westus 1.1.0")
    code, out, err = project.run("drift", "--deep")
    assert code == 0, out + err
    assert out.endswith("15 unchanged")
    code, out, err = project.run("destroy", "--auto-approve")
    assert code == 0, out + err
    assert "15 deleted" in out
    assert project.world.objects() == []


def test_a_lost_copy_is_found_and_made_again(project: Project) -> None:
    assert project.run("apply", "--auto-approve")[0] == 0
    region = WEB._replace(region="westus")
    project.world.lose(region)
    code, out, _ = project.run("drift")
    assert code == 2
    assert "corp/web/1.1.0@westus" in out
    assert "is missing" in out
    code, out, err = project.run("apply", "--auto-approve")
    assert code == 0, out + err
    assert len(project.world.copies(region)) == 1
    assert project.run("plan", "--detailed-exitcode")[0] == 0


def test_a_host_that_is_down_may_have_the_source_of_a_published_version(project: Project) -> None:
    """The name of the volume says nothing of its host, so that each is asked for it."""
    host, pool = project.world.hosts["eastus"], project.world.pools["northeurope"]
    host.virsh("vol-create-as", pool, "original", "4MiB")
    manifest = project.folder / "manifests" / "web-1.2.0.yaml"
    manifest.write_text(f"kind: ImageVersion\nimage: corp/web\nname: 1.2.0\nsource: {{disk: {pool}/original}}\n")
    assert project.run("apply", "--auto-approve")[0] == 0
    far = project.world.hosts["westus"]
    far.kill()
    try:
        code, out, _ = project.run("plan")
        assert code == 3
        assert "@westus" in out
        assert "4 unknown" in out
    finally:
        far.restart()
    assert project.run("plan", "--detailed-exitcode")[0] == 0


def test_a_host_that_is_down_can_be_left_out(project: Project) -> None:
    assert project.run("apply", "--auto-approve")[0] == 0
    manifest = project.folder / "manifests" / "web-1.2.0.yaml"
    manifest.write_text("kind: ImageVersion\nimage: corp/web\nname: 1.2.0\nsource: {file: ../images/web-1.1.0.img}\n")
    far = project.world.hosts["westus"]
    far.kill()
    try:
        assert project.run("apply", "--auto-approve")[0] == 3
        code, out, err = project.run("apply", "--auto-approve", "--exclude", "*@westus")
        assert code == 0, out + err
        assert "created corp/web/1.2.0 @eastus @northeurope" in out
    finally:
        far.restart()
    code, out, err = project.run("apply", "--auto-approve")
    assert code == 0, out + err
    assert "created corp/web/1.2.0 @westus" in out
    assert project.run("plan", "--detailed-exitcode")[0] == 0
    assert project.run("drift", "--deep")[0] == 0


def test_a_machine_in_the_wrong_state_is_told_while_planning(project: Project) -> None:
    """The definition says which state is the wrong one: what is specialized is captured as it runs."""
    host, pool = project.world.hosts["eastus"], project.world.pools["eastus"]
    machine = TinyMachine(host, "builder", pool, {"vda": boot_volume(host, pool, "builder.raw", "alive")})
    machine.define()
    machine.start()
    manifest = project.folder / "manifests" / "web-1.2.0.yaml"
    manifest.write_text("kind: ImageVersion\nimage: corp/web\nname: 1.2.0\nsource: {vm: eastus/builder}\n")
    try:
        code, out, _ = project.run("plan")
        assert code == 1, out
        assert "the source of disk os cannot be used: the machine 'builder' is running" in out
        assert "manifests/web-1.2.0.yaml:4:1 corp/web/1.2.0 | source: {vm: eastus/builder}" in out
        assert "virsh shutdown builder, then virt-sysprep -d builder, and leave it off" in out
        definition = project.folder / "manifests" / "web.yaml"
        before = definition.read_text()
        definition.write_text(before.replace("osState: Generalized", "osState: Specialized"))
        assert project.run("plan")[0] == 0
        definition.write_text(before)
        machine.stop()
        code, out, _ = project.run("plan")
        assert code == 0, out
        assert "create corp/web/1.2.0" in out
    finally:
        if "builder" in host.virsh("list", "--name"):
            machine.stop()
        host.virsh("undefine", "builder")


def test_a_killed_run_is_taken_up_by_the_next(project: Project) -> None:
    """Killed as soon as a volume is there: the journal knows all names, and nothing stays that it does not explain."""
    command = [sys.executable, "-m", "reconciler", "apply", "--auto-approve"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **project.environment}
    with subprocess.Popen(command, cwd=project.folder, env=environment, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not any("-os-" in name for name in project.world.objects()):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.001)
        process.kill()
    code, out, err = project.run("apply", "--auto-approve")
    assert code == 0, out + err
    assert project.run("plan", "--detailed-exitcode")[0] == 0
    assert not [name for name in project.world.objects() if "making" in name]
    assert len([name for name in project.world.objects() if "-os-" in name]) == 12
    code, out, err = project.run("drift", "--deep")
    assert code == 0, out + err


def test_lost_descriptions_are_written_again(project: Project) -> None:
    assert project.run("apply", "--auto-approve")[0] == 0
    east, west = (project.world.folders[name] for name in ("eastus", "westus"))
    (west / ".reconciler~corp~web~1.1.0~westus.000001.json").unlink()
    for name in ("corp", "corp~web~1.0.0", "corp~worker~1.0.0~eastus"):
        os.truncate(east / f".reconciler~{name}.000001.json", 20)
    assert project.run("drift")[0] == 2
    code, out, err = project.run("apply", "--auto-approve")
    assert code == 0, out + err
    assert project.run("plan", "--detailed-exitcode")[0] == 0
    code, out, err = project.run("drift", "--deep")
    assert code == 0, out + err
    assert len([name for name in project.world.objects() if "-os-" in name]) == 12


def test_an_empty_mount_point_is_unknown(project: Project) -> None:
    """The pool is active, and its file system is not mounted."""
    assert project.run("apply", "--auto-approve")[0] == 0
    host, target = project.world.hosts["westus"], f"{POOLS}/{project.world.pools['westus']}"
    host.run("mount", "-t", "tmpfs", "tmpfs", target)
    try:
        for words in (("plan",), ("drift",), ("apply", "--auto-approve"), ("destroy", "--auto-approve")):
            code, out, err = project.run(*words)
            assert code == 3, out + err
            assert "Is a file system not mounted there?" in out + err
    finally:
        host.run("umount", target)
    assert project.run("plan", "--detailed-exitcode")[0] == 0
    assert len([name for name in project.world.objects() if "-os-" in name]) == 12


def test_a_version_is_replaced_whole_or_not_at_all(project: Project) -> None:
    assert project.run("apply", "--auto-approve")[0] == 0
    image = project.folder / "images" / "web-1.1.0.img"
    old = image.read_bytes()
    new = bytes(reversed(old))
    image.write_bytes(new)
    code, out, err = project.run("apply", "--auto-approve", "--allow-replace", "corp/web/1.1.0")
    assert code == 0, out + err
    for region, replicas in (("eastus", 2), ("westus", 1), ("northeurope", 1)):
        assert project.world.copies(WEB._replace(region=region)) == [new] * replicas
    image.write_bytes(old)
    target = f"{POOLS}/{project.world.pools['westus']}"
    host = project.world.hosts["westus"]
    host.run("mount", "--bind", target, target)
    host.run("mount", "-o", "remount,bind,ro", target)
    try:
        code, out, err = project.run("apply", "--auto-approve", "--allow-replace", "corp/web/1.1.0")
        assert code == 1, out + err
    finally:
        host.run("umount", target)
    for region, replicas in (("eastus", 2), ("westus", 1), ("northeurope", 1)):
        assert project.world.copies(WEB._replace(region=region)) == [new] * replicas

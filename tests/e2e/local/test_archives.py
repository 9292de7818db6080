"""OVA and OVF from the manifest to the copies in a region: what plan and apply make of what an archive says."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support.content.digests import tree_digest
from support.gallery_documents import ACCOUNT
from support.image_files.archives import (
    SCSI,
    controller,
    disk_content,
    drive,
    envelope,
    header,
    machine,
    manifest_of,
    one_machine,
    write_ova,
)

SYSTEM, DATA = disk_content("system"), disk_content("data")
GIB = 1 << 30


def project(folder: Path, source: str, more: str = "", generation: str = "V2") -> Path:
    """A project for one image from `source`, with a region of the local provider."""
    (folder / "reconciler.yaml").write_text(
        "project: demo\nmanifests: [manifest.yaml]\nprovider: {type: local, root: regions}\n"
    )
    (folder / "manifest.yaml").write_text(
        "kind: Gallery\nname: corp\nlocation: eastus\n---\n"
        "kind: ImageDefinition\ngallery: corp\nname: img\nosType: Linux\nosState: Generalized\n"
        f"hyperVGeneration: {generation}\nidentifier: {{publisher: p, offer: o, sku: s}}\n---\n"
        f"kind: ImageVersion\nimage: corp/img\nname: 1.0.0\nsource: {{file: {source}{more}}}\n"
    )
    (folder / "regions/eastus").mkdir(parents=True, exist_ok=True)
    return folder


def reconcile(folder: Path, *command: str, memory: int = 0) -> tuple[int, str]:
    """Exit code and all output of a command; `memory`: the most address space in bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit if memory else None,
    )
    return ran.returncode, " ".join((ran.stdout + ran.stderr).split())


def refused(folder: Path, *why: str, memory: int = 0) -> None:
    """Plan and apply both say why, and nothing becomes visible."""
    for command in (("plan",), ("apply", "--auto-approve")):
        code, output = reconcile(folder, *command, memory=memory)
        assert code == 1, output
        assert "This is a bug" not in output
        assert [part for part in why if part not in output] == [], output
    assert copies(folder) == {}


def applied(folder: Path) -> str:
    code, output = reconcile(folder, "apply", "--auto-approve")
    assert code == 0, output
    return output


def copies(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "regions").rglob("replica-*")}


@pytest.mark.parametrize(
    "manifest",
    [
        f"SHA256(d.img)= {'0' * 64}\n",
        f"SHA1(d.img)= {'0' * 40}\n",
        f"SHA512(d.img)= {'0' * 128}\n",
        f"SHA256(x.ovf)= {'0' * 64}\n",
        f"SHA256(gone.img)= {'0' * 64}\n",
        f"SHA256(nvram)= {'0' * 64}\n",
    ],
    ids=["sha256", "sha1", "sha512", "descriptor", "missing", "no disk"],
)
@pytest.mark.parametrize("ending", ["ova", "ovf"])
def test_an_archive_whose_manifest_is_not_true_is_refused(tmp_path: Path, manifest: str, ending: str) -> None:
    files = {"x.ovf": one_machine(d="d.img").encode(), "x.mf": manifest.encode(), "d.img": SYSTEM, "nvram": b"n"}
    if ending == "ova":
        write_ova(tmp_path / "x.ova", *files.items())
    else:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
    refused(project(tmp_path, f"x.{ending}"), "its manifest 'x.mf'")


def test_a_disk_that_changes_after_the_plan_is_refused_by_its_manifest(tmp_path: Path) -> None:
    ovf = one_machine(d="d.img").encode()
    (tmp_path / "x.ovf").write_bytes(ovf)
    (tmp_path / "x.mf").write_bytes(manifest_of([("x.ovf", ovf), ("d.img", SYSTEM)]))
    (tmp_path / "d.img").write_bytes(SYSTEM)
    folder = project(tmp_path, "x.ovf")
    assert reconcile(folder, "plan", "--out", "p.json")[0] == 0
    (tmp_path / "d.img").write_bytes(DATA)
    code, output = reconcile(folder, "apply", "p.json")
    assert code == 1, output
    assert copies(folder) == {}


def test_the_os_disk_is_the_first_of_the_hardware_and_not_of_the_disks(tmp_path: Path) -> None:
    ovf = envelope(
        {"data": "data.img", "system": "system.img"},
        machine("vm", controller(3, SCSI), drive(11, "data", at=1), drive(10, "system", at=0)),
    )
    write_ova(tmp_path / "x.ova", ("x.ovf", ovf.encode()), ("data.img", DATA), ("system.img", SYSTEM))
    applied(project(tmp_path, "x.ova"))
    assert copies(tmp_path) == {"replica-1.os.raw": SYSTEM, "replica-1.data-0.raw": DATA}


def two_machines() -> str:
    first = machine("vm-1", controller(3), drive(10, "a"))
    second = machine("vm-2", controller(3), drive(10, "b"))
    collection = f'<VirtualSystemCollection ovf:id="app"><Info/>{first}{second}</VirtualSystemCollection>'
    return envelope({"a": "a.img", "b": "b.img"}, collection)


def test_of_several_machines_one_has_to_be_named(tmp_path: Path) -> None:
    write_ova(tmp_path / "x.ova", ("x.ovf", two_machines().encode()), ("a.img", SYSTEM), ("b.img", DATA))
    refused(project(tmp_path, "x.ova"), "it has 2 machines: 'vm-1', 'vm-2'", "machine: NAME")
    refused(project(tmp_path, "x.ova", ", machine: web"), "no machine 'web'", "'vm-1', 'vm-2'")
    applied(project(tmp_path, "x.ova", ", machine: vm-2"))
    assert copies(tmp_path) == {"replica-1.os.raw": DATA}
    code, output = reconcile(tmp_path, "plan")
    assert code == 0, output


def test_another_machine_is_another_content(tmp_path: Path) -> None:
    write_ova(tmp_path / "x.ova", ("x.ovf", two_machines().encode()), ("a.img", SYSTEM), ("b.img", DATA))
    applied(project(tmp_path, "x.ova", ", machine: vm-2"))
    code, output = reconcile(project(tmp_path, "x.ova", ", machine: vm-1"), "plan", "--format", "json")
    assert code != 0
    assert tree_digest(SYSTEM) in output


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{file: x.img, machine: web}", "machine cannot be used here"),
        (f"{{vhd: {{uri: https://h/b, storageAccount: {ACCOUNT}}}, machine: web}}", "machine cannot be used here"),
    ],
)
def test_a_machine_is_chosen_from_an_archive_only(tmp_path: Path, written: str, why: str) -> None:
    folder = project(tmp_path, "x.ova")
    text = (folder / "manifest.yaml").read_text()
    (folder / "manifest.yaml").write_text(text.replace("{file: x.ova}", written))
    code, output = reconcile(folder, "validate")
    assert code == 1
    assert why in output


def test_a_delta_is_refused(tmp_path: Path) -> None:
    ovf = envelope(
        {"base": "a.img", "delta": "b.img"},
        machine("vm", controller(3), drive(10, "delta")),
        attributes={"delta": 'ovf:parentRef="base"'},
    )
    write_ova(tmp_path / "x.ova", ("x.ovf", ovf.encode()), ("a.img", SYSTEM), ("b.img", DATA))
    refused(project(tmp_path, "x.ova"), "is a delta to the disk 'base'")


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g", b"X"])
def test_a_header_of_gigabytes_costs_no_memory(tmp_path: Path, kind: bytes) -> None:
    with (tmp_path / "bomb.ova").open("wb") as file:
        file.write(header(b"././@LongLink", 6 * GIB, kind))
        file.truncate(6 * GIB + 10240)
    refused(project(tmp_path, "bomb.ova"), "'bomb.ova'", "longer than 1 MiB", memory=GIB)


def test_a_descriptor_of_gigabytes_costs_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "big.ovf").open("wb") as file:
        file.truncate(1 << 40)
    refused(project(tmp_path, "big.ovf"), "larger than 4 MiB", memory=GIB)


def test_characters_of_a_licence_are_no_document_type(tmp_path: Path) -> None:
    licence = "<EulaSection><Info><![CDATA[a & b < c]]></Info></EulaSection>"
    ovf = envelope({"d": "d.img"}, machine("vm", controller(3), drive(10, "d"), more=licence))
    write_ova(tmp_path / "x.ova", ("x.ovf", ovf.encode()), ("d.img", SYSTEM))
    applied(project(tmp_path, "x.ova"))
    assert copies(tmp_path) == {"replica-1.os.raw": SYSTEM}


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
def test_a_document_type_is_refused_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    ovf = one_machine(d="&f;").replace("UTF-8", encoding)
    ovf = ovf.replace("<Envelope", '<!DOCTYPE x [<!ENTITY f "d.img">]><Envelope', 1)
    write_ova(tmp_path / "x.ova", ("x.ovf", ovf.encode(encoding)), ("d.img", SYSTEM))
    refused(project(tmp_path, "x.ova"), "has a document type declaration")


@pytest.mark.parametrize(
    ("href", "member"),
    [("my%20disk.img", "my disk.img"), ("d.img", "./d.img"), ("disks/d.img", "disks/d.img"), ("a%b.img", "a%b.img")],
)
def test_names_are_understood_as_peers_do(tmp_path: Path, href: str, member: str) -> None:
    write_ova(tmp_path / "x.ova", ("./x.ovf", one_machine(d=href).encode()), (member, SYSTEM))
    applied(project(tmp_path, "x.ova"))
    assert copies(tmp_path) == {"replica-1.os.raw": SYSTEM}


def test_an_archive_of_a_folder_is_read_from_there(tmp_path: Path) -> None:
    ovf = one_machine(d="d.img").encode()
    manifest = manifest_of([("x.ovf", ovf), ("d.img", SYSTEM)])
    write_ova(tmp_path / "x.ova", ("./vm/x.ovf", ovf), ("vm/d.img", SYSTEM), ("vm/x.mf", manifest))
    applied(project(tmp_path, "x.ova"))
    assert copies(tmp_path) == {"replica-1.os.raw": SYSTEM}


def test_a_blank_disk_has_a_message_of_its_own(tmp_path: Path) -> None:
    ovf = envelope({"d": "d.img", "nvram": ""}, machine("vm", controller(3), drive(10, "d"), drive(11, "nvram", at=1)))
    write_ova(tmp_path / "x.ova", ("x.ovf", ovf.encode()), ("d.img", SYSTEM))
    refused(project(tmp_path, "x.ova"), "its disk 'nvram', the data disk at LUN 0, is blank")


def test_firmware_is_compared_with_the_definition(tmp_path: Path) -> None:
    firmware = '<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="bios"/>'
    ovf = envelope({"d": "d.img"}, machine("vm", controller(3), drive(10, "d"), settings=firmware))
    write_ova(tmp_path / "x.ova", ("x.ovf", ovf.encode()), ("d.img", SYSTEM))
    refused(project(tmp_path, "x.ova"), "boots with BIOS", "hyperVGeneration of corp/img is V2")
    applied(project(tmp_path, "x.ova", generation="V1"))


def test_what_the_image_will_not_have_is_a_warning(tmp_path: Path) -> None:
    ovf = envelope(
        {"d": "d.img", "left": "e.img"},
        machine("vm", controller(3), drive(10, "d")),
        attributes={"d": 'ovf:capacity="16" ovf:capacityAllocationUnits="byte * 2^30"'},
    )
    write_ova(tmp_path / "x.ova", ("x.ovf", ovf.encode()), ("d.img", SYSTEM), ("e.img", DATA))
    output = applied(project(tmp_path, "x.ova"))
    assert "no machine in it has the disk 'left'" in output
    assert "says that the disk 'd' has 17179869184 bytes" in output
    assert copies(tmp_path) == {"replica-1.os.raw": SYSTEM}


def test_a_plan_in_json_has_the_warnings(tmp_path: Path) -> None:
    write_ova(tmp_path / "x.ova", ("x.ovf", envelope({"a": "a", "b": "b"}).encode()), ("a", SYSTEM), ("b", DATA))
    project(tmp_path, "x.ova")
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", "plan", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert any("has no hardware section" in warning["summary"] for warning in json.loads(ran.stdout)["warnings"])


@pytest.mark.parametrize("declared", [True, False])
def test_a_disk_that_is_compressed_in_the_archive_is_unpacked(tmp_path: Path, declared: bool) -> None:
    text = one_machine(a="a.img", b="b.img")
    if declared:
        text = text.replace('ovf:href="b.img"', 'ovf:href="b.img" ovf:compression="gzip"')
    write_ova(tmp_path / "x.ova", ("x.ovf", text.encode()), ("a.img", SYSTEM), ("b.img", gzip.compress(DATA)))
    folder = project(tmp_path, "x.ova")
    saved = reconcile(folder, "plan", "--out", "plan.json")
    assert saved[0] == 0, saved
    code, output = reconcile(folder, "apply", "plan.json")
    assert code == 0, output
    assert copies(folder) == {"replica-1.os.raw": SYSTEM, "replica-1.data-0.raw": DATA}
    assert reconcile(folder, "plan", "--detailed-exitcode")[0] == 0


def test_a_disk_that_is_said_to_be_compressed_and_is_not_is_refused(tmp_path: Path) -> None:
    text = one_machine(d="d.img").replace('ovf:href="d.img"', 'ovf:href="d.img" ovf:compression="gzip"')
    write_ova(tmp_path / "x.ova", ("x.ovf", text.encode()), ("d.img", SYSTEM))
    refused(project(tmp_path, "x.ova"), "is not compressed, and the descriptor says that it is")

"""`reconciler image inspect`: every format shows the same disk, and what is refused says why."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.image_files import archives, disks

from reconciler.cli.app import run

FORMATS = [
    ("raw", "", "raw"),
    ("vpc", "-o subformat=fixed,force_size=on", "vhd-fixed"),
    ("vpc", "-o subformat=dynamic,force_size=on", "vhd-dynamic"),
    ("vhdx", "", "vhdx"),
    ("qcow2", "-c", "qcow2"),
    ("vmdk", "-o subformat=streamOptimized", "vmdk"),
    ("vdi", "", "vdi"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is no project."""
    monkeypatch.chdir(tmp_path)


def inspected(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert run(["image", "inspect", "--format", "json", *words]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["schemaVersion"] == 1
    return found


@pytest.mark.qemu
@pytest.mark.parametrize(("driver", "options", "name"), FORMATS)
def test_every_format_shows_the_same_disk(
    driver: str, options: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw").write_bytes(disks.efi_disk())
    words = ["qemu-img", "convert", "-f", "raw", "-O", driver, *options.split(), "raw", "image"]
    subprocess.run(words, check=True)
    found = inspected(capsys, "image")
    (disk,) = found["disks"]
    assert (disk["format"], disk["virtualSizeBytes"], disk["sectorSizeBytes"]) == (name, disks.SIZE, 512)
    contents = disk["contents"]
    assert (contents["table"], contents["bios"], contents["efiLoaders"]) == ("gpt", False, ["x64"])
    assert [use["provider"] for use in disk["uses"]] == ["local", "azure", "emulator", "libvirt"]
    assert disk["uses"][1]["needsQemuImg"] is (name not in ("raw", "vhd-fixed"))
    assert "a fixed VHD of 4 MiB" in disk["uses"][1]["does"]


def test_the_text_says_it_in_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "disk.img").write_bytes(disks.efi_disk(bios=True))
    assert run(["image", "inspect", "disk.img"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "format      raw",
        "GPT, for sectors of 512 bytes",
        "EFI system",
        "BIOS and UEFI (x64)",
        "copied as it is",
    ):
        assert words in shown


def test_a_compressed_image_is_unpacked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "disk.img.gz").write_bytes(gzip.compress(disks.bios_disk()))
    (disk,) = inspected(capsys, "disk.img.gz", "--digest")["disks"]
    assert (disk["compression"], disk["format"], disk["contents"]["bios"]) == ("gz", "raw", True)
    assert disk["digest"]["tree"].startswith("tree-sha256:")
    assert disk["uses"][0]["does"].startswith("unpacked")


def test_an_archive_shows_each_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    descriptor = archives.one_machine(system="a.img", data="b.img").encode()
    members = [("x.ovf", descriptor), ("a.img", disks.bios_disk()), ("b.img", disks.disk({0: disks.BITLOCKER}))]
    archives.write_ova(tmp_path / "x.ova", *members)
    for name, content in members:
        (tmp_path / name).write_bytes(content)
    for name in ("x.ova", "x.ovf"):
        system, data = inspected(capsys, name)["disks"]
        assert (system["disk"], system["contents"]["bios"]) == ("os", True)
        assert (data["disk"], data["contents"]["encrypted"]) == ("data-0", ["BitLocker"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"just text\n" * 60, "it is text"),
        (b"\x7fELF".ljust(1024, b"\0"), "not a disk image"),
        (b"QFI\xfb" + bytes(1020), "qcow2"),
    ],
)
def test_what_is_refused_says_why(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "it").write_bytes(content)
    found = inspected(capsys, "it", code=1)
    assert not found["usable"]
    assert not found["disks"]
    assert words in found["refusal"]["why"]
    assert found["refusal"]["remedy"]


@pytest.mark.qemu
def test_what_is_known_of_a_refused_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "e.qcow2", "1M"], check=True)
    image = bytearray((tmp_path / "e.qcow2").read_bytes())
    image[35] = 1
    (tmp_path / "e.qcow2").write_bytes(image)
    refusal = inspected(capsys, "e.qcow2", code=1)["refusal"]
    assert (refusal["image"]["virtualSizeBytes"], refusal["image"]["encrypted"]) == (1 << 20, True)


@pytest.mark.parametrize("name", ["missing", "folder", "pipe"])
def test_what_is_no_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert inspected(capsys, name, code=1)["refusal"]["why"].startswith(f"'{name}'")


def test_sizes_that_a_provider_does_not_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.write(disks.mbr_sector([(0x83, 2048, 2048)], code=disks.CODE))
        file.truncate(3 << 40)
    uses = {use["provider"]: use for use in inspected(capsys, "large")["disks"][0]["uses"]}
    assert "replicationMode: Shallow" in uses["azure"]["does"]
    assert not uses["local"]["problem"]


def test_a_table_for_other_sectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "it").write_bytes(disks.disk(disks.gpt_parts([(disks.ESP, 64, 127)], sector=4096)))
    uses = inspected(capsys, "it")["disks"][0]["uses"]
    assert all("sectors of 4096 bytes" in use["problem"] for use in uses)


def test_a_wrong_format_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["image", "inspect", "x", "--format", "markdown"]) == 1
    assert "takes one of" in capsys.readouterr().err

"""Disks that boot Linux with UEFI, like installed systems: a GPT, and a program on the EFI system partition.

The program is a unified kernel image: systemd's stub with a kernel, its command line and its initial RAM disk. Nobody
signed it, so that firmware starts it only where Secure Boot is off.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from support.libvirt.guest_linux import COMMAND_LINE, write_linux

STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
DISK_MIB = 66
_PARTITION_MIB = 64
_SECTORS_PER_MIB = 2048
_SECTION = re.compile(r"^ *\d+ \S+ +([0-9a-f]{8}) +([0-9a-f]{8,16}) ", re.MULTILINE)
_ALIGNMENT = re.compile(r"^SectionAlignment\s+([0-9a-f]+)$", re.MULTILINE)


def write_uefi_disk(path: Path, script: str, programs: Sequence[str] = ()) -> None:
    """Creates a raw disk of `DISK_MIB` that a BIOS cannot boot. It runs what `write_linux` describes. It needs no boot
    entry: it has the name that firmware looks for without one."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_linux(folder, script, programs)
        with path.open("wb") as file:
            file.truncate(DISK_MIB << 20)
        table = f"label: gpt\nstart=1MiB, size={_PARTITION_MIB}MiB, type=uefi\n"
        subprocess.run(["sfdisk", "--quiet", path], input=table, text=True, check=True)
        partition, sectors = f"{path}@@1M", str(_PARTITION_MIB * _SECTORS_PER_MIB)
        subprocess.run(["mformat", "-i", partition, "-T", sectors, "-h", "64", "-s", "32", "::"], check=True)
        subprocess.run(["mmd", "-i", partition, "::/EFI", "::/EFI/BOOT"], check=True)
        subprocess.run(["mcopy", "-i", partition, _program(folder), "::/EFI/BOOT/BOOTX64.EFI"], check=True)


def _program(folder: Path) -> Path:
    """Created from the folder's `kernel` and `initrd`.

    Source: the UAPI group's specification of unified kernel images. The additions follow the sections of the stub.
    """
    (folder / "cmdline").write_text(COMMAND_LINE)
    alignment, at = _room_behind(STUB)
    words: list[str] = []
    for section, content in ((".cmdline", "cmdline"), (".initrd", "initrd"), (".linux", "kernel")):
        file = folder / content
        words += ["--add-section", f"{section}={file}", "--change-section-vma", f"{section}={at:#x}"]
        at += _rounded(file.stat().st_size, alignment)
    program = folder / "program.efi"
    subprocess.run(["objcopy", *words, STUB, program], check=True)
    return program


def _room_behind(stub: Path) -> tuple[int, int]:
    """How sections are aligned, and the first address after the last one."""
    told = subprocess.run(["objdump", "-h", "-p", stub], capture_output=True, text=True, check=True).stdout
    found = _ALIGNMENT.search(told)
    assert found is not None, told
    alignment = int(found[1], 16)
    ends = [int(size, 16) + int(address, 16) for size, address in _SECTION.findall(told)]
    return alignment, _rounded(max(ends), alignment)


def _rounded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment

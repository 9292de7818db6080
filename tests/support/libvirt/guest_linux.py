"""Linux for the machines of tests: a kernel and programs from this computer's packages, in an initial RAM disk."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from support.libvirt.daemons import LibvirtHost

_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "isofs")
"""The drivers for disks, the host and ISO images. `.ci/setup` looks for the same in a kernel."""
_UNPACKERS = {".gz": "gzip", ".xz": "xz", ".zst": "zstd"}
COMMAND_LINE = "console=ttyS0 quiet panic=-1"
_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules); do insmod "$module"; done
"""


def write_linux(folder: Path, script: str, programs: Sequence[str] = ()) -> None:
    """Creates `kernel` and `initrd` in a folder: a system of busybox and those programs, in which only the shell script
    runs."""
    kernel, modules = _kernel()
    shutil.copy(kernel, folder / "kernel")
    root = folder / "root"
    for name in ("bin", "proc", "sys", "dev", "disk", "run"):
        (root / name).mkdir(parents=True)
    for program in ("busybox", *programs):
        _copy_program(program, root)
    for module in modules:
        (root / _name(module)).write_bytes(_unpacked(module))
    (root / "modules").write_text("".join(f"/{_name(module)}\n" for module in modules))
    (root / "init").write_text(f"{_INIT}{script}")
    (root / "init").chmod(0o755)
    packed = subprocess.run(
        ["sh", "-c", "find . | cpio -o -H newc --quiet"], cwd=root, stdout=subprocess.PIPE, check=True
    )
    (folder / "initrd").write_bytes(packed.stdout)
    shutil.rmtree(root)


def restart_with_linux(host: LibvirtHost, name: str, script: str, programs: Sequence[str] = ()) -> None:
    """Restarts a running machine with all its devices: its disks are attached, but it does not boot from them."""
    folder = host.folder / "var" / f"{name}-linux"
    folder.mkdir()
    write_linux(folder, script, programs)
    inside = f"/var/lib/libvirt/{folder.name}"
    description = ElementTree.fromstring(host.virsh("dumpxml", "--inactive", name))  # noqa: S314  libvirt's own
    os = description.find("os")
    assert os is not None
    for tag, value in (("kernel", f"{inside}/kernel"), ("initrd", f"{inside}/initrd"), ("cmdline", COMMAND_LINE)):
        ElementTree.SubElement(os, tag).text = value
    (folder / "domain.xml").write_text(ElementTree.tostring(description, encoding="unicode"))
    host.virsh("destroy", name)
    host.virsh("define", str(folder / "domain.xml"))
    host.virsh("start", name)


def _kernel() -> tuple[Path, list[Path]]:
    """The newest kernel that has the modules, and those to be loaded, in that order."""
    for kernel in sorted(Path("/boot").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime, reverse=True):
        modules = _modules(Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-"))
        if modules is not None:
            return kernel, modules
    raise AssertionError(f"no kernel in /boot has all of these: {', '.join(_MODULES)}; .ci/setup tools installs one")


def _modules(folder: Path) -> list[Path] | None:
    """The modules that are not built in, dependencies first; None if one is missing."""
    if not (folder / "modules.dep").exists():
        return None
    builtin = {_name(Path(line)) for line in (folder / "modules.builtin").read_text().splitlines()}
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[_name(Path(path))] = (path, [_name(Path(other)) for other in others.split()])
    wanted = [f"{module}.ko" for module in _MODULES if f"{module}.ko" not in builtin]
    if not needs.keys() >= set(wanted):
        return None
    found: dict[str, None] = {}

    def add(name: str) -> None:
        path, others = needs[name]
        for other in others:
            add(other)
        found[path] = None

    for module in wanted:
        add(module)
    return [folder / path for path in found]


def _name(module: Path) -> str:
    """The file name without the extension of its compression."""
    return module.stem if module.suffix in _UNPACKERS else module.name


def _unpacked(module: Path) -> bytes:
    if module.suffix not in _UNPACKERS:
        return module.read_bytes()
    return subprocess.run([_UNPACKERS[module.suffix], "-dc", module], stdout=subprocess.PIPE, check=True).stdout


def _copy_program(program: str, root: Path) -> None:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert found, f"{program} is not installed"
    shutil.copy(found, root / "bin" / program)
    for library in _libraries(found):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def _libraries(program: str) -> list[Path]:
    """The libraries that a program is linked with, by their paths; none for a static one."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", shown.stdout)]

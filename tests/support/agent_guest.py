"""A machine with Linux, QEMU's guest agent and a file system that it writes to all the time; ready in a few seconds.

Kernel and agent are those of this machine's Debian packages; everything is in an initial RAM disk.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.libvirt_daemons import POOLS
from support.tiny_guest import await_text

if TYPE_CHECKING:
    from support.libvirt_daemons import LibvirtHost

_MODULES = ("virtio_pci", "virtio_blk", "virtio_console")
_PATIENCE_S = 30.0
_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules); do insmod "$module"; done
mount /dev/vda /disk
qemu-ga --method virtio-serial --path /dev/vport*p1 --statedir /run --pidfile /run/agent.pid &
count=0
while :; do
    count=$((count + 1))
    echo "$count" > /disk/count
    sync
    echo "count $count"
    sleep 0.1
done
"""
_CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
_DOMAIN = """\
<domain type='qemu'><name>{name}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{kernel}</kernel><initrd>{initrd}</initrd>
<cmdline>console=ttyS0 quiet panic=-1</cmdline></os><features><acpi/></features>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk>
{channel}
<serial type='pty'><log file='/var/log/libvirt/{name}.console' append='off'/></serial></devices></domain>
"""


@dataclass(frozen=True)
class AgentMachine:
    """A running machine whose only disk is the volume `volume`, an ext4 file system with a counter in it."""

    host: LibvirtHost
    name: str
    volume: str

    @property
    def console(self) -> Path:
        return self.host.folder / "log" / f"{self.name}.console"

    @property
    def count(self) -> int:
        """How far it has counted: it does not while its file system is frozen."""
        found = re.findall(r"count (\d+)\r?\n", self.console.read_text("utf-8", errors="replace"))
        return int(found[-1]) if found else 0


def start_agent_machine(host: LibvirtHost, pool: str, name: str, *, reachable: bool = True) -> AgentMachine:
    """Makes a machine and its volume in a pool, and waits until it counts and its agent answers the host, if there is a
    way to it (`reachable`)."""
    machine = AgentMachine(host, name, f"{name}.raw")
    folder = host.folder / "var" / name
    folder.mkdir()
    kernel = _kernel()
    shutil.copy(kernel, folder / "kernel")
    _write_ram_disk(folder / "initrd", kernel.name.removeprefix("vmlinuz-"))
    disk = host.folder / "var" / "images" / pool / machine.volume
    with disk.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    host.virsh("pool-refresh", pool)
    inside = f"/var/lib/libvirt/{name}"
    (folder / "domain.xml").write_text(
        _DOMAIN.format(
            name=name,
            kernel=f"{inside}/kernel",
            initrd=f"{inside}/initrd",
            disk=f"{POOLS}/{pool}/{machine.volume}",
            channel=_CHANNEL if reachable else "",
        )
    )
    host.virsh("define", str(folder / "domain.xml"))
    host.virsh("start", name)
    await_text(machine.console, "count 3")
    deadline = time.monotonic() + _PATIENCE_S
    while reachable and "state='connected'" not in host.virsh("dumpxml", name):
        assert time.monotonic() < deadline, machine.console.read_text("utf-8", errors="replace")
        time.sleep(0.05)
    return machine


def needs_recovery(path: Path) -> bool:
    """Whether an ext4 file system was in use when it was copied, by its own word."""
    shown = subprocess.run(["dumpe2fs", "-h", path], capture_output=True, text=True, check=True)
    return "needs_recovery" in shown.stdout


def _kernel() -> Path:
    """The newest kernel made for virtual machines."""
    return max(Path("/boot").glob("vmlinuz-*-cloud-amd64"), key=lambda path: path.stat().st_mtime)


def _write_ram_disk(path: Path, release: str) -> None:
    root = path.with_suffix(".root")
    for name in ("bin", "proc", "sys", "dev", "disk", "run"):
        (root / name).mkdir(parents=True)
    for program in ("busybox", "qemu-ga"):
        found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert found, f"{program} is not installed"
        shutil.copy(found, root / "bin" / program)
        for library in _libraries(found):
            target = root / library.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    modules = _modules(Path("/lib/modules") / release)
    for module in modules:
        shutil.copy(module, root / module.name)
    (root / "modules").write_text("".join(f"/{module.name}\n" for module in modules))
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    packed = subprocess.run(
        ["sh", "-c", "find . | cpio -o -H newc --quiet"], cwd=root, stdout=subprocess.PIPE, check=True
    )
    path.write_bytes(packed.stdout)
    shutil.rmtree(root)


def _libraries(program: str) -> list[Path]:
    """What a program is linked with, by the names it is looked for; nothing for a static one."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", shown.stdout)]


def _modules(folder: Path) -> list[Path]:
    """The modules, those first that others need."""
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        name, _, others = line.partition(":")
        needs[Path(name).stem] = (name, others.split())
    found: dict[str, None] = {}

    def add(name: str) -> None:
        path, others = needs[name]
        for other in others:
            add(Path(other).stem)
        found[path] = None

    for module in _MODULES:
        add(module)
    return [folder / path for path in found]

"""A machine with Linux, QEMU's guest agent and a file system that it writes to all the time; up in a few seconds."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.libvirt.daemons import POOLS
from support.libvirt.guest_linux import write_linux
from support.libvirt.tiny_guest import await_text

if TYPE_CHECKING:
    from support.libvirt.daemons import LibvirtHost

_PATIENCE_S = 30.0
_SCRIPT = """\
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
        """The present count, which stands still while its file system is frozen."""
        found = re.findall(r"count (\d+)\r?\n", self.console.read_text("utf-8", errors="replace"))
        return int(found[-1]) if found else 0


def start_agent_machine(host: LibvirtHost, pool: str, name: str, *, reachable: bool = True) -> AgentMachine:
    """Creates a machine and its volume in a pool, and waits until it counts and, if it is `reachable`, its agent
    answers the host."""
    machine = AgentMachine(host, name, f"{name}.raw")
    folder = host.folder / "var" / name
    folder.mkdir()
    write_linux(folder, _SCRIPT, ["qemu-ga"])
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
    """Whether an ext4 file system records that it was in use when it was copied."""
    shown = subprocess.run(["dumpe2fs", "-h", path], capture_output=True, text=True, check=True)
    return "needs_recovery" in shown.stdout

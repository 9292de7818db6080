"""Virtualization hosts for tests: libvirtd daemons that are isolated from each other and from this computer's.

libvirtd has its directories compiled in, so each daemon lives in namespaces of its own, where they are directories of
the test's. It listens on a unix socket and nowhere else. The first process of the namespaces waits for its input to
end, which also happens when the test run is killed; with it the kernel ends the daemon and every machine it started.

On both hosts pools lie below /var/lib/libvirt/images, as on real ones: equal paths of two hosts are different files,
and no path of a host means anything outside of it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

POOLS = "/var/lib/libvirt/images"
_PRIVATE = {
    "etc": "/etc/libvirt",
    "run": "/run",
    "var": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
}
_OTHER_EMULATORS = ("/usr/bin/qemu-system-aarch64",)
"""What hosts do not have, whatever is installed on this computer."""
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SETTINGS = """\
unix_sock_dir = "{sockets}"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
_MACHINES = """\
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""
"""Machines run as the test's own user, without device nodes, control groups or security labels of the host."""
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class LibvirtHost:
    """One host. `folder` contains everything it writes; its namespaces end with the process `pid`."""

    name: str
    folder: Path
    pid: int

    @property
    def uri(self) -> str:
        return f"qemu:///system?socket={self.folder}/sock/libvirt-sock"

    def define_pool(self, name: str, size_mib: int | None = None) -> Path:
        """Defines and starts a pool in a new directory, with `size_mib` on a file system of that size. Returns the
        directory as this process sees it; on the host it is `POOLS/name`."""
        target = f"{POOLS}/{name}"
        self.run("mkdir", "-p", target)
        seen = self.folder / "var" / "images" / name
        if size_mib is not None:
            self.run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", target)
            seen = Path(f"/proc/{self.pid}/root{target}")  # mounted there and nowhere else
        self.virsh("pool-define-as", name, "dir", "--target", target)
        self.virsh("pool-start", name)
        return seen

    def virsh(self, *arguments: str) -> str:
        """The output of virsh for this host, run outside of it like a user's."""
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", self.uri, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"virsh {shlex.join(arguments)}: {done.stderr}"
        return done.stdout

    def run(self, *command: str) -> str:
        """The output of a command that runs on the host itself."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--", *command],
            env={"PATH": _PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    @property
    def log(self) -> str:
        return (self.folder / "log" / "libvirtd.log").read_text("utf-8", errors="replace")

    def kill(self) -> None:
        """Kills the daemon, as in a crash; its machines keep running."""
        self._end("KILL")

    def stop(self) -> None:
        """Stops the daemon, as in a shutdown; its machines keep running."""
        self._end("TERM")

    def restart(self) -> None:
        """Starts the stopped daemon again, with everything that it had defined."""
        self.run("libvirtd", "--daemon", "--config", "/etc/libvirt/libvirtd.conf", "--pid-file", self._pid_file)

    @property
    def _pid_file(self) -> str:
        return "/run/libvirtd.pid"

    def signal(self, name: str) -> int:
        """Sends the daemon a signal (`STOP`, `CONT`) and returns its number on the host."""
        pid = self.run("cat", self._pid_file).strip()
        self.run("sh", "-c", f"kill -{name} {pid}")  # the shell's own: a small machine has no program of that name
        return int(pid)

    def _end(self, signal: str) -> None:
        pid = self.signal(signal)
        deadline = time.monotonic() + _PATIENCE_S
        while Path(f"/proc/{self.pid}/root/proc/{pid}").exists():
            assert time.monotonic() < deadline, f"libvirtd of {self.name} does not end"
            time.sleep(0.01)


@contextmanager
def running_daemons(folder: Path, names: tuple[str, ...] = ("host1", "host2")) -> Iterator[tuple[LibvirtHost, ...]]:
    """Hosts for the duration of the block; everything they write is in `folder`."""
    if os.geteuid() != 0:
        pytest.skip("hosts of one's own take root")
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_host(folder / name)) for name in names)


@contextmanager
def _host(folder: Path) -> Iterator[LibvirtHost]:
    for name in (*_PRIVATE, "sock"):
        (folder / name).mkdir(parents=True)
    (folder / "etc" / "libvirtd.conf").write_text(_SETTINGS.format(sockets=folder / "sock"))
    (folder / "etc" / "qemu.conf").write_text(_MACHINES)
    mounts = "".join(f"mount --bind {shlex.quote(f'{folder}/{name}')} {_PRIVATE[name]}\n" for name in _PRIVATE)
    mounts += "".join(f"mount --bind /dev/null {path}\n" for path in _OTHER_EMULATORS if Path(path).exists())
    script = f"set -e\n{mounts}echo ready\nread -r _ || true\n"
    separate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    with subprocess.Popen(
        [*separate, "bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as outer:
        assert outer.stdin is not None
        assert outer.stdout is not None
        try:
            assert outer.stdout.readline() == "ready\n", "the namespaces could not be made"
            (pid,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text("ascii").split()
            host = LibvirtHost(folder.name, folder, int(pid))
            host.run("virtlogd", "--daemon", "--pid-file", "/run/virtlogd.pid")
            host.restart()
            yield host
        finally:
            outer.stdin.close()  # the namespaces end, and all that runs in them

"""Hosts for tests, reached as users reach theirs: through ssh, which libvirt also runs for qemu+ssh://HOST/system.

There is no ssh server; a command of that name leads into a host's namespaces, and everything behind it is real.

    python -m support.libvirt.ssh COMMAND...     runs a command for which there are host1 and host2
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.libvirt.daemons import running_daemons

_SSH = """\
#!/bin/sh
while :; do
    case $1 in
        --) shift; break ;;
        -[oe]) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
case $1 in
{hosts}
    *) echo "ssh: there is no host $1" >&2; exit 255 ;;
esac
shift
exec nsenter --target=$pid --mount --pid -- sh -c "$*"
"""


@contextmanager
def hosts_by_ssh() -> Iterator[Path]:
    """host1 and host2 for the duration of the block. Yields the folder, for PATH, of the command that reaches them."""
    with tempfile.TemporaryDirectory(prefix="hosts-") as folder, running_daemons(Path(folder)) as hosts:
        for host in hosts:
            host.run(
                "ln", "-s", f"{host.folder}/sock/libvirt-sock", "/run/libvirt/libvirt-sock"
            )  # where it is elsewhere
        binaries = Path(folder) / "bin"
        binaries.mkdir()
        ssh = binaries / "ssh"
        ssh.write_text(_SSH.format(hosts="\n".join(f"    {host.name}) pid={host.pid} ;;" for host in hosts)))
        ssh.chmod(0o755)
        yield binaries


def main(command: Sequence[str]) -> int:
    """The command's exit code."""
    if os.geteuid() != 0:
        sys.stderr.write("hosts of one's own take root: each is a libvirtd in namespaces of its own\n")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the hosts as well
    with hosts_by_ssh() as binaries:
        environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

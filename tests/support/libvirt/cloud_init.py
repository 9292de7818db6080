"""The effect of a seed: cloud-init runs in a copy of this computer's file system, which is discarded afterwards."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.libvirt.seeds import read_seed

_SETTINGS = """\
datasource_list: [NoCloud]
system_info: {distro: debian}
users: [default]
cloud_init_modules: [set_hostname, update_hostname, update_etc_hosts, users-groups, ssh]
"""
_COPY = """\
set -e
mount -t tmpfs tmpfs {folder}
cd {folder}
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --bind /dev root/dev
mount -t proc proc root/proc
mkdir -p root/var/lib/cloud/seed/nocloud
cat > root/etc/cloud/cloud.cfg.d/99-test.cfg
"""
_START = "mount -t tmpfs tmpfs /run && cloud-init init --local && cloud-init init"


def start(folder: Path, seeds: Sequence[bytes], look: str) -> list[str]:
    """Runs with each of the seed ISOs in turn, as on a disk that was captured and started elsewhere, and returns the
    output of the command `look` after each."""
    script = _COPY.format(folder=shlex.quote(str(folder)))
    for number, seed in enumerate(seeds):
        for name in ("meta-data", "user-data"):
            script += f"printf %s {shlex.quote(read_seed(seed, name))} > root/var/lib/cloud/seed/nocloud/{name}\n"
        script += f"chroot root sh -c {shlex.quote(_START)} > log 2>&1 || {{ cat log >&2; exit 1; }}\n"
        script += f"echo 'start {number}'\nchroot root sh -c {shlex.quote(look)}\n"
    done = subprocess.run(
        ["unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script],
        input=_SETTINGS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [part.split("\n", 1)[1] for part in done.stdout.split("start ")[1:]]

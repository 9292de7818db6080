"""Some of the hostile projects, watched from outside: what the command, the C libraries in it and the programs that it
starts ask the kernel for is on a list of what reading takes."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile.canaries import ENVIRONMENT, found_in
from hostile.corpus import CORPUS, KINDS
from hostile.listeners import Listeners, listening
from hostile.scene import Hostile, Scene, new_scene
from support.paths import ROOT
from support.tracing import Call, traced

ALL = bool(os.environ.get("TRACE_ALL"))
"""Trace the whole corpus, which takes many minutes."""

OF_EACH_KIND = 2
COMMANDS = (("plan",), ("plan", "--untrusted"))
PROGRAMS = ("git", "ssh")
"""What may be started besides Python, from folders that are no project's."""

READABLE = ("/usr", "/bin", "/lib", "/lib64", "/opt", "/etc", "/proc", "/sys", "/dev", "/run", "/var/lib/libvirt")
NEVER = ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host")
OF_THE_USER = (
    *(".azure", ".config/git", ".config/libvirt", ".config/reconciler", ".gitconfig", ".netrc", ".pgpass"),
    *(".postgresql", ".ssh", ".cache/libvirt"),
)


def picked() -> Iterator[Hostile]:
    for kind in KINDS:
        projects = [hostile for hostile in CORPUS if hostile.kind == kind]
        yield from projects if ALL else projects[:OF_EACH_KIND]


@pytest.fixture(scope="module")
def listeners() -> Iterator[Listeners]:
    with listening() as listeners:
        yield listeners


def below(path: str, *folders: str | Path) -> bool:
    return any(path == str(folder) or path.startswith(f"{folder}/") for folder in folders)


def may_be_read(path: str, scene: Scene) -> bool:
    if not path.startswith("/"):
        return path.startswith(("pipe:", "socket:", "anon_inode:"))
    own = below(path, scene.project, ROOT, os.path.realpath(ROOT / ".tools"), sys.prefix, sys.base_prefix, *READABLE)
    return (own and not path.startswith(NEVER)) or below(path, *(scene.home / name for name in OF_THE_USER))


def may_be_written(path: str, scene: Scene) -> bool:
    compiled = "/__pycache__" in path and below(path, ROOT, sys.prefix, sys.base_prefix)
    return (
        compiled
        or path in ("/dev/null", "/dev/tty")
        or below(path, scene.project / ".reconciler", scene.home / ".azure", "/proc/self", "/proc/thread-self")
    )


def may_be_started(path: str, scene: Scene) -> bool:
    ours = os.path.realpath(path) == os.path.realpath(sys.executable)
    return ours or (os.path.basename(path) in PROGRAMS and not below(path, scene.root))


def may_be_asked(address: str, scene: Scene) -> bool:
    if address.startswith("/") or not address:
        return below(address, "/run", "/var/run", "/dev") or not address
    return ipaddress.ip_address(address).is_loopback or address in nameservers()


def nameservers() -> list[str]:
    lines = Path("/etc/resolv.conf").read_text().splitlines() if Path("/etc/resolv.conf").exists() else []
    return [line.split()[1] for line in lines if line.startswith("nameserver ")]


CHECKS = {
    "read": may_be_read,
    "write": may_be_written,
    "change": may_be_written,
    "start": may_be_started,
    "connect": may_be_asked,
}


def beyond(calls: frozenset[Call], scene: Scene) -> list[Call]:
    """The calls that no reading takes."""
    return sorted((call for call in calls if not CHECKS[call.what](call.place, scene)), key=str)


@pytest.mark.strace
@pytest.mark.slow(60)
@pytest.mark.parametrize("hostile", tuple(picked()), ids=str)
def test_the_kernel_is_asked_for_nothing_else(hostile: Hostile, tmp_path: Path, listeners: Listeners) -> None:
    listeners.received.clear()
    scene = new_scene(tmp_path / "scene", listeners.ports, listeners.authority)
    hostile.build(scene)
    proxy = f"http://127.0.0.1:{listeners.ports['http']}"
    environment = {
        **ENVIRONMENT,
        "HOME": str(scene.home),
        "HTTPS_PROXY": proxy,
        "LANG": "C.UTF-8",
        "PATH": f":.:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for words in COMMANDS:
        command = [sys.executable, "-P", "-m", "reconciler", *words]
        trace = traced(command, scene.project, environment, tmp_path / "trace")
        assert trace.code in (0, 1, 2, 3), trace.output
        assert not beyond(trace.calls, scene), trace.output
        assert not found_in(trace.output.encode()), trace.output
    assert not scene.ran.exists()
    assert not found_in(b"\n".join(listeners.received)), listeners.received


@pytest.mark.strace
def test_a_trace_shows_what_a_program_does(tmp_path: Path) -> None:
    """Otherwise the test above would find nothing whatever happened."""
    program = (
        "import ctypes, os, socket, subprocess\n"
        "ctypes.CDLL(None).fopen(b'link', b'r')\n"
        "open('wr\\u00e9.txt', 'w').close()\n"
        "os.rename('wr\\u00e9.txt', 'two')\n"
        "socket.socket().connect_ex(('127.0.0.9', 9))\n"
        "subprocess.run(['true'])\n"
    )
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    here = tmp_path.resolve()
    trace = traced([sys.executable, "-c", program], tmp_path, dict(os.environ), tmp_path / "trace")
    assert trace.code == 0, trace.output
    expected = {
        Call("read", f"{here}/real"),
        Call("write", f"{here}/wr\u00e9.txt"),
        Call("change", f"{here}/wr\u00e9.txt"),
        Call("change", f"{here}/two"),
        Call("connect", "127.0.0.9"),
    }
    assert expected <= trace.calls
    assert any(call.what == "start" and call.place.endswith("/true") for call in trace.calls)

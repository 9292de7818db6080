"""What the kernel refuses to a process that only reads: to C libraries, and to the programs that it starts."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.providers.image_files.jail import landlock

_PROCESS = """
import ctypes, json, os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from reconciler.guard.boundary import boundary_of
from reconciler.guard.kernel import restrict
from reconciler.manifests.trust import Trust

project, outside = Path(sys.argv[1]), Path(sys.argv[2])
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
fopen = lambda path, mode: bool(c.fopen(os.fsencode(path), mode.encode()))
in_thread = lambda path: ThreadPoolExecutor().submit(fopen, path, 'r').result()
boundary = boundary_of(project, Trust(), os.environ, [project.parent / "out" / "plan.json"])
assert restrict(boundary, [str(project / "states")])
print(json.dumps(bool(eval(sys.argv[3]))))
"""
ALLOWED = {
    "the project is read": "fopen(project / 'a.yaml', 'r')",
    "certificates": "fopen('/etc/ssl/openssl.cnf', 'r') or not os.path.exists('/etc/ssl/openssl.cnf')",
    "the own folder": "fopen(project / '.reconciler' / 'x', 'w')",
    "folders in it": "(project / '.reconciler' / 'cache' / 'y').mkdir(parents=True) is None",
    "a file on the command line": "fopen(project.parent / 'out' / 'plan.json', 'w')",
    "what SQLite makes beside a state": "fopen(project / 'states' / 'state.db-shm', 'w')",
    "a replacement": "fopen(project / '.reconciler/a', 'w') and not c.rename(*(os.fsencode(project / '.reconciler' / n)"
    " for n in 'ab'))",
    "a program of the system": "not c.system(b'exit 0')",
    "this interpreter": "not subprocess.run([sys.executable, '-c', 'import ssl']).returncode",
    "threads": "in_thread(project / 'a.yaml')",
}
REFUSED = {
    "a file outside": "fopen(outside / 'secret', 'r')",
    "a link to it": "fopen(project / 'link', 'r')",
    "a file of the home folder": "fopen(Path.home() / '.aws', 'r')",
    "passwords of the machine": "fopen('/etc/shadow', 'r')",
    "a change of the project": "fopen(project / 'a.yaml', 'a')",
    "a new file in the project": "fopen(project / 'new', 'w')",
    "a file outside that is new": "fopen(outside / 'new', 'w')",
    "removing": "not c.unlink(os.fsencode(project / 'a.yaml'))",
    "renaming": "not c.rename(os.fsencode(project / 'a.yaml'), os.fsencode(project / 'b.yaml'))",
    "truncating": "not c.truncate(os.fsencode(project / 'a.yaml'), 0)",
    "a program of the project": "not c.system(os.fsencode(project / 'x.sh'))",
    "a program in the own folder": "not c.system(os.fsencode(project / '.reconciler' / 'x.sh'))",
    "a program that reads": "not c.system(b'wc ' + os.fsencode(outside / 'secret') + b' >&2')",
    "another thread": "in_thread(outside / 'secret')",
}

pytestmark = pytest.mark.skipif(not landlock.abi() and not os.environ.get("CI"), reason="this kernel has no Landlock")


def attempt(folder: Path, code: str) -> bool:
    project, outside = folder / "project", folder / "outside"
    for path in (project / ".reconciler", project / "states", outside, folder / "out"):
        path.mkdir(parents=True)
    for path in (project / "a.yaml", outside / "secret", folder / ".aws", project / "states" / "state.db"):
        path.write_text("x")
    (project / "link").symlink_to("../outside/secret")
    for path in (project / "x.sh", project / ".reconciler" / "x.sh"):
        path.write_text("#!/bin/sh\nexit 0\n")
        path.chmod(0o755)
    command = [sys.executable, "-P", "-c", _PROCESS, str(project), str(outside), code]
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return bool(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("what", ALLOWED)
def test_what_reading_takes_is_allowed(tmp_path: Path, what: str) -> None:
    assert attempt(tmp_path, ALLOWED[what])


@pytest.mark.parametrize("what", REFUSED)
def test_everything_else_is_refused(tmp_path: Path, what: str) -> None:
    assert not attempt(tmp_path, REFUSED[what])


@pytest.mark.parametrize("what", [name for name in REFUSED if name != "a file of the home folder"])
def test_only_the_kernel_refuses_it(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it each attempt succeeds: otherwise the test above would prove nothing."""
    if what == "passwords of the machine" and os.geteuid():
        return
    monkeypatch.setattr(f"{__name__}._PROCESS", _PROCESS.replace("assert restrict", "assert True or restrict"))
    assert attempt(tmp_path, REFUSED[what])


def test_a_command_is_restricted(tmp_path: Path) -> None:
    """What it does at its end is refused, though the audit hook knows nothing of it."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "reconciler.yaml").write_text("project: p\nprovider: {type: local, root: regions}\n")
    (project / "manifests").mkdir()
    (project / "manifests" / "a.yaml").write_text("kind: Gallery\nname: a\nlocation: eastus\n")
    (project / "regions" / "eastus").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    program = (
        "import atexit, ctypes, sys\n"
        f"sys.argv = ['reconciler', '--project', {str(project)!r}, 'plan']\n"
        "c = ctypes.CDLL(None)\n"
        "c.fopen.restype = ctypes.c_void_p\n"
        f"opened = lambda: bool(c.fopen({os.fsencode(tmp_path / 'secret')!r}, b'r'))\n"
        "atexit.register(lambda: print('opened' if opened() else 'refused'))\n"
        "from reconciler.__main__ import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "refused", done


def test_ctypes_finds_the_c_library() -> None:
    assert ctypes.CDLL(None).getpid() == os.getpid()

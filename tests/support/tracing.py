"""What a program asks the kernel for, by strace: also what C libraries and the programs that it starts do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_OPENING = ("open", "openat", "openat2", "creat")
_CHANGING = (
    *("unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "symlink", "symlinkat"),
    *("link", "linkat", "truncate", "chmod", "fchmodat", "chown", "lchown", "fchownat", "mknod", "mknodat"),
    *("setxattr", "removexattr", "utimensat", "mount", "umount2", "chroot", "pivot_root"),
)
_STARTING = ("execve", "execveat")
_CONNECTING = ("connect", "sendto", "bind")
TRACED = (*_OPENING, *_CHANGING, *_STARTING, *_CONNECTING)
_LINE = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<(.*)>)?")
_STRING = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"|sun_path=@?"([^"]*)"')
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that succeeded, or a connection that was tried: `what` is read, write, change, start or connect;
    `place` is an absolute path, or an address."""

    what: str
    place: str


@dataclass(frozen=True, slots=True)
class Trace:
    """How a traced program ended, and what it asked for, in no particular order."""

    code: int
    output: str
    calls: frozenset[Call]


def traced(words: Sequence[str], cwd: Path, environment: Mapping[str, str], folder: Path) -> Trace:
    """Runs a program, and all that it starts, under strace; `folder` is for what strace writes, and is left empty."""
    folder.mkdir()
    strace = shutil.which("strace") or "strace"
    command = [strace, "-ff", "-y", "-qq", "-s", "4096", "-e", f"trace={','.join('?' + name for name in TRACED)}"]
    command += ["-e", "signal=none", "-o", str(folder / "trace"), *words]
    done = subprocess.run(
        command, cwd=cwd, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False
    )
    calls = frozenset(call for file in folder.iterdir() for call in _calls(file.read_text("utf-8", "replace"), cwd))
    shutil.rmtree(folder)
    return Trace(done.returncode, (done.stdout + done.stderr).decode("utf-8", "backslashreplace"), calls)


def _calls(text: str, cwd: Path) -> Iterator[Call]:
    for line in text.splitlines():
        found = _LINE.match(line)
        if found:
            yield from _call(cwd, found[1], found[2], int(found[3]) if found[3] != "?" else 0, found[4] or "")


def _call(cwd: Path, name: str, arguments: str, answer: int, opened: str) -> Iterator[Call]:
    """What one call did; a connection counts even where nobody answered."""
    if name in _CONNECTING:
        if address := _ADDRESS.search(arguments):
            yield Call("connect", address[1] or address[2] or _unescaped(address[3]))
    elif answer < 0:
        return
    elif name in _OPENING:
        writes = name == "creat" or bool(_WRITING.search(arguments.rpartition('"')[2]))
        yield Call("write" if writes else "read", _unescaped(opened).removesuffix(" (deleted)"))
    elif name in _STARTING:
        yield from (Call("start", path) for path in _paths(cwd, arguments)[:1])
    else:
        yield from (Call("change", path) for path in _paths(cwd, arguments))


def _paths(cwd: Path, arguments: str) -> list[str]:
    """The absolute paths among the arguments of a call; relative ones start at the folder that strace shows for a
    descriptor, else where the program was started."""
    return [
        os.path.normpath(os.path.join(found[1] or cwd, _unescaped(found[2]))) for found in _STRING.finditer(arguments)
    ]


def _unescaped(text: str) -> str:
    """The text that strace has written with the escapes of C."""
    return (
        text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
    )

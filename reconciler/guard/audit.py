"""The audit hook: raises in place of whatever leaves the boundary, whichever module asks for it.

Source: Python's audit events table. What C libraries do by themselves has no events; that is held by allow-lists before
they are called, and by the kernel where it can.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from reconciler.guard.boundary import PROGRAMS, Boundary
from reconciler.guard.network import Network
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.trust import is_inside
from reconciler.manifests.words import quoted

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_JAIL = "reconciler.providers.image_files.jail"


class OutOfBounds(ReconcilerError):
    """A command that only reads tried to do something else; that was refused before it happened."""


class Guard:
    """Checks every event against a boundary, and every connection against the hosts that may be asked, which are looked
    up when there is one. `refused` is what it has refused so far, even where that was swallowed."""

    def __init__(self, boundary: Boundary, hosts: Callable[[], Iterable[str]]) -> None:
        self.refused: list[OutOfBounds] = []
        self._boundary = boundary
        self._network = Network(hosts)
        self._code = tuple(f"{folder}{os.sep}" for folder in boundary.packages)
        self._checks = self._all_checks()

    def start(self) -> None:
        """From now on, until the process ends. There is no way back."""
        self._network.start()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        check = self._checks.get(event)
        if check is not None and (why := check(*arguments)):
            error = OutOfBounds(f"refused: {why}", "commands that only read never do that: see docs/security.md")
            self.refused.append(error)
            raise error

    def _all_checks(self) -> Mapping[str, Callable[..., str]]:
        network = self._network
        return {
            "open": self._open,
            "os.listdir": self._list,
            "os.scandir": self._list,
            "sqlite3.connect": self._database,
            **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown"), self._change),
            **dict.fromkeys(("os.utime", "os.setxattr", "os.removexattr", "os.chflags", "os.lockf"), self._change),
            **dict.fromkeys(("os.rename", "os.link", "os.symlink"), self._change_both),
            **dict.fromkeys(("subprocess.Popen", "os.posix_spawn"), self._start),
            **dict.fromkeys(("os.system", "os.exec", "os.spawn", "os.fork", "os.forkpty", "os.startfile"), _never),
            "pty.spawn": _never,
            "socket.getaddrinfo": network.resolve,
            "socket.gethostbyname": network.resolve,
            "socket.gethostbyaddr": network.resolve,
            "socket.connect": network.connect,
            "socket.sendto": network.connect,
            "socket.bind": network.listen,
        }

    # Files.

    def _open(self, path: Any, mode: Any, flags: Any) -> str:
        if mode == "r" and isinstance(path, str) and path.startswith(self._code) and ".." not in path:
            return ""  # a module, and there are hundreds: links among them are the installation's own
        real = _real(path, last=not (isinstance(flags, int) and flags & os.O_NOFOLLOW))
        if real is None:
            return ""
        writes = bool(flags & _WRITING) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
        if writes:
            return "" if self._boundary.may_write(real) else f"writing {quoted(real)}"
        return "" if self._boundary.may_read(real) else f"reading {quoted(real)}, which is outside of the project"

    def _list(self, path: Any = None) -> str:
        real = _real(os.curdir if path is None else path)
        return "" if real is None or self._boundary.may_read(real) else f"listing {quoted(real)}"

    def _change(self, path: Any, *_: Any) -> str:
        real = _real(path, last=False)
        return "" if real is None or self._boundary.may_write(real) else f"changing {quoted(real)}"

    def _change_both(self, source: Any, target: Any, *_: Any) -> str:
        return self._change(target) or (self._change(source) if os.path.lexists(source) else "")

    def _database(self, path: Any) -> str:
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        name = text.removeprefix("file:").partition("?")[0]
        real = _real(name) if name and name != ":memory:" else None
        return "" if real is None or self._boundary.may_read(real) else f"opening the database {quoted(real)}"

    # Programs.

    def _start(self, program: Any, arguments: Any, *_: Any) -> str:
        name = os.fsdecode(program)
        if name == sys.executable and _runs_the_jail(arguments):
            return ""
        import shutil

        found = name if os.path.isabs(name) else shutil.which(name) or name
        real = os.path.realpath(found)
        ours = os.path.basename(found) in PROGRAMS and os.path.isabs(found)
        if ours and not is_inside(real, (self._boundary.project,)):
            return ""
        return f"starting the program {quoted(name)}"


def _runs_the_jail(arguments: Any) -> bool:
    words = [os.fsdecode(word) for word in arguments]
    return any(word == _JAIL or word.startswith(f"{_JAIL}.") for word in words) or any(
        word.endswith(".py") and "/image_files/jail/" in word for word in words[:5]
    )


def _never(*_: Any) -> str:
    return "starting a program"


def _real(path: Any, *, last: bool = True) -> str | None:
    """A path without links; None for what is no path, and for a name relative to another open folder, which was itself
    checked. `last`: follow a link at the end as well."""
    if isinstance(path, int) or path is None:
        return None
    text = os.fsdecode(path)
    if not os.path.isabs(text) and ".." not in text.split(os.sep) and not os.path.lexists(text):
        return None
    if last:
        return os.path.realpath(text)
    folder, name = os.path.split(text)
    return os.path.join(os.path.realpath(folder or os.curdir), name)

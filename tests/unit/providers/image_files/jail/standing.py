"""The stand-in for a program that was taken over, and a place with things worth stealing around it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.providers.image_files.jail.running import run
from reconciler.providers.image_files.jail.terms import Limits, Result, Wall

HOSTILE = Path(__file__).with_name("hostile.py")
PYTHON = os.path.realpath(sys.executable)
SECRET = "the secret of the build host"
LIMITS = Limits(memory=1 << 30, processor_s=60, file_size=1 << 20, time_s=120)


@dataclass
class Place:
    """Files and listeners that a program in the jail must not reach."""

    folder: Path
    tcp: socket.socket
    udp: socket.socket
    abstract: socket.socket
    unix: socket.socket

    def attack(
        self, *attacks: str, walls: Collection[Wall] = frozenset(Wall), limits: Limits = LIMITS, **more: int
    ) -> Result:
        """Runs the stand-in with these attacks."""
        with HOSTILE.open("rb") as script, (self.folder / "image").open("rb") as source, self._result() as result:
            where = {
                "secret": self.folder / "secret",
                "beside": self.folder / "beside",
                "removable": self.folder / "removable",
                "source": f"/dev/fd/{source.fileno()}",
                "result": f"/dev/fd/{result}",
                "port": self.tcp.getsockname()[1],
                "udp_port": self.udp.getsockname()[1],
                "abstract": self.abstract.getsockname()[1:].decode(),
                "unix": self.unix.getsockname(),
                "memory": 4 << 30,
                "beyond": limits.file_size + 1,
                **more,
            }
            pairs = [str(part) for pair in where.items() for part in pair]
            arguments = ["-I", "-S", f"/dev/fd/{script.fileno()}", *pairs, "-", *attacks]
            return run(PYTHON, arguments, (script.fileno(), source.fileno(), result), limits, walls)

    def was_reached(self) -> bool:
        """Whether something connected to a listener, or sent it anything, since the last call."""
        return any([_accepted(self.tcp), _accepted(self.abstract), _accepted(self.unix), _received(self.udp)])

    @contextmanager
    def _result(self) -> Iterator[int]:
        with (self.folder / "result").open("w+b") as file:
            yield file.fileno()


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """A place in a folder. Its listeners are on the loopback, and in the folder."""
    for name, content in (("secret", SECRET), ("removable", ""), ("image", "an image")):
        (folder / name).write_text(content)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        udp.bind(("127.0.0.1", 0))
        abstract.bind(f"\0reconciler-jail-{os.getpid()}")
        unix.bind(str(folder / "socket"))
        for listener in (abstract, unix):
            listener.listen()
        for listener in (tcp, udp, abstract, unix):
            listener.setblocking(False)
        yield Place(folder, tcp, udp, abstract, unix)


def answers(result: Result) -> dict[str, str]:
    """Attack -> `done`, or what refused it."""
    lines = [line.partition(": ") for line in result.output.splitlines() if ": " in line]
    return {name: answer for name, _, answer in lines}


def _accepted(listener: socket.socket) -> bool:
    with suppress(BlockingIOError):
        listener.accept()[0].close()
        return True
    return False


def _received(listener: socket.socket) -> bool:
    with suppress(BlockingIOError):
        return bool(listener.recv(100))
    return False

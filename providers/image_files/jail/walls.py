"""What holds a jailed program on this kernel, as people read it."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.providers.image_files.jail import landlock
from reconciler.providers.image_files.jail.running import run
from reconciler.providers.image_files.jail.terms import Limits, Wall

_STANDING = {
    Wall.LANDLOCK: "Landlock opens no other file and runs no other program",
    Wall.SECCOMP: "seccomp refuses sockets, other processes and other programs",
    Wall.NAMESPACES: "a network namespace without any network",
}
_MISSING = {
    Wall.LANDLOCK: "no Landlock (Linux 5.13, if it is switched on): only permissions keep it from other files",
    Wall.SECCOMP: "no filter of system calls for this kernel or processor",
    Wall.NAMESPACES: "no network namespace: this user may not make one",
}
_ALWAYS = "limits of memory, processor time, file size and time"
_LITTLE = Limits(memory=1 << 30, processor_s=10, file_size=1 << 20, time_s=30)


def walls(allowed: Collection[Wall] = frozenset(Wall)) -> frozenset[Wall]:
    """The walls that a program would have around it here, found out by raising them. Raises: JailError."""
    return run("", (), (), _LITTLE, allowed).standing


def sentence(standing: Collection[Wall]) -> str:
    """What holds, and what does not and why, as one line."""
    holds = [_told(wall) for wall in Wall if wall in standing]
    missing = [_MISSING[wall] for wall in Wall if wall not in standing]
    return "; ".join([*holds, _ALWAYS, *missing])


def _told(wall: Wall) -> str:
    if wall is not Wall.LANDLOCK:
        return _STANDING[wall]
    version = landlock.abi()
    more = [words for since, words in ((4, "no TCP"), (6, "no signal to others")) if version >= since]
    return f"{_STANDING[wall]} (version {version}{''.join(f', {words}' for words in more)})"

"""Landlock: which files a program may open, whatever name it is given.

Source: Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h of Linux.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from errno import EACCES, ENOENT, ENOTDIR
from fcntl import F_GETFL, fcntl
from functools import cache
from stat import S_ISDIR, S_ISLNK, S_ISREG
from struct import pack
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE = 1 << 14
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 9
_REFER, _IOCTL_DEV = 1 << 13, 1 << 15
READ = READ_FILE | READ_DIR | _IOCTL_DEV
RUN = READ | EXECUTE
CHANGE = READ | WRITE_FILE | TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SOCK | _REFER
"""What may be done with folders and all below them: read, also run, and change without running."""

FOLLOW = 1 << 63
"""Beside the rights of a path: it is what a link there leads to."""

_NO_NEW_PRIVILEGES = 38
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
_FILES_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FILES_SINCE_5 = (1 << 16) - 1
_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3


def abi() -> int:
    """The version of Landlock in this kernel; 0 if it has none, or none that is switched on."""
    return max(0, _call(_CREATE_RULESET, None, 0, _VERSION_FLAG))


def ruleset(descriptors: Iterable[int], readable: Iterable[str], executable: Iterable[str]) -> int:
    """A descriptor of rules that refuse everything but the files that are open as `descriptors`, as they are open; to
    read what is in `readable`, files and folders; and to run the files of `executable`. What does not exist is left
    out. Whoever adopts it can besides use no TCP from version 4 on, and reach no abstract socket and no process outside
    from version 6 on.

    Raises: OSError.
    """
    version = abi()
    files = _FILES_BY_ABI.get(version, _FILES_SINCE_5)
    attributes = pack("QQQ", files, _BIND_AND_CONNECT_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _checked(_call(_CREATE_RULESET, attributes, size, 0))
    try:
        for fd in descriptors:
            _allow(rules, fd, _of_mode(fd) & files)
        for path in readable:
            _allow_path(rules, path, (READ_FILE | READ_DIR) & files)
        for path in executable:
            _allow_path(rules, path, (READ_FILE | EXECUTE) & files)
        _allow_path(rules, os.devnull, READ_FILE | WRITE_FILE)
    except BaseException:
        os.close(rules)
        raise
    return rules


def restrict_files(rights: Iterable[tuple[str, int]]) -> None:
    """From now on this thread, and all that it starts, only uses these files and folders, with what is below them, for
    what their rights say, and gains no privileges. What does not exist is left out, and so is a link without FOLLOW.

    Raises: OSError, also where the kernel has no Landlock.
    """
    files = _FILES_BY_ABI.get(abi(), _FILES_SINCE_5)
    rules = _checked(_call(_CREATE_RULESET, pack("Q", files), 8, 0))
    try:
        for path, allowed in rights:
            _allow_path(rules, path, allowed & files, 0 if allowed & FOLLOW else os.O_NOFOLLOW)
        _checked(ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0))))
        _checked(_call(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)


def _of_mode(fd: int) -> int:
    mode = fcntl(fd, F_GETFL) & os.O_ACCMODE
    reading = 0 if mode == os.O_WRONLY else READ_FILE
    return reading if mode == os.O_RDONLY else reading | WRITE_FILE | TRUNCATE


def _allow_path(rules: int, path: str, rights: int, flags: int = 0) -> None:
    fd = _opener()(os.fsencode(path), os.O_PATH | os.O_CLOEXEC | flags)  # for an audit hook, nothing is opened
    if fd < 0 and ctypes.get_errno() in (ENOENT, ENOTDIR, EACCES):
        return
    _checked(fd)
    try:
        _allow(rules, fd, rights)
    finally:
        os.close(fd)


def _allow(rules: int, fd: int, rights: int) -> None:
    mode = os.fstat(fd).st_mode
    if S_ISLNK(mode):
        return
    if not S_ISDIR(mode):
        rights &= _OF_FILES if S_ISREG(mode) else _OF_FILES | _IOCTL_DEV
    _checked(_call(_ADD_RULE, rules, _PATH_BENEATH, pack("=Qi", rights & _FILES_SINCE_5, fd)))


def _checked(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def _call(number: int, *arguments: int | bytes | None) -> int:
    """A system call of up to four arguments; bytes are passed by their address."""
    wide = [
        ctypes.cast(ctypes.c_char_p(one), ctypes.c_void_p).value if isinstance(one, bytes) else one for one in arguments
    ]
    return int(_syscall()(number, *(one or 0 for one in wide), *(0,) * (4 - len(wide))))


@cache
def _opener() -> Any:
    """The C library's `open`."""
    function = ctypes.CDLL(None, use_errno=True).open
    function.argtypes, function.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_int
    return function


@cache
def _syscall() -> Any:
    """The C library's function, with all integers at full width, since it declares none of these calls."""
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.argtypes, function.restype = (ctypes.c_long,) * 5, ctypes.c_long
    return function

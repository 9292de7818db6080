"""The descriptions beside the disks, and directories that are opened step by step so that no symbolic link and no `..`
leads out of a region."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable
from reconciler.providers.local import object_names
from reconciler.providers.protocol import OwnerMark

_encode = json.JSONEncoder(sort_keys=True).encode
_LARGEST = 8 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_structure = threading.Lock()
"""Held while directories are made or emptied ones removed: neither happens under the other's feet."""


class Unreadable(ValueError):
    """A description is there and cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Description:
    """What stands beside the disks. `files`: the name of each disk file of a region -> `os` or `data-LUN`."""

    mark: OwnerMark | None
    attributes: Attributes
    computed: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The JSON a person reads, a line for each part: the encoder that indents is ten times slower."""
        owner = self.mark and {"lineage": self.mark.lineage, "address": str(self.mark.address)}
        content = {"owner": owner, "attributes": self.attributes, "computed": self.computed, "files": self.files}
        shown = {key: value for key, value in content.items() if value or key == "attributes"}
        lines = (f'  "{key}": {_encode(value)}' for key, value in shown.items())
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read_description(name: str, folder: int | None = None) -> tuple[Description, os.stat_result]:
    """The description in the file `name` (relative to the directory `folder`), and the file's status.

    Raises: Unreadable when it is damaged or no regular file; OSError, FileNotFoundError among them.
    """
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Unreadable("is not a regular file") from error
        raise
    try:
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            raise Unreadable("is not a regular file")
        content = os.read(fd, _LARGEST)
    finally:
        os.close(fd)
    return _decode(content), status


def _decode(content: bytes) -> Description:
    try:
        value = json.loads(content)
        owner = value.get("owner")
        mark = owner and OwnerMark(str(owner["lineage"]), Address.parse(owner["address"]))
        parts = [value["attributes"], value.get("computed", {}), value.get("files", {})]
        disks = parts[1].get("disks", {})
        _check_shape(parts, disks)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable("cannot be read: it is damaged") from error
    return Description(mark or None, *parts)


def _check_shape(parts: list[Any], disks: Any) -> None:
    if not all(isinstance(part, dict) for part in (*parts, disks, *disks.values())):
        raise TypeError("not an object")
    if any(object_names.replica_of(name) is None or disk not in disks for name, disk in parts[2].items()):
        raise ValueError("a file without a disk")


@contextlib.contextmanager
def open_folder(region_path: str, parts: tuple[str, ...]) -> Iterator[int]:
    """A descriptor of the directory `parts` below a region's directory.

    Raises: FileNotFoundError; ObjectConflict when one of the parts is a symbolic link or a file; OSError.
    """
    fd = _open_folder(region_path, parts)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def make_folder(region_path: str, parts: tuple[str, ...], child: str = "") -> Iterator[int]:
    """As open_folder, and makes what is missing, the region's directory included; with `child` a new directory in it
    of that name is made in the same breath, so that nobody removes the emptied parents in between. The parents it makes
    are durable; the child is not yet. Raises: FileExistsError when the child is there."""
    with _structure:
        for depth in range(len(parts), -1, -1):  # what exists is the rule: look from below
            try:
                above = _open_folder(region_path, parts[:depth])
                break
            except FileNotFoundError:
                if depth == 0:
                    os.makedirs(region_path, exist_ok=True)
                    above = _open_folder(region_path, ())
        try:
            for part in parts[depth:]:
                os.mkdir(part, dir_fd=above)
                os.fsync(above)
                below = os.open(part, _FOLDER, dir_fd=above)
                os.close(above)
                above = below
            if child:
                os.mkdir(child, dir_fd=above)
        except BaseException:
            os.close(above)
            raise
    try:
        yield above
    finally:
        os.close(above)


def _open_folder(region_path: str, parts: tuple[str, ...]) -> int:
    fd = os.open(region_path, os.O_RDONLY | os.O_DIRECTORY)
    for number, part in enumerate(parts):
        try:
            below = os.open(part, _FOLDER, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise not_followed("/".join((region_path, *parts[: number + 1]))) from error
            raise
        finally:
            os.close(fd)
        fd = below
    return fd


def not_followed(path: str) -> ObjectConflict:
    return ObjectConflict(
        f"'{path}' is a symbolic link or a file where a directory belongs; it is not followed",
        "move it away or put the real directory there",
    )


def write_description(folder: int, name: str, description: Description, lineage: str) -> os.stat_result:
    """Writes the description beside its place, puts it there durably, and returns the file's status."""
    hidden = object_names.new_name(name, lineage)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(hidden, dir_fd=folder)
    status = create_file(folder, hidden, description.encode())
    os.rename(hidden, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
    return status


def create_file(folder: int, name: str, content: bytes) -> os.stat_result:
    """Writes a new read-only file, its content durable, and returns its status."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
        return os.fstat(fd)
    finally:
        os.close(fd)


def remove_folder(folder: int, name: str) -> None:
    """Removes a directory and the plain files in it; one that is not there is fine. Raises: OSError when there is a
    directory in it: we never make one there."""
    try:
        inside = os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        for entry in os.listdir(inside):
            os.unlink(entry, dir_fd=inside)
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=folder)


def remove_empty_folders(region_path: str, parts: tuple[str, ...]) -> None:
    """Removes the directories `parts`, deepest first, as far as they are empty; the region's own stays."""
    with _structure:
        for depth in range(len(parts), 0, -1):
            try:
                os.rmdir("/".join((region_path, *parts[:depth])))
            except FileNotFoundError:
                continue
            except OSError:  # not empty, not there, or not ours to remove: then it stays
                return


def failure(error: OSError, doing: str, path: str) -> ProviderError:
    """An OSError in words, with what to do about it."""
    what = f"{doing} in '{path}' failed: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ProviderError(what, "free some space there (or raise the quota), then apply again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ProviderError(what, "make the directory writable for this user, then apply again")
    if error.errno in (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN):
        return Unavailable(what, "check the disk or the mount, then apply again")
    return ProviderError(what, "look at that directory, then apply again")

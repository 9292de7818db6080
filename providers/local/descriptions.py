"""The descriptions in a region's directory: one JSON file for each object, for target regions beside their copies."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import Any

from reconciler.providers.common.descriptions import ObjectDescription, Unreadable, damaged, decode, encode
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.effects import create_file, rename, unlink
from reconciler.providers.owner import Writer

_encode_value = json.JSONEncoder(sort_keys=True).encode
_LARGEST = 8 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Description(ObjectDescription):
    """A description as the local provider keeps it. `files`: the name of each copy in a target region -> its disk
    (`os` or `data-LUN`). `stamps`: the stamp that each had when it was complete; none in those of earlier releases."""

    files: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def encode(self) -> bytes:
        """Readable JSON, one line for each part; an indenting encoder would be ten times slower."""
        content = {**encode(self), "files": self.files, "stamps": self.stamps}
        shown = {key: value for key, value in content.items() if value or key == "attributes"}
        lines = (f'  "{key}": {_encode_value(value)}' for key, value in shown.items())
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read_description(name: str, folder: int | None = None) -> tuple[Description, os.stat_result]:
    """The description in the file `name` (relative to the directory `folder`), and the file's status.

    Raises: Unreadable if it is damaged or not a regular file; OSError, FileNotFoundError among them.
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
    except (ValueError, RecursionError) as error:
        raise damaged() from error
    common = decode(value)
    files = value.get("files", {})
    stamps = value.get("stamps", {})
    if not isinstance(files, dict) or not all(_names_a_copy(*pair, common.computed) for pair in files.items()):
        raise damaged()
    if not isinstance(stamps, dict):
        raise damaged()
    return Description(
        common.mark,
        common.attributes,
        common.computed,
        files,
        protect=common.protect,
        fence=common.fence,
        stamps=stamps,
    )


def _names_a_copy(name: str, disk: Any, computed: Mapping[str, Any]) -> bool:
    return object_names.replica_of(name) is not None and isinstance(disk, str) and disk in computed.get("disks", {})


def write_description(folder: int, name: str, description: Description, writer: Writer) -> os.stat_result:
    """Writes the description aside, renames it to its name durably, and returns the file's status."""
    hidden = object_names.hidden_name(name, "new", writer)
    unlink(folder, hidden, writer)
    status = create_file(folder, hidden, description.encode(), writer)
    rename(folder, hidden, name, writer)
    os.fsync(folder)
    return status

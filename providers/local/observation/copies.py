"""The copies of a target region, compared with its description."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from stat import S_ISREG
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.common import scanning
from reconciler.providers.common.fingerprints import stamps_in
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.local.descriptions import Description
from reconciler.providers.local.directories import object_names
from reconciler.providers.protocol import ProgressCallback

Check = tuple[str, str, str]
"""Name, stamp, and what is wrong with it or an empty string."""


def check_copies(
    folder: str,
    region: Address,
    description: Description,
    fingerprint: str,
    *,
    deep: bool,
    progress: ProgressCallback | None,
) -> list[Check]:
    """All files that a region's description names, and the sources that it refers to. Copies with another stamp than in
    the recorded fingerprint are read, all if `deep`. Without a fingerprint, as of a region whose operation was
    interrupted, the stamps in the description count."""
    recorded, files = stamps_in(fingerprint), dict[tuple[int, int], str]()
    checks = []
    for name, disk in sorted(description.files.items()):
        facts = description.computed["disks"][disk]
        advance = scanning.counting(region, int(facts["size"]), progress)
        stamp = "" if deep else recorded.get(name) or description.stamps.get(name, "")
        checks.append((name, *_check_copy(f"{folder}/{name}", facts, stamp, files, advance)))
    for path, identity in description.computed.get("shallow", {}).items():
        checks.append((path, *_check_shallow(path, str(identity))))
    return checks


def _check_copy(
    path: str,
    facts: Mapping[str, Any],
    recorded: str,
    others: dict[tuple[int, int], str],
    advance: Callable[[int], None],
) -> tuple[str, str]:
    """(stamp, defect or empty) of one copy. It is read unless it has the `recorded` stamp. `others`: the files of the
    region seen so far, by device and inode."""
    name = os.path.basename(path)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "absent", f"{name} is missing"
    stamp, size = object_names.stamp(status), int(facts["size"])
    if not S_ISREG(status.st_mode):
        return stamp, f"{name} is not a regular file"
    other = others.setdefault((status.st_dev, status.st_ino), name)
    if other != name:
        return stamp, f"{name} is the same file as {other}, and no copy of its own"
    if status.st_size != size:
        change = "truncated" if status.st_size < size else "longer than it was"
        return stamp, f"{name} is {change}: {status.st_size} of {size} bytes"
    if recorded == stamp:
        return stamp, ""
    return stamp, content_defect(path, facts, advance)


def first_defect(folder: int, place: str, description: Description, names: Collection[str]) -> str:
    """What is wrong with one of these described copies; empty if they are whole. What has changed since it was complete
    is read. `place` is the path of the open `folder`. Raises: OSError."""
    for name in sorted(names):
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return f"{name} is missing"
        facts = description.computed["disks"][description.files[name]]
        if object_names.stamp(status) == description.stamps.get(name):
            continue
        if defect := content_defect(f"{place}/{name}", facts):
            return defect
    return ""


def content_defect(path: str, facts: Mapping[str, Any], advance: Callable[[int], None] | None = None) -> str:
    """What is wrong with the bytes of a copy, all of which are read; empty if they are those that were published."""
    name, published = os.path.basename(path), ContentDigest.in_facts(facts)
    try:
        extent = Extent(path, 0, int(facts["size"]), f"'{path}'", followed=False)
        digest = digest_extent(extent, advance, plain=published.is_plain)
    except (SourceError, ProviderError) as error:
        return f"{name} cannot be read: {error.message}"
    return "" if digest.agrees(published) else f"{name} has other content than was published"


def _check_shallow(path: str, recorded: str) -> tuple[str, str]:
    """(stamp, defect or empty) of the source that a Shallow region refers to."""
    try:
        stamp = object_names.stamp(os.stat(path))
    except OSError:
        return "absent", f"its source '{path}' is gone, and a Shallow version has no copy of its own"
    return stamp, "" if stamp == recorded else f"its source '{path}' has changed since"

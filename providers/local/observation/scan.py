"""Looks at the regions: a few `stat` calls for objects that should be as recorded, a full look at the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from reconciler.manifests.address import Address
from reconciler.providers.common import scanning
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.common.fingerprints import SEPARATOR, stamps_in
from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError, Unavailable
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.local.descriptions import Description, read_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.folders import open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.observation.unmanaged import unmanaged
from reconciler.providers.local.ownership import mark_of_broken
from reconciler.providers.protocol import Observed, ProgressCallback, Scan, Scope


def scan(paths: ObjectPaths, scope: Scope, progress: ProgressCallback | None) -> Scan:
    """The answer to a scope; see `Reader.scan`."""
    known = any(fingerprint for fingerprint in scope.wanted.values())
    if paths.regions.root and known and not os.path.isdir(paths.regions.root):
        why = f"the directory '{paths.regions.root}' does not exist (is it mounted?)"
        return Scan(unreachable=dict.fromkeys(scope.wanted, why))
    missing = paths.regions.missing()
    prefixes: dict[str, str] = {}
    return scanning.scan(
        scope,
        lambda _, fingerprint: _still_matches(paths, fingerprint, prefixes),
        lambda address, fingerprint: _look(paths, missing, address, fingerprint, deep=scope.deep, progress=progress),
        lambda: unmanaged(paths, scope.wanted, partial(_describe, paths)),
    )


def read(paths: ObjectPaths, address: Address) -> Observed | None:
    """As `Reader.read`."""
    return _look(paths, paths.regions.missing(), address)


def _still_matches(paths: ObjectPaths, fingerprint: str, prefixes: dict[str, str]) -> bool:
    """Whether every file that a fingerprint names has the recorded stamp. `prefixes` caches the paths of regions.

    It runs for every object of every plan, so it does without the calls that would make it shorter.
    """
    place, *files = fingerprint.split(SEPARATOR)
    region, _, folders = place.partition("/")
    prefix = prefixes.get(region)
    if prefix is None:
        prefix = prefixes[region] = paths.regions.path(region)
    try:
        for entry in files:
            name, _, stamp = entry.rpartition(" ")
            is_source = name.startswith("/")  # of a Shallow region
            status = os.stat(unquote(name)) if is_source else os.lstat(f"{prefix}/{folders}/{name}")
            if f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}" != stamp:
                return False
    except OSError:
        return False
    return True


def _look(
    paths: ObjectPaths,
    missing: Mapping[str, str],
    address: Address,
    fingerprint: str = "",
    *,
    deep: bool = False,
    progress: ProgressCallback | None = None,
) -> Observed | None:
    """One object as it is now, or None if it is certainly absent. Copies with another stamp than recorded are read.

    Raises: Unavailable in doubt, also if the object may be in one of the `missing` regions (region -> why).
    """
    seen = _look_in_regions(paths, address)
    if seen is not None:
        if address.region:
            return _with_copies(paths, seen, fingerprint, deep=deep, progress=progress)
        return seen.observed
    region = address.region or object_names.region_in(fingerprint)
    doubt = missing.get(region) if region else next(iter(missing.values()), None)
    if doubt is not None:
        raise scanning.NotFoundButPossible(doubt, "mount it, then try again", missing)
    return None


@dataclass(frozen=True, slots=True)
class _Seen:
    """An object and its description; None if that cannot be read. `stamps` are those of its description alone."""

    observed: Observed
    description: Description | None
    stamps: tuple[tuple[str, str], ...]


def _look_in_regions(paths: ObjectPaths, address: Address) -> _Seen | None:
    """Raises: Unavailable."""
    for region in (address.region,) if address.region else paths.present():
        try:
            seen = _look_in(paths, region, address)
        except ObjectConflict as error:
            raise Unavailable(error.message, error.remedy) from error
        except OSError as error:
            path = paths.folder(address, region)
            raise Unavailable(
                f"'{path}' cannot be read: {error.strerror}", "check the disk and its permissions"
            ) from error
        if seen is not None:
            return seen
    return None


def _describe(paths: ObjectPaths, region: str, address: Address) -> Observed | None:
    """One object as its description in a region shows it. Raises: ObjectConflict, OSError."""
    seen = _look_in(paths, region, address)
    return seen.observed if seen else None


def _look_in(paths: ObjectPaths, region: str, address: Address) -> _Seen | None:
    name = object_names.description_file(address)
    folders = object_names.folder(address)
    object_id = object_names.object_id(region, address)
    path = paths.folder(address) if address.region else paths.description(address, region)
    if not os.path.lexists(path):
        return None
    try:
        with open_folder(paths.regions.path(region), folders) as folder:
            description, status = read_description(name, folder)
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(path):
            return None
        return _broken(paths, address, object_id, f"it has no {name}")
    except Unreadable as error:
        return _broken(paths, address, object_id, f"{name} {error}")
    stamps = ((name, object_names.stamp(status)),)
    fingerprint = object_names.fingerprint(region, folders, stamps)
    return _Seen(scanning.described(address, object_id, description, fingerprint), description, stamps)


def _broken(paths: ObjectPaths, address: Address, object_id: str, defect: str) -> _Seen:
    mark = mark_of_broken(paths, address) if address.region else None
    return _Seen(scanning.without_description(address, object_id, defect, mark), None, ())


def _with_copies(
    paths: ObjectPaths, seen: _Seen, fingerprint: str, *, deep: bool, progress: ProgressCallback | None
) -> Observed:
    """A region's copies compared with its description."""
    description, address = seen.description, seen.observed.address
    if description is None:
        return seen.observed
    recorded = stamps_in(fingerprint)
    checks = []
    for name, disk in sorted(description.files.items()):
        facts = description.computed["disks"][disk]
        path, advance = f"{paths.folder(address)}/{name}", scanning.counting(address, int(facts["size"]), progress)
        checks.append((name, *_check_copy(path, facts, recorded.get(name), deep=deep, advance=advance)))
    for path, identity in description.computed.get("shallow", {}).items():
        checks.append((path, *_check_shallow(path, str(identity))))
    stamps = [*seen.stamps, *((name, stamp) for name, stamp, _ in checks)]
    text = object_names.fingerprint(address.region, object_names.folder(address), stamps)
    defects = [defect for _, _, defect in checks if defect]
    return scanning.described(address, seen.observed.object_id, description, text, defects)


def _check_copy(
    path: str, facts: Mapping[str, Any], recorded: str | None, *, deep: bool, advance: Callable[[int], None]
) -> tuple[str, str]:
    """(stamp, defect or empty) of one copy. Its bytes are read if its stamp is not the recorded one, or `deep`."""
    name = os.path.basename(path)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "absent", f"{name} is missing"
    stamp, size = object_names.stamp(status), int(facts["size"])
    if status.st_size != size:
        change = "truncated" if status.st_size < size else "longer than it was"
        return stamp, f"{name} is {change}: {status.st_size} of {size} bytes"
    if not deep and recorded in (None, stamp):
        return stamp, ""
    try:
        digest = digest_extent(Extent(path, 0, size, f"'{path}'"), advance)
    except (SourceError, ProviderError) as error:
        return stamp, f"{name} cannot be read: {error.message}"
    return stamp, "" if digest == facts["sha256"] else f"{name} has other content than was published"


def _check_shallow(path: str, recorded: str) -> tuple[str, str]:
    """(stamp, defect or empty) of the source that a Shallow region refers to."""
    try:
        stamp = object_names.stamp(os.stat(path))
    except OSError:
        return "absent", f"its source '{path}' is gone, and a Shallow version has no copy of its own"
    return stamp, "" if stamp == recorded else f"its source '{path}' has changed since"

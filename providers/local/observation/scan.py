"""Looks at the regions: a few `stat` calls for objects that should be as recorded, a full look at the others."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

from reconciler.manifests.address import Address
from reconciler.providers.common import scanning
from reconciler.providers.common.descriptions import Damaged, Unreadable
from reconciler.providers.common.fingerprints import SEPARATOR
from reconciler.providers.errors import ObjectConflict, Unavailable
from reconciler.providers.local.descriptions import Description, read_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.folders import open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.directories.places import Places, not_asked
from reconciler.providers.local.observation.copies import check_copies
from reconciler.providers.local.observation.unmanaged import unmanaged
from reconciler.providers.local.ownership import mark_of_version
from reconciler.providers.protocol import Observed, ProgressCallback, Scan, Scope


def scan(paths: ObjectPaths, scope: Scope, progress: ProgressCallback | None) -> Scan:
    """The answer to a scope; see `Reader.scan`."""
    known = any(fingerprint for fingerprint in scope.wanted.values())
    if paths.regions.root and known and not os.path.isdir(paths.regions.root):
        why = f"the directory '{paths.regions.root}' does not exist (is it mounted?)"
        return Scan(unreachable=dict.fromkeys(scope.wanted, why))
    recorded = {region: place for region, place in scope.places.items() if region}
    looking = _Looking(paths, Places(paths.regions, recorded), scope.deep, progress)
    return scanning.scan(
        scope,
        looking.still_matches,
        looking.look,
        lambda: unmanaged(paths, looking.asked(), scope.wanted, partial(_describe, paths)),
    )


def read(paths: ObjectPaths, address: Address) -> Observed | None:
    """As `Reader.read`."""
    places = Places(paths.regions, paths.regions.recorded)
    return _Looking(paths, places, deep=False, progress=None, reads_unknown=False).look(address, "")


@dataclass(frozen=True, slots=True)
class _Seen:
    """An object and its description; None if that cannot be read. `stamps` are those of its description alone."""

    observed: Observed
    description: Description | None
    stamps: tuple[tuple[str, str], ...]


class _Looking:
    """One look at the regions. `reads_unknown`: copies for which no fingerprint is recorded are read, as an interrupted
    run may have left them, or found them damaged."""

    def __init__(
        self,
        paths: ObjectPaths,
        places: Places,
        deep: bool,
        progress: ProgressCallback | None,
        *,
        reads_unknown: bool = True,
    ) -> None:
        self._paths = paths
        self._places = places
        self._deep = deep
        self._reads_unknown = reads_unknown
        self._progress = progress
        self._prefixes: dict[str, str] = {}
        self._asked: tuple[str, ...] | None = None

    def asked(self) -> tuple[str, ...]:
        """The regions that can be asked, sorted. Raises: Unavailable when that cannot be found out."""
        if self._asked is None:
            self._asked = tuple(region for region in self._paths.present() if not self._places.doubt(region))
        return self._asked

    def still_matches(self, _address: Address, fingerprint: str) -> bool:
        """Whether every file that a fingerprint names has the recorded stamp.

        It runs for every object of every plan, so it does without the calls that would make it shorter.
        """
        place, *files = fingerprint.split(SEPARATOR)
        region, _, folders = place.partition("/")
        prefix = self._prefixes.get(region)
        if prefix is None:
            prefix = "" if self._places.doubt(region, recorded=True) else self._paths.regions.path(region)
            self._prefixes[region] = prefix
        if not prefix:
            return False
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

    def look(self, address: Address, fingerprint: str) -> Observed | None:
        """One object as it is now, or None if it is certainly absent. Copies with another stamp than recorded are read.

        Raises: Unavailable in doubt, also if the object may be in a region that cannot be asked.
        """
        home = address.region or object_names.region_in(fingerprint)
        if address.region and (why := self._places.doubt(address.region, recorded=bool(fingerprint))):
            raise not_asked(why, {address.region: why})
        seen = _look_in_regions(self._paths, (address.region,) if address.region else self.asked(), address)
        if seen is not None:
            return self._with_copies(seen, fingerprint) if address.region else seen.observed
        if home and (why := self._places.doubt(home, recorded=bool(fingerprint))):
            raise not_asked(why, {home: why})
        if not home and (doubts := self._places.doubts()):
            raise not_asked(next(iter(doubts.values())), doubts)
        return None

    def _with_copies(self, seen: _Seen, fingerprint: str) -> Observed:
        """A region's copies compared with its description."""
        description, address = seen.description, seen.observed.address
        if description is None:
            return seen.observed
        folder = self._paths.folder(address)
        deep = self._deep or (self._reads_unknown and not fingerprint)
        checks = check_copies(folder, address, description, fingerprint, deep=deep, progress=self._progress)
        stamps = [*seen.stamps, *((name, stamp) for name, stamp, _ in checks)]
        text = object_names.fingerprint(address.region, object_names.folder(address), stamps)
        defects = [defect for _, _, defect in checks if defect]
        return scanning.described(address, seen.observed.object_id, description, text, defects)


def _look_in_regions(paths: ObjectPaths, regions: Collection[str], address: Address) -> _Seen | None:
    """Raises: Unavailable."""
    for region in regions:
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
    """One object as its description in a region shows it. Raises: ProviderError, OSError."""
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
        if not os.path.lexists(path) or (address.region and not os.listdir(path)):
            return None
        return _broken(paths, address, object_id, f"it has no {name}")
    except Unreadable as error:
        if address.region:
            return _broken(paths, address, object_id, f"{name} {error}")
        lost = isinstance(error, Damaged)
        return _Seen(scanning.without_description(address, object_id, f"{name} {error}", mark_lost=lost), None, ())
    stamps = ((name, object_names.stamp(status)),)
    fingerprint = object_names.fingerprint(region, folders, stamps)
    return _Seen(scanning.described(address, object_id, description, fingerprint), description, stamps)


def _broken(paths: ObjectPaths, region: Address, object_id: str, defect: str) -> _Seen:
    """A target region whose description cannot be read: its version's owner owns it, or the one who has a record of it,
    if every name in the folder is one that we give. Raises: OSError, ObjectConflict."""
    with open_folder(paths.regions.path(region.region), object_names.folder(region)) as folder:
        foreign = [name for name in sorted(os.listdir(folder)) if not object_names.is_ours(name)]
    if foreign:
        defect = f"{defect}, and contains files that are not ours: {', '.join(foreign)}"
        return _Seen(scanning.without_description(region, object_id, defect), None, ())
    mark = mark_of_version(paths, region)
    return _Seen(scanning.without_description(region, object_id, defect, mark, mark_lost=mark is None), None, ())

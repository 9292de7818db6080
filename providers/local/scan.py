"""Looks at the regions: a few `stat` calls for what should be as recorded, a real look at the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError, Unavailable
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.local import object_names
from reconciler.providers.local.documents import mark_of_broken
from reconciler.providers.local.object_paths import Places
from reconciler.providers.local.objects import Description, Unreadable, open_folder, read_description
from reconciler.providers.protocol import Condition, Observed, ProgressCallback, Scan, Scope


def scan(places: Places, scope: Scope, progress: ProgressCallback | None) -> Scan:
    """The answer to a scope; see `Reader.scan`."""
    known = any(fingerprint for fingerprint in scope.wanted.values())
    if places.regions.root and known and not os.path.isdir(places.regions.root):
        why = f"the directory '{places.regions.root}' is not there (is it mounted?)"
        return Scan(unreachable=dict.fromkeys(scope.wanted, why))
    missing = places.regions.missing()
    observed: dict[Address, Observed] = {}
    matching: list[Address] = []
    unreachable: dict[Address, str] = {}
    perhaps_in: dict[Address, frozenset[str]] = {}
    prefixes: dict[str, str] = {}
    for address, fingerprint in scope.wanted.items():
        if fingerprint and not scope.deep and _still(places, fingerprint, prefixes):
            matching.append(address)
            continue
        try:
            found = look(places, address, fingerprint or "", deep=scope.deep, progress=progress)
        except Unavailable as error:
            unreachable[address] = error.message
            continue
        if found is not None:
            observed[address] = found
        elif doubt := _not_sure(address, fingerprint, missing):
            unreachable[address] = doubt
            if not address.region and not fingerprint:
                perhaps_in[address] = frozenset(missing)
    strangers: tuple[Observed, ...] = ()
    if scope.unmanaged:
        strangers = tuple(sorted(unmanaged(places, scope.wanted), key=lambda one: (one.address, one.object_id)))
    return Scan(observed, frozenset(matching), unreachable, strangers, perhaps_in)


def read(places: Places, address: Address) -> Observed | None:
    """As `Reader.read`."""
    found = look(places, address)
    if found is None and (doubt := _not_sure(address, None, places.regions.missing())):
        raise Unavailable(doubt, "mount it, then try again")
    return found


def _not_sure(address: Address, fingerprint: str | None, missing: Mapping[str, str]) -> str | None:
    """Why what was not found may be there all the same: its region, or one it could be in, is not."""
    if not missing:
        return None
    region = address.region or (object_names.region_in(fingerprint) if fingerprint else "")
    return missing.get(region) if region else next(iter(missing.values()))


def _still(places: Places, fingerprint: str, prefixes: dict[str, str]) -> bool:
    """Whether every file that a fingerprint names still has the stamp it had."""
    place, *files = fingerprint.split("|")
    region, _, folders = place.partition("/")
    prefix = prefixes.get(region)
    if prefix is None:
        prefix = prefixes[region] = places.regions.path(region)
    try:
        for entry in files:
            name, _, mark = entry.rpartition(" ")
            referred = name.startswith("/")  # the source of a Shallow region
            status = os.stat(unquote(name)) if referred else os.lstat(f"{prefix}/{folders}/{name}")
            if f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}" != mark:
                return False
    except OSError:
        return False
    return True


def look(
    places: Places,
    address: Address,
    fingerprint: str = "",
    *,
    deep: bool = False,
    progress: ProgressCallback | None = None,
) -> Observed | None:
    """One object as it is, or None when it is absent. Disks whose stamp is not the recorded one are read.

    Raises: Unavailable when it cannot be told.
    """
    regions = (address.region,) if address.region else places.present()
    for region in regions:
        try:
            found = _look_in(places, region, address)
        except ObjectConflict as error:
            raise Unavailable(error.message, error.remedy) from error
        except OSError as error:
            path = places.folder(address, region)
            raise Unavailable(
                f"'{path}' cannot be read: {error.strerror}", "check the disk and its permissions"
            ) from error
        if found is not None:
            if address.region:
                return _with_disks(places, found, fingerprint, deep=deep, progress=progress)
            return found.observed
    return None


@dataclass(frozen=True, slots=True)
class _Found:
    """An object and its description; None where that cannot be read."""

    observed: Observed
    description: Description | None
    stamps: tuple[tuple[str, str], ...]


def _look_in(places: Places, region: str, address: Address) -> _Found | None:
    name = object_names.description_file(address)
    folders = object_names.folder(address)
    object_id = object_names.object_id(region, address)
    place = places.folder(address) if address.region else places.description(address, region)
    if not os.path.lexists(place):
        return None
    try:
        with open_folder(places.regions.path(region), folders) as folder:
            description, status = read_description(name, folder)
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(place):
            return None
        return _broken(places, address, object_id, f"there is no {name} in it")
    except Unreadable as error:
        return _broken(places, address, object_id, f"{name} {error}")
    stamps = ((name, object_names.stamp(status)),)
    observed = Observed(
        address=address,
        object_id=object_id,
        mark=description.mark,
        fingerprint=object_names.fingerprint(region, folders, stamps),
        canonical=canonical_json(description.attributes),
        computed=canonical_json(description.computed),
    )
    return _Found(observed, description, stamps)


def _broken(places: Places, address: Address, object_id: str, defect: str) -> _Found:
    mark = mark_of_broken(places, address) if address.region else None
    observed = Observed(address, object_id, mark, "", "{}", Condition.DAMAGED, (defect,))
    return _Found(observed, None, ())


def _with_disks(
    places: Places, found: _Found, fingerprint: str, *, deep: bool, progress: ProgressCallback | None
) -> Observed:
    """The region's copies compared with what its description says of them."""
    description, observed = found.description, found.observed
    if description is None:
        return observed
    recorded = object_names.stamps_in(fingerprint) if fingerprint else {}
    stamps, defects = list(found.stamps), []
    folder = places.folder(observed.address)
    for name, disk in sorted(description.files.items()):
        facts = description.computed["disks"][disk]
        path = f"{folder}/{name}"
        mark, defect = _check_copy(path, name, facts, recorded.get(name), deep, observed.address, progress)
        stamps.append((name, mark))
        defects += [defect] if defect else []
    for path, identity in description.computed.get("shallow", {}).items():
        mark, defect = _check_shallow(path, str(identity))
        stamps.append((path, mark))
        defects += [defect] if defect else []
    address = observed.address
    return Observed(
        address=address,
        object_id=observed.object_id,
        mark=observed.mark,
        fingerprint=object_names.fingerprint(address.region, object_names.folder(address), stamps),
        canonical=observed.canonical,
        condition=Condition.DAMAGED if defects else Condition.READY,
        defects=tuple(defects),
        computed=observed.computed,
    )


def _check_copy(
    path: str,
    name: str,
    facts: Mapping[str, Any],
    recorded: str | None,
    deep: bool,
    address: Address,
    progress: ProgressCallback | None,
) -> tuple[str, str]:
    """(stamp, what is wrong or nothing) of one copy. Its bytes are read when its stamp changed, or `deep`."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "absent", f"{name} is missing"
    mark = object_names.stamp(status)
    size = int(facts["size"])
    if status.st_size != size:
        verb = "truncated" if status.st_size < size else "longer than it was"
        return mark, f"{name} is {verb}: {status.st_size} of {size} bytes"
    if not deep and recorded in (None, mark):
        return mark, ""
    advance = _counter(address, size, progress)
    try:
        digest = digest_extent(Extent(path, 0, size, f"'{path}'"), advance)
    except (SourceError, ProviderError) as error:
        return mark, f"{name} cannot be read: {error.message}"
    return mark, "" if digest == facts["sha256"] else f"{name} has other content than was published"


def _counter(address: Address, size: int, progress: ProgressCallback | None) -> Any:
    if progress is None:
        return None
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        progress(address, done, size)

    return advance


def _check_shallow(path: str, identity: str) -> tuple[str, str]:
    try:
        mark = object_names.stamp(os.stat(path))
    except OSError:
        return "absent", f"its source '{path}' is gone, and a Shallow version has no copy of its own"
    return mark, "" if mark == identity else f"its source '{path}' has changed since"


def unmanaged(places: Places, wanted: Mapping[Address, object]) -> Iterator[Observed]:
    """Everything in the regions that nobody asked about, by region and path."""
    for region in places.present():
        root = places.regions.path(region)
        for gallery in _entries(root):
            if not gallery.is_dir(follow_symlinks=False):
                yield _stranger(Address(gallery.name), f"{region}/{gallery.name}", None)
            else:
                yield from _unmanaged_in_gallery(places, region, gallery, wanted)


def _unmanaged_in_gallery(
    places: Places, region: str, gallery: os.DirEntry[str], wanted: Mapping[Address, object]
) -> Iterator[Observed]:
    address = Address(gallery.name)
    for entry in _entries(gallery.path):
        path = f"{region}/{gallery.name}/{entry.name}"
        if entry.name == object_names.description_file(address):
            yield from _unless_wanted(places, region, address, wanted)
        elif entry.is_dir(follow_symlinks=False):
            yield from _unmanaged_in_definition(places, region, Address(gallery.name, entry.name), entry.path, wanted)
        else:
            yield _stranger(address, path, None)


def _unmanaged_in_definition(
    places: Places, region: str, address: Address, folder: str, wanted: Mapping[Address, object]
) -> Iterator[Observed]:
    for entry in _entries(folder):
        path = f"{region}/{address.gallery}/{address.definition}/{entry.name}"
        if entry.name == object_names.description_file(address):
            yield from _unless_wanted(places, region, address, wanted)
        elif entry.is_dir(follow_symlinks=False):
            version = address._replace(version=entry.name, region=region)
            if version in wanted:
                yield from _strange_files(places, version, entry.path, path)
            else:
                yield from _unless_wanted(places, region, version, wanted, path)
        elif entry.name.endswith(".json"):
            yield from _unless_wanted(places, region, address._replace(version=entry.name[:-5]), wanted)
        else:
            yield _stranger(address, path, None)


def _unless_wanted(
    places: Places, region: str, address: Address, wanted: Mapping[Address, object], path: str = ""
) -> Iterator[Observed]:
    if address in wanted:
        return
    try:
        found = _look_in(places, region, address)
    except (OSError, ObjectConflict):
        found = None
    yield found.observed if found else _stranger(address, path or object_names.object_id(region, address), None)


def _strange_files(places: Places, address: Address, folder: str, path: str) -> Iterator[Observed]:
    """Files in one of our own folders that its description does not name."""
    try:
        description, _ = read_description(places.description(address))
    except (OSError, Unreadable):
        return
    for entry in _entries(folder):
        if entry.name != object_names.REGION_FILE and entry.name not in description.files:
            yield _stranger(address, f"{path}/{entry.name}", "a file that does not belong here")


def _stranger(address: Address, object_id: str, defect: str | None) -> Observed:
    return Observed(address, object_id, None, "", "{}", Condition.READY, (defect,) if defect else ())


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []

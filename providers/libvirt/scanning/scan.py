"""Looks at the pools: one listing each for what should be as recorded, a real look at the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.records.description_store import Broken
from reconciler.providers.libvirt.records.descriptions import stamp
from reconciler.providers.libvirt.records.ownership import strangers
from reconciler.providers.libvirt.records.pool_snapshot import Estate, View
from reconciler.providers.libvirt.scanning.unmanaged import unmanaged
from reconciler.providers.libvirt.scanning.volume_checks import checked
from reconciler.providers.protocol import Condition, Observed, ProgressCallback, Scan, Scope

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts


def scan(hosts: Hosts, scope: Scope, progress: ProgressCallback | None) -> Scan:
    """The answer to a scope; see `Reader.scan`."""
    estate = Estate(hosts, hosts.regions)
    observed: dict[Address, Observed] = {}
    matching: list[Address] = []
    unreachable: dict[Address, str] = {}
    perhaps_in: dict[Address, frozenset[str]] = {}
    for address, fingerprint in scope.wanted.items():
        if fingerprint and not scope.deep and _still(estate, address, fingerprint):
            matching.append(address)
            continue
        try:
            found = _sure(estate, address, fingerprint or "", deep=scope.deep, progress=progress)
        except Unavailable as error:
            unreachable[address] = error.message
            if not address.region and not fingerprint and estate.is_for_want_of_a_region(error):
                perhaps_in[address] = frozenset(estate.unreachable)
            continue
        if found is not None:
            observed[address] = found
    strange = unmanaged(estate, scope.wanted, look) if scope.unmanaged else ()
    return Scan(observed, frozenset(matching), unreachable, tuple(strange), perhaps_in)


def read(hosts: Hosts, address: Address) -> Observed | None:
    """As `Reader.read`."""
    regions = [address.region] if address.region else hosts.regions
    return _sure(Estate(hosts, [region for region in regions if region in hosts.regions]), address)


def _sure(
    estate: Estate,
    address: Address,
    fingerprint: str = "",
    *,
    deep: bool = False,
    progress: ProgressCallback | None = None,
) -> Observed | None:
    """One object as it is, or None when it is certainly absent. Raises: Unavailable when it may be where nobody can
    look."""
    found = look(estate, address, fingerprint, deep=deep, progress=progress)
    if found is None:
        recorded = object_names.place_in(fingerprint)
        region = address.region or recorded.region
        if region:
            estate.require_home(region, recorded.pool)
        else:
            estate.require_all()
    return found


def _still(estate: Estate, address: Address, fingerprint: str) -> bool:
    """Whether every volume that a fingerprint names has the stamp it had, and no newer description is there."""
    place = object_names.place_in(fingerprint)
    view = estate.views.get(place.region)
    if view is None or view.pool.place != place:
        return False
    entries = object_names.stamps_in(fingerprint)
    described = view.sidecars.get((address, ""), ())
    if not described or described[0].volume not in entries:
        return False
    return all(_stamp(view, name) == mark for name, mark in entries.items())


def _stamp(view: View, name: str) -> str:
    """The stamp a volume has now; of a path, that of the volume there, in whatever pool of the host."""
    if not name.startswith("/"):
        return stamp(view.volumes[name]) if name in view.volumes else ""
    from reconciler.providers.libvirt.scanning.volume_checks import stamp_of_path

    return stamp_of_path(view.pool, name)


def look(
    estate: Estate,
    address: Address,
    fingerprint: str = "",
    *,
    deep: bool = False,
    progress: ProgressCallback | None = None,
) -> Observed | None:
    """One object as it is; None when no region that can be asked has it. Raises: Unavailable when its host went away
    meanwhile."""
    if address.region:
        view = estate.views.get(address.region)
        return _region(view, address, fingerprint, deep=deep, progress=progress) if view else None
    for view in estate.views.values():
        if (address, "") in view.sidecars:
            found = _document(view, address)
            if found is not None:
                return found
    return None


def _document(view: View, address: Address) -> Observed | None:
    object_id = object_names.object_id(view.region, view.pool.name, address)
    try:
        found = view.shelf.description(address)
    except Broken as error:
        return _broken(address, object_id, error)
    if found is None:  # it was removed since it was listed
        return None
    description = found.description
    return Observed(
        address=address,
        object_id=object_id,
        mark=description.mark,
        fingerprint=object_names.fingerprint(view.pool.place, [found.entry]),
        canonical=canonical_json(description.attributes),
        computed=canonical_json(description.computed),
    )


def _region(
    view: View, address: Address, fingerprint: str, *, deep: bool, progress: ProgressCallback | None
) -> Observed | None:
    object_id = object_names.object_id(view.region, view.pool.name, address)
    try:
        found = view.shelf.description(address) if (address, "") in view.sidecars else None
    except Broken as error:
        return _broken(address, object_id, error)
    if found is not None:
        recorded: Mapping[str, str] = object_names.stamps_in(fingerprint) if fingerprint else {}
        return checked(view, address, object_id, found, recorded, deep=deep, progress=progress)
    strange = strangers(view.shelf, address, None, view.shelf.making(address))
    if not strange:
        return None
    return Observed(address, object_id, None, "", "{}", Condition.READY)


def _broken(address: Address, object_id: str, error: Broken) -> Observed:
    return Observed(address, object_id, None, "", "{}", Condition.DAMAGED, (error.message,))

"""Observes everything by listing: galleries, then definitions, then versions, several lists at a time.

Single objects are only read when a list has too little: for the replication of versions that are in flight or have
failed, the groups that a gallery is shared with, and firmware settings that are not recorded yet. `deep` reads the
replication of every version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from reconciler.manifests.address import Address, Kind
from reconciler.providers.azure.bodies import lacks_security
from reconciler.providers.azure.observation.observed_objects import (
    FAILED,
    ServiceObject,
    observed,
    service_object,
    with_security,
)
from reconciler.providers.azure.service.api import Api, Json
from reconciler.providers.azure.service.failures import CallFailed, explained
from reconciler.providers.errors import Unavailable
from reconciler.providers.protocol import Condition, Observed, ProgressCallback, Scan, Scope

_AT_ONCE = 16
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Listing:
    """The objects in all lists by address, and by address the reason why what is inside it could not be listed."""

    objects: dict[Address, ServiceObject] = field(default_factory=dict)
    unlisted: dict[Address, str] = field(default_factory=dict)

    def existing(self, wanted: Iterable[Address]) -> list[Address]:
        """The addresses that have an object, sorted."""
        return sorted(self.objects.keys() & set(wanted), key=lambda address: address.sort_key)

    def why_unknown(self, address: Address) -> str | None:
        """Why nothing is known of an address: a list that contains it failed; None when none did."""
        above = address.parent
        while above is not None:
            if above in self.unlisted:
                return self.unlisted[above]
            above = above.parent
        return None


def scan(api: Api, scope: Scope, progress: ProgressCallback | None) -> Scan:
    """The answer to a scope; see `Reader.scan`."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="list") as pool:
        try:
            listing = _list_all(api, scope, pool)
        except CallFailed as failed:
            why = _reason(failed, "the galleries cannot be listed")
            return Scan(unreachable=dict.fromkeys(scope.wanted, why))
        _read_details(api, scope, listing, pool, progress)
    return _scan_of(scope, listing)


def _reason(failed: CallFailed, doing: str) -> str:
    error = explained(failed, doing)
    return f"{error.message}; {error.remedy}"


def read(api: Api, address: Address) -> Observed | None:
    """As `Reader.read`."""
    try:
        obj = fetch(api, address.unit)
    except CallFailed as failed:
        error = explained(failed, f"{address} cannot be read")
        raise Unavailable(error.message, error.remedy) from failed
    return observed(obj, address) if obj else None


def fetch(api: Api, unit: Address) -> ServiceObject | None:
    """A gallery, definition or version with all its details; None when it does not exist. Raises: CallFailed."""
    body: Json | None
    match unit.kind:
        case Kind.GALLERY:
            body = api.gallery(unit.gallery)
        case Kind.IMAGE_DEFINITION:
            body = api.definition(unit.gallery, unit.definition)
        case _:
            body = api.version(unit.gallery, unit.definition, unit.version)
    return _complete(api, unit, service_object(unit.kind, body)) if body is not None else None


def _complete(api: Api, unit: Address, obj: ServiceObject) -> ServiceObject:
    if obj.kind is Kind.IMAGE_VERSION and lacks_security(obj.body, obj.metadata):
        body = api.version(unit.gallery, unit.definition, unit.version, "UefiSettings")
        return with_security(obj, body) if body is not None else obj
    return obj


def _list_all(api: Api, scope: Scope, pool: ThreadPoolExecutor) -> _Listing:
    """Raises: CallFailed when not even the galleries can be listed."""
    listing = _Listing()
    wanted = {address.unit for address in scope.wanted}
    definitions = {unit._replace(version="") for unit in wanted if unit.definition}
    galleries = {Address(unit.gallery) for unit in wanted}
    _add(listing, Kind.GALLERY, galleries, api.galleries(), Address)
    parents = galleries if scope.unmanaged else {Address(definition.gallery) for definition in definitions}
    lists = _in_parallel(pool, listing.existing(parents), lambda parent: api.definitions(parent.gallery), listing)
    for gallery, bodies in lists.items():
        _add(listing, Kind.IMAGE_DEFINITION, definitions, bodies, _child(gallery))
    parents = definitions if scope.unmanaged else {unit._replace(version="") for unit in wanted if unit.version}
    lists = _in_parallel(
        pool, listing.existing(parents), lambda parent: api.versions(parent.gallery, parent.definition), listing
    )
    for definition, bodies in lists.items():
        _add(listing, Kind.IMAGE_VERSION, wanted, bodies, _child(definition))
    return listing


def _child(parent: Address) -> Callable[[str], Address]:
    """Name -> address, for the children of a gallery or a definition."""
    if parent.definition:
        return lambda name: parent._replace(version=name)
    return lambda name: parent._replace(definition=name)


def _add(
    listing: _Listing, kind: Kind, wanted: Iterable[Address], bodies: list[Json], address_of: Callable[[str], Address]
) -> None:
    """Adds one list. The service ignores the case of names; wanted addresses keep their own spelling."""
    spellings = {str(address).lower(): address for address in wanted}
    for body in bodies:
        address = address_of(str(body.get("name", "")))
        listing.objects[spellings.get(str(address).lower(), address)] = service_object(kind, body)


def _in_parallel(
    pool: ThreadPoolExecutor, parents: list[Address], call: Callable[[Address], Answer], listing: _Listing
) -> dict[Address, Answer]:
    """Parent -> its answer. Failures are recorded in the listing, except for parents that no longer exist."""
    futures = {parent: pool.submit(call, parent) for parent in parents}
    answers: dict[Address, Answer] = {}
    for parent, future in futures.items():
        try:
            answers[parent] = future.result()
        except CallFailed as failed:
            if not failed.missing:
                listing.unlisted[parent] = _reason(failed, f"what is in {parent} cannot be listed")
    return answers


def _read_details(
    api: Api, scope: Scope, listing: _Listing, pool: ThreadPoolExecutor, progress: ProgressCallback | None
) -> None:
    """Reads the objects of which the lists show too little; those that no longer exist are dropped."""
    wanted = {address.unit for address in scope.wanted}
    incomplete = [unit for unit, obj in listing.objects.items() if unit in wanted and _needs_read(unit, obj, scope)]
    details = _in_parallel(pool, incomplete, lambda unit: fetch(api, unit), listing)
    for unit in incomplete:
        obj = details.get(unit)
        if obj is None:
            del listing.objects[unit]
            continue
        listing.objects[unit] = obj
        if progress and scope.deep:
            for region in obj.regions:
                progress(unit._replace(region=region), 1, 1)


def _needs_read(unit: Address, obj: ServiceObject, scope: Scope) -> bool:
    """Whether a list shows too little of an object."""
    if obj.kind is Kind.GALLERY:
        return bool(obj.attributes.get("sharing", {}).get("permissions") == "Groups")
    if obj.kind is Kind.IMAGE_DEFINITION:
        return False
    if scope.deep or obj.in_flight or obj.state == FAILED:
        return True
    return lacks_security(obj.body, obj.metadata) and _listed_fingerprint(obj, unit) != scope.wanted.get(unit)


def _listed_fingerprint(obj: ServiceObject, unit: Address) -> str:
    observation = observed(obj, unit)
    return observation.fingerprint if observation else ""


def _scan_of(scope: Scope, listing: _Listing) -> Scan:
    observations: dict[Address, Observed] = {}
    matching: set[Address] = set()
    unreachable: dict[Address, str] = {}
    for address, fingerprint in scope.wanted.items():
        obj = listing.objects.get(address.unit)
        if obj is None:
            if why := listing.unlisted.get(address.unit) or listing.why_unknown(address.unit):
                unreachable[address] = why
            continue
        observation = observed(obj, address, recorded=bool(fingerprint))
        if observation is None:
            continue
        if fingerprint == observation.fingerprint and observation.condition is Condition.READY and not scope.deep:
            matching.add(address)
        else:
            observations[address] = observation
    unmanaged = tuple(_unmanaged(scope.wanted, listing)) if scope.unmanaged else ()
    return Scan(observations, frozenset(matching), unreachable, unmanaged)


def _unmanaged(wanted: Mapping[Address, str | None], listing: _Listing) -> list[Observed]:
    """The listed objects that were not asked about, sorted; the regions of unmanaged versions as well."""
    unmanaged = []
    for unit, obj in listing.objects.items():
        if unit not in wanted:
            unmanaged.append(observed(obj, unit))
        regions = (unit._replace(region=region) for region in obj.regions)
        unmanaged += [observed(obj, region) for region in regions if region not in wanted]
    return sorted(filter(None, unmanaged), key=lambda observation: (observation.address, observation.object_id))

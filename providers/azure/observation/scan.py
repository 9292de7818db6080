"""Looks at everything by listing: the galleries, then definitions, then versions, several lists at a time.

A single object is only asked for where a list does not tell enough: how far copies are while something is in flight or
has failed, whom a gallery is shared with, firmware settings that nobody has seen yet. `deep` asks how far copies are
for every version.
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
Asked = TypeVar("Asked")


@dataclass(slots=True)
class _Found:
    """What the lists brought: object by address, and why something inside an address could not be listed."""

    objects: dict[Address, ServiceObject] = field(default_factory=dict)
    unlisted: dict[Address, str] = field(default_factory=dict)

    def listed(self, wanted: Iterable[Address]) -> list[Address]:
        """Those that are there, in order."""
        return sorted(self.objects.keys() & set(wanted), key=lambda address: address.sort_key)

    def why_unknown(self, address: Address) -> str | None:
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
            found = _list_all(api, scope, pool)
        except CallFailed as failed:
            why = _reason(failed, "the galleries cannot be listed")
            return Scan(unreachable=dict.fromkeys(scope.wanted, why))
        _ask_more(api, scope, found, pool, progress)
    return _answer(scope, found)


def _reason(failed: CallFailed, doing: str) -> str:
    error = explained(failed, doing)
    return f"{error.message}; {error.remedy}"


def read(api: Api, address: Address) -> Observed | None:
    """As `Reader.read`."""
    try:
        found = fetch(api, address.unit)
    except CallFailed as failed:
        error = explained(failed, f"{address} cannot be read")
        raise Unavailable(error.message, error.remedy) from failed
    return observed(found, address) if found else None


def fetch(api: Api, unit: Address) -> ServiceObject | None:
    """A gallery, definition or version with everything there is to see. Raises: CallFailed."""
    body: Json | None
    match unit.kind:
        case Kind.GALLERY:
            body = api.gallery(unit.gallery)
        case Kind.IMAGE_DEFINITION:
            body = api.definition(unit.gallery, unit.definition)
        case _:
            body = api.version(unit.gallery, unit.definition, unit.version)
    return _complete(api, unit, service_object(unit.kind, body)) if body is not None else None


def _complete(api: Api, unit: Address, found: ServiceObject) -> ServiceObject:
    if found.kind is Kind.IMAGE_VERSION and lacks_security(found.body, found.metadata):
        body = api.version(unit.gallery, unit.definition, unit.version, "UefiSettings")
        return with_security(found, body) if body is not None else found
    return found


def _list_all(api: Api, scope: Scope, pool: ThreadPoolExecutor) -> _Found:
    """Raises: CallFailed when not even the galleries can be listed."""
    found = _Found()
    wanted = {address.unit for address in scope.wanted}
    definitions = {unit._replace(version="") for unit in wanted if unit.definition}
    galleries = {Address(unit.gallery) for unit in wanted}
    _keep(found, Kind.GALLERY, galleries, api.galleries(), Address)
    inner = galleries if scope.unmanaged else {Address(one.gallery) for one in definitions}
    lists = _in_parallel(pool, found.listed(inner), lambda one: api.definitions(one.gallery), found)
    for gallery, bodies in lists.items():
        _keep(found, Kind.IMAGE_DEFINITION, definitions, bodies, _child(gallery))
    inner = definitions if scope.unmanaged else {unit._replace(version="") for unit in wanted if unit.version}
    lists = _in_parallel(pool, found.listed(inner), lambda one: api.versions(one.gallery, one.definition), found)
    for definition, bodies in lists.items():
        _keep(found, Kind.IMAGE_VERSION, wanted, bodies, _child(definition))
    return found


def _child(parent: Address) -> Callable[[str], Address]:
    """The addresses in a gallery or a definition, by their names."""
    if parent.definition:
        return lambda name: parent._replace(version=name)
    return lambda name: parent._replace(definition=name)


def _keep(
    found: _Found, kind: Kind, wanted: Iterable[Address], bodies: list[Json], place: Callable[[str], Address]
) -> None:
    """Takes in one list. The service does not tell upper from lower case; we keep the spelling that is asked for."""
    spelled = {str(address).lower(): address for address in wanted}
    for body in bodies:
        own = place(str(body.get("name", "")))
        found.objects[spelled.get(str(own).lower(), own)] = service_object(kind, body)


def _in_parallel(
    pool: ThreadPoolExecutor, parents: list[Address], call: Callable[[Address], Asked], found: _Found
) -> dict[Address, Asked]:
    """Parent -> its answer; what fails is noted, but for what is gone meanwhile."""
    futures = {parent: pool.submit(call, parent) for parent in parents}
    answers: dict[Address, Asked] = {}
    for parent, future in futures.items():
        try:
            answers[parent] = future.result()
        except CallFailed as failed:
            if not failed.missing:
                found.unlisted[parent] = _reason(failed, f"what is in {parent} cannot be listed")
    return answers


def _ask_more(
    api: Api, scope: Scope, found: _Found, pool: ThreadPoolExecutor, progress: ProgressCallback | None
) -> None:
    """Replaces what a list does not tell enough about."""
    wanted = {address.unit for address in scope.wanted}
    asked = [unit for unit, one in found.objects.items() if unit in wanted and _tells_too_little(unit, one, scope)]
    details = _in_parallel(pool, asked, lambda unit: fetch(api, unit), found)
    for unit, one in details.items():
        if one is None:
            del found.objects[unit]
            continue
        found.objects[unit] = one
        if progress and scope.deep:
            for region in one.regions:
                progress(unit._replace(region=region), 1, 1)
    for unit in asked:
        if unit not in details:
            found.objects.pop(unit, None)


def _tells_too_little(unit: Address, one: ServiceObject, scope: Scope) -> bool:
    if one.kind is Kind.GALLERY:
        return bool(one.attributes.get("sharing", {}).get("permissions") == "Groups")
    if one.kind is Kind.IMAGE_DEFINITION:
        return False
    if scope.deep or one.in_flight or one.state == FAILED:
        return True
    recorded = scope.wanted.get(unit)
    return lacks_security(one.body, one.metadata) and _plain_fingerprint(one, unit) != recorded


def _plain_fingerprint(one: ServiceObject, unit: Address) -> str:
    fetch = observed(one, unit)
    return fetch.fingerprint if fetch else ""


def _answer(scope: Scope, found: _Found) -> Scan:
    observations: dict[Address, Observed] = {}
    matching: set[Address] = set()
    unreachable: dict[Address, str] = {}
    for address, fingerprint in scope.wanted.items():
        unit = found.objects.get(address.unit)
        if unit is None:
            if why := found.unlisted.get(address.unit) or found.why_unknown(address.unit):
                unreachable[address] = why
            continue
        one = observed(unit, address, recorded=bool(fingerprint))
        if one is None:
            continue
        if fingerprint == one.fingerprint and one.condition is Condition.READY and not scope.deep:
            matching.add(address)
        else:
            observations[address] = one
    unmanaged = tuple(_unmanaged(scope.wanted, found)) if scope.unmanaged else ()
    return Scan(observations, frozenset(matching), unreachable, unmanaged)


def _unmanaged(wanted: Mapping[Address, str | None], found: _Found) -> list[Observed]:
    """What was listed and nobody asked about, sorted; of a stranger, not what is in it."""
    unmanaged = []
    for unit, one in found.objects.items():
        if unit not in wanted:
            unmanaged.append(observed(one, unit))
            continue
        regions = (unit._replace(region=region) for region in one.regions)
        unmanaged += [observed(one, region) for region in regions if region not in wanted]
    return sorted(filter(None, unmanaged), key=lambda one: (one.address, one.object_id))

"""`rebuild`: records that were lost are made again from the owner marks that the objects bear."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.maintenance.rebuilding import Acceptance, Found, lineages_of, record_of
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.open_project import OpenProject
from reconciler.ownership import HeldLease, owner_of
from reconciler.planning.refresh import places_of
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import Observed, Scope
from reconciler.records import edit_run
from reconciler.state.records import Place, State
from reconciler.state.store import StateWrite
from reconciler.state.upkeep import Change, Identity

_NEW_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Request:
    """How marks are to be verified: with the key in a file (`owner`), or not at all for one lineage."""

    owner: Owner | None = None
    unverified: str = ""


def rebuild(project: OpenProject, request: Request, approve: Callable[[Found], bool]) -> Found | None:
    """Records every object of this state that is not recorded; None when `approve` declines.

    Raises: ReconcilerError when the marks cannot be verified, or the state records objects of another lineage or key.
    """
    state = project.store.read()
    acceptance = _acceptance(state, request)
    found = look(project, state, acceptance)
    if not acceptance.owner.lineage and not acceptance.unverified:
        raise _no_key(found)
    if not found.records:
        return found
    if not approve(found):
        return None
    galleries = frozenset(address.gallery for address in found.records)
    with project.lease(galleries, above=found.fence) as lease:
        _refuse_changed(project.store.read(), state)
        _write(project, lease, found, acceptance.owner, _identity(state, acceptance, found))
    return found


def look(project: OpenProject, state: State, acceptance: Acceptance) -> Found:
    """What would be recorded. Reads only."""
    seen: dict[Address, tuple[str, Observed]] = {}
    unreachable: dict[Address, str] = {}
    for provider in sorted(project.providers):
        for each in _objects(project, state, provider, acceptance, unreachable):
            if _belongs_to(project, each.address, provider):
                seen.setdefault(each.address, (provider, each))
    recorded = {record.named or address for address, record in state.records.items()}
    new = {address: pair for address, pair in seen.items() if address not in recorded}
    refused = {address: why for address, (_, each) in new.items() if (why := acceptance.refusal(each))}
    taken = {address: pair for address, pair in new.items() if address not in refused}
    return Found(
        records={
            address: record_of(each, provider, project.manifest.resources.get(address))
            for address, (provider, each) in sorted(taken.items(), key=lambda pair: pair[0].sort_key)
        },
        left_out=tuple(sorted(refused.items())),
        unreachable=tuple(sorted(unreachable.items())),
        lineages=lineages_of(each for _, each in new.values()),
        fence=max((each.fence for _, each in seen.values()), default=0),
        sealed=all(acceptance.verified(each.mark, address) for address, (_, each) in taken.items()),
    )


def _objects(
    project: OpenProject, state: State, provider: str, acceptance: Acceptance, unreachable: dict[Address, str]
) -> Iterator[Observed]:
    """Everything that a provider has. Objects that nobody asked for are reported in brief, so they are read again."""
    reader, progress = project.providers[provider], project.reporter.progress
    declared = {
        address: None for address, resource in project.manifest.resources.items() if resource.provider == provider
    }
    places = places_of(state, provider)
    try:
        first = reader.scan(Scope(declared, unmanaged=True, places=places), progress)
        ours = {each.address: None for each in first.unmanaged if not _foreign(each, acceptance)}
        again = reader.scan(Scope(ours, places=places), progress) if ours else first
    except ProviderError as error:
        unreachable |= dict.fromkeys(declared, error.message)
        return
    unreachable |= {**first.unreachable, **again.unreachable}
    yield from first.observed.values()
    yield from (again.observed.get(each.address, each) for each in first.unmanaged)


def _foreign(seen: Observed, acceptance: Acceptance) -> bool:
    return seen.mark is None or seen.mark.lineage not in (acceptance.owner.lineage, acceptance.unverified)


def _belongs_to(project: OpenProject, address: Address, provider: str) -> bool:
    """Whether an object is this provider's: two of them may see the same directory or pool."""
    gallery = project.manifest.resources.get(Address(address.gallery))
    return gallery is None or gallery.provider == provider


def _acceptance(state: State, request: Request) -> Acceptance:
    """Raises: ReconcilerError when the request contradicts what the state records."""
    own = owner_of(state)
    wanted = request.owner.lineage if request.owner else request.unverified
    filled = bool(state.records or state.intents)
    if filled and wanted and wanted != state.lineage:
        raise ReconcilerError(
            f"the state already records objects of lineage {state.lineage}, not of {wanted}",
            "Rebuild into an empty state: move this one away, or name another store (`state:` in reconciler.yaml).",
        )
    if filled and request.owner and request.owner.key != state.key:
        raise ReconcilerError(
            "the state already records objects, and its key is another one", "Leave out --key: its own key is used."
        )
    if request.owner:
        return Acceptance(request.owner, request.unverified)
    if request.unverified and request.unverified != state.lineage:
        return Acceptance(Owner(request.unverified, os.urandom(_NEW_KEY_BYTES)), request.unverified)
    return Acceptance(own, request.unverified)


def _identity(state: State, acceptance: Acceptance, found: Found) -> Identity | None:
    """What the state becomes the owner of; None when it stays what it is."""
    owner = acceptance.owner
    if (owner.lineage, owner.key) == (state.lineage, state.key) and found.sealed >= state.sealed:
        return None
    return Identity(owner.lineage, owner.key, found.sealed)


def _write(project: OpenProject, lease: HeldLease, found: Found, owner: Owner, identity: Identity | None) -> None:
    run = edit_run("state rebuild", {"record": len(found.records)})
    project.store.write(
        lease,
        StateWrite(
            put_records=tuple(found.records.values()),
            put_changes=tuple(Change(address, "rebuilt", run.id) for address in found.records),
            put_places=_places(project, Writer(owner, lease.fence, lease.require), found),
            identity=identity,
            edit=run,
        ),
    )


def _places(project: OpenProject, writer: Writer, found: Found) -> tuple[Place, ...]:
    """The directories, pools and resource groups that the objects are in. What cannot be asked is asked by the next
    apply."""
    places: list[Place] = []
    used = {(record.provider, address.region) for address, record in found.records.items() if address.region}
    for provider, region in sorted(used):
        try:
            claimed = project.providers[provider].claim({region}, writer)
        except ProviderError:
            continue
        places += [Place(provider, name, identity) for name, identity in sorted(claimed.items())]
    return tuple(places)


def _refuse_changed(now: State, before: State) -> None:
    """Raises: ReconcilerError when another run has written since the objects were read."""
    if now.serial != before.serial:
        raise ReconcilerError("the state was written to in the meantime", "Run the command again.")


def _no_key(found: Found) -> ReconcilerError:
    lineages = ", ".join(found.lineages)
    return ReconcilerError(
        "there is no state, so nothing shows which objects are its own"
        + (f"; the objects bear marks of lineage {lineages}" if lineages else ""),
        "Name the key that was kept apart from the state (--key FILE, written by `reconciler state key export`), or "
        "trust every mark of one lineage: --accept-unverified LINEAGE",
    )

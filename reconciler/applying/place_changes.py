"""Accepts that a region is in another place now: on a new disk, in another pool or resource group."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.words import suggestion
from reconciler.open_project import OpenProject
from reconciler.ownership import writer_of
from reconciler.state.records import Place, State
from reconciler.state.store import StateWrite


@dataclass(frozen=True, slots=True)
class AcceptedPlace:
    """The place that is recorded now, the identity that was before (empty for none), and how many objects are recorded
    in the region."""

    place: Place
    before: str
    objects: int


def accept_place(project: OpenProject, region: str, provider: str = "") -> AcceptedPlace:
    """Records the place that is behind `region` now; `provider` is needed where several have that region.

    Objects that are recorded there and are not in the new place count as gone from then on.

    Raises: ReconcilerError when nothing is recorded of the region, or it cannot be identified; StateError.
    """
    state = project.store.read()
    name = _provider_of(region, provider, state)
    if name not in project.providers:
        raise ReconcilerError(f"provider '{name}' is not in the project file", "add it under `providers:`")
    galleries = frozenset(address.gallery for address, record in state.records.items() if record.provider == name)
    with project.lease(galleries) as lease:
        claimed = project.providers[name].claim({region}, writer_of(state, lease, lease.require))
        if region not in claimed:
            raise ReconcilerError(f"the places of provider '{name}' have no identity: there is nothing to accept")
        place = Place(name, region, claimed[region])
        project.store.write(lease, StateWrite(put_places=(place,)))
    before = state.places.get((name, region))
    return AcceptedPlace(place, before.identity if before else "", _recorded_in(region, name, state))


def _provider_of(region: str, wanted: str, state: State) -> str:
    used = {(record.provider, address.region) for address, record in state.records.items() if address.region}
    known = sorted(used | state.places.keys())
    names = [name for name, each in known if each == region and wanted in ("", name)]
    if not names:
        where = f" of provider '{wanted}'" if wanted else ""
        regions = sorted({each for _, each in known})
        raise ReconcilerError(
            f"nothing is recorded of region '{region}'{where}", suggestion(region, regions, label="recorded")
        )
    if len(names) > 1:
        raise ReconcilerError(f"several providers have region '{region}'", f"add --provider: one of {', '.join(names)}")
    return names[0]


def _recorded_in(region: str, provider: str, state: State) -> int:
    return sum(address.region == region and record.provider == provider for address, record in state.records.items())

"""What a saved plan is bound to besides its objects: the destinations of its providers, recorded places, and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from reconciler.manifests.project import Project, ProviderSettings
from reconciler.manifests.values import canonical_json, digest
from reconciler.planning.plan import Plan
from reconciler.planning.saved.plan_file import Binding, BoundPlace, Destination
from reconciler.state.records import State


def bind(plan: Plan, project: Project, state: State, now: datetime, lasts: timedelta | None) -> Binding:
    """What this plan is bound to when it is saved now and expires after `lasts`; None for never."""
    used = {change.provider for change in plan.changes}
    regions = {(change.provider, change.address.region) for change in plan.changes if change.address.region}
    return Binding(
        environment=project.environment,
        destinations={name: _destination(settings) for name, settings in project.providers.items() if name in used},
        places=tuple(
            BoundPlace(place.provider, place.region, place.identity)
            for key, place in sorted(state.places.items())
            if key in regions
        ),
        saved=now.isoformat(timespec="seconds"),
        expires=(now + lasts).isoformat(timespec="seconds") if lasts is not None else "",
    )


def other_destinations(binding: Binding, project: Project, state: State) -> Iterator[str]:
    """A sentence for each destination or place that is another one now."""
    yield from _other_providers(binding.destinations, project.providers)
    for place in binding.places:
        now = state.places.get((place.provider, place.region))
        if now is not None and now.identity != place.identity:
            yield f"region {place.region} of provider '{place.provider}' is recorded as another place than it was then"


def _other_providers(bound: Mapping[str, Destination], now: Mapping[str, ProviderSettings]) -> Iterator[str]:
    for name, destination in sorted(bound.items()):
        if name not in now:
            yield f"the project no longer has the provider '{name}'"
        elif _destination(now[name]) != destination:
            yield f"provider '{name}' leads elsewhere: its settings are not those that the plan was made with"


def _destination(settings: ProviderSettings) -> Destination:
    return Destination(settings.type, digest(canonical_json({"type": settings.type, "settings": settings.settings})))

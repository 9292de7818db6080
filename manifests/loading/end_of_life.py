"""Which declared end-of-life dates have passed. Depends on the clock, so it is never cached."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic, Position, warning
from reconciler.manifests.resource import Origin, Resource

Dated = tuple[Address, str, Origin]


def end_of_life_dates(resources: Iterable[Resource]) -> list[Dated]:
    """Address, date and origin of every resource with an end-of-life date."""
    return [
        (resource.address, date, resource.origin)
        for resource in resources
        if '"endOfLifeDate"' in resource.canonical and (date := resource.attributes.get("endOfLifeDate"))
    ]


def end_of_life_warnings(dates: Iterable[Dated], now: datetime) -> tuple[Diagnostic, ...]:
    """A warning for each date that is not after `now`: the service refuses it on a new resource."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return tuple(
        warning(
            f"endOfLifeDate {date[:10]} has passed",
            "the service only accepts dates in the future when a resource is created or the date changes",
            address=address,
            position=Position(origin.file, origin.line),
        )
        for address, date, origin in dates
        if date <= moment
    )

"""What `latest` is in each region, before and after a plan.

Source: the Compute Gallery documentation: the greatest number by major, minor, patch among the versions that are
replicated to the region and not excluded from latest there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.manifests.address import Address, version_number
from reconciler.providers.protocol import Condition, Observed
from reconciler.state.records import Record


@dataclass(frozen=True, slots=True)
class LatestChange:
    """What `latest` of `definition` in `region` is before and after; None where no version is latest."""

    definition: Address
    region: str
    before: str | None
    after: str | None


def latest_by_region(replicas: Iterable[tuple[Address, bool]]) -> Mapping[tuple[Address, str], str]:
    """(definition, region) -> version number. `replicas`: usable ones, each with whether it is excluded from latest."""
    best: dict[tuple[Address, str], str] = {}
    for address, excluded in replicas:
        if excluded:
            continue
        key = (Address(address.gallery, address.definition), address.region)
        if key not in best or version_number(best[key]) < version_number(address.version):
            best[key] = address.version
    return best


def usable_objects(objects: Iterable[Observed]) -> Iterator[tuple[Address, bool]]:
    """The target regions among observed objects that machines can be created from, for `latest_by_region`."""
    for seen in objects:
        if seen.address.region and seen.condition is Condition.READY and _is_number(seen.address.version):
            attributes = seen.attributes
            if attributes:  # a folder or a volume without a description is no version
                yield seen.address, bool(attributes.get("excludeFromLatest"))


def _is_number(version: str) -> bool:
    try:
        return bool(version_number(version))
    except ValueError:
        return False


def latest_of(definition: Address, records: Mapping[Address, Record], usable: Collection[Address]) -> Mapping[str, str]:
    """Region -> the version of `definition` that is `latest` there. `usable` are the replicas that count."""
    replicas = [
        (address, bool(record.attributes.get("excludeFromLatest")))
        for address, record in records.items()
        if address.region and address.unit.parent == definition and address in usable
    ]
    return {region: version for (_, region), version in sorted(latest_by_region(replicas).items())}


def latest_changes(
    before: Mapping[tuple[Address, str], str], after: Mapping[tuple[Address, str], str]
) -> tuple[LatestChange, ...]:
    """Where `latest` differs, sorted by definition and region."""
    return tuple(
        LatestChange(definition, region, before.get((definition, region)), after.get((definition, region)))
        for definition, region in sorted(before.keys() | after.keys())
        if before.get((definition, region)) != after.get((definition, region))
    )

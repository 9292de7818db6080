"""What `latest` is in each region, before and after a plan.

Source: the Compute Gallery documentation: the greatest number by major, minor, patch among the versions that are
replicated to the region and not excluded from latest there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.manifests.address import Address, Kind, version_number
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.words import suggestion
from reconciler.providers.protocol import Condition, Observed, Verb
from reconciler.state.records import Intent, State


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


def latest_of(definition: Address, state: State) -> Mapping[str, str]:
    """Region -> the version of `definition` that is `latest` there, as recorded. A region whose copies may be gone, as
    what the journal says about them was not completed, does not count."""
    replicas = [
        (address, bool(record.attributes.get("excludeFromLatest")))
        for address, record in state.records.items()
        if address.region and address.unit.parent == definition and _settled(state.intents.get(address))
    ]
    return {region: version for (_, region), version in sorted(latest_by_region(replicas).items())}


def require_definition(definition: Address, state: State, declared: Callable[[], Collection[Address]]) -> None:
    """Returns if a definition is recorded or declared; what is `declared` is only asked for if it is not recorded.

    Raises: ReconcilerError.
    """
    if definition in state.records:
        return
    known = {str(address) for address in {*state.records, *declared()} if address.kind is Kind.IMAGE_DEFINITION}
    if str(definition) not in known:
        remedy = suggestion(str(definition), sorted(known), label="recorded or declared")
        raise ReconcilerError(f"no such image definition: {definition}", remedy)


def _settled(intent: Intent | None) -> bool:
    return intent is None or intent.verb == Verb.UPDATE


def latest_changes(
    before: Mapping[tuple[Address, str], str], after: Mapping[tuple[Address, str], str]
) -> tuple[LatestChange, ...]:
    """Where `latest` differs, sorted by definition and region."""
    return tuple(
        LatestChange(definition, region, before.get((definition, region)), after.get((definition, region)))
        for definition, region in sorted(before.keys() | after.keys())
        if before.get((definition, region)) != after.get((definition, region))
    )

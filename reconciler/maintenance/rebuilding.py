"""Which observed objects become records, and how. Pure: `rebuild` does the reading and writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.resource import Resource
from reconciler.planning.sources import version_references
from reconciler.providers.owner import Owner, OwnerMark
from reconciler.providers.protocol import Condition, Observed
from reconciler.state.records import Record


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Whose marks are accepted: those that `owner` made, and, if it is not empty, all that name the lineage
    `unverified`, whoever made them."""

    owner: Owner
    unverified: str = ""

    def refusal(self, seen: Observed) -> str:
        """Why an object is not recorded; empty when it is."""
        mark = seen.mark
        if mark is None:
            return "it bears no owner mark"
        if mark.lineage not in (self.owner.lineage, self.unverified):
            return f"it belongs to state {mark.lineage}"
        if mark.address != seen.address:
            return f"it bears the mark of {mark.address}, as a copy of that object does"
        if not self.owner.owns(mark, seen.address) and mark.lineage != self.unverified:
            return "its mark was not made with this key" if mark.seal else "its mark has no seal"
        if seen.condition is Condition.BUSY:
            return "its provider is still working on it"
        if not _readable(seen):
            return "; ".join(seen.defects) or "what is kept beside it cannot be read"
        return ""

    def verified(self, mark: OwnerMark | None, address: Address) -> bool:
        """Whether the mark has a seal that proves who made it."""
        return Owner(self.owner.lineage, self.owner.key).owns(mark, address)


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the objects has found: the records to be made, by address, and why others are left out.

    `fence` is the greatest that one of the objects bears, `sealed` whether all marks were verified.
    """

    records: Mapping[Address, Record] = field(default_factory=dict)
    left_out: tuple[tuple[Address, str], ...] = ()
    unreachable: tuple[tuple[Address, str], ...] = ()
    lineages: tuple[str, ...] = ()
    fence: int = 0
    sealed: bool = True


def _readable(seen: Observed) -> bool:
    """Whether enough is known of an object: a version without its sources cannot be compared with its manifest."""
    attributes = seen.attributes
    return bool(attributes) and (seen.address.kind is not Kind.IMAGE_VERSION or "source" in attributes)


def record_of(seen: Observed, provider: str, resource: Resource | None) -> Record:
    """The record of an object as it was observed, under its own name; `resource` is what is declared there.

    Of a damaged object no fingerprint is recorded, so that it is looked at again by every plan.
    """
    lifecycle = resource.lifecycle if resource else None
    return Record(
        address=seen.address,
        provider=provider,
        object_id=seen.object_id,
        canonical=seen.canonical,
        digest=resource.digest if resource and resource.canonical == seen.canonical else "",
        fingerprint=seen.fingerprint if seen.condition is Condition.READY else "",
        computed=seen.computed,
        dependencies=tuple(_dependencies(seen)),
        protect=seen.protected or bool(lifecycle and lifecycle.protect),
        retain=bool(lifecycle and lifecycle.on_remove == "retain"),
    )


def _dependencies(seen: Observed) -> Iterator[Address]:
    if seen.address.parent:
        yield seen.address.parent
    if seen.address.kind is Kind.IMAGE_VERSION:
        yield from version_references(seen.attributes)


def lineages_of(objects: Iterable[Observed]) -> tuple[str, ...]:
    """The lineages that marks name, sorted."""
    return tuple(sorted({seen.mark.lineage for seen in objects if seen.mark}))

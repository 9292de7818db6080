"""What a plan shows a row for: changes inside a changed container fold into its row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.manifests.address import Address, Kind
from reconciler.naming.object_names import containers
from reconciler.planning.actions import Action, ResourceChange
from reconciler.views.terminal.units import human_bytes, plural

_KINDS = {
    Kind.GALLERY: "gallery",
    Kind.IMAGE_DEFINITION: "definition",
    Kind.IMAGE_VERSION: "version",
    Kind.TARGET_REGION: "region",
}


@dataclass(slots=True)
class Entry:
    """One change, and those inside it that follow from it, in the plan's order."""

    change: ResourceChange
    inside: list[ResourceChange] = field(default_factory=list)

    @property
    def all(self) -> Iterator[ResourceChange]:
        yield self.change
        yield from self.inside


def entries_of(changes: Iterable[ResourceChange]) -> list[Entry]:
    """An entry for every change that does not merely follow from that of its container."""
    by_address = {change.address: change for change in changes}
    entries: dict[Address, Entry] = {}
    for address, change in by_address.items():
        root = _root(change, by_address)
        if root is None:
            entries[address] = Entry(change)
        else:
            entries[root].inside.append(change)
    return list(entries.values())


def _root(change: ResourceChange, changes: Mapping[Address, ResourceChange]) -> Address | None:
    """The outermost container with the same action. Of creations, only a region follows its version; an update has
    values of its own to show, and follows from nothing."""
    if change.block or change.action is Action.UPDATE:
        return None
    if change.action is Action.CREATE and not change.address.region:
        return None
    above = containers(change.address) if change.action is not Action.CREATE else (change.address.unit,)
    return next(
        (at for at in above if at in changes and changes[at].action is change.action and at != change.address), None
    )


def contents(changes: Iterable[ResourceChange]) -> str:
    """`9 definitions, 90 versions, 360 regions`: how many of each kind."""
    counts = Counter(change.kind for change in changes)
    return ", ".join(plural(counts[kind], word) for kind, word in _KINDS.items() if counts[kind])


def costs(changes: Iterable[ResourceChange]) -> str:
    """`4 copies, 8.0 GiB`: what has to be copied; without bytes if they are not known, empty if there is nothing."""
    shown = list(changes)
    copies, size = sum(change.copies for change in shown), sum(change.move_bytes for change in shown)
    number = [plural(copies, "copy")] if copies else []
    return ", ".join([*number, human_bytes(size)] if size else number)


def copies_gone(changes: Iterable[ResourceChange]) -> int:
    """How many copies of images a deletion removes."""
    regions = [change for change in changes if change.address.region and change.prior]
    return sum(int(region.prior_attributes.get("replicas", 1)) for region in regions)

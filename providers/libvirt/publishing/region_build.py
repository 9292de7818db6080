"""A region in the making: the sidecar that says so is there before its first volume, and goes after all is settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.content.progress import Meter, Tally
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.publishing.volume_filling import present
from reconciler.providers.libvirt.records.description_store import Found, Shelf
from reconciler.providers.libvirt.records.descriptions import Copy, Description, Making, stamp
from reconciler.providers.libvirt.records.ownership import our_region
from reconciler.providers.libvirt.records.volume_users import require_unused
from reconciler.providers.protocol import Applied, OwnerMark, ProgressCallback

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool


@dataclass(slots=True)
class Site:
    """One region that an operation works on. `names`: disk -> the names of the volumes to be made of it, by replica.
    `sizes`: the bytes of each. `before` is the region as it was, None when it was not; `copies` the volumes that are
    complete; `error` why nothing can come of it."""

    hosts: Hosts
    pool: Pool
    mark: OwnerMark
    planned: Attributes
    names: Mapping[str, Sequence[str]]
    sizes: Mapping[str, int]
    before: Found | None
    tally: Tally
    copies: list[Copy] = field(default_factory=list)
    error: ProviderError | None = None

    @property
    def address(self) -> Address:
        return self.mark.address

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.pool)

    def meter(self, name: str) -> Meter:
        """The progress of one volume to be made."""
        start = 0
        for disk, names in self.names.items():
            for one in names:
                if one == name:
                    return Meter(self.tally, start, self.sizes[disk])
                start += self.sizes[disk]
        raise ProviderError(f"the volume '{name}' was never planned. This is a bug.")

    def begin(self, leaving: Sequence[Copy] = (), machine: str = "") -> None:
        """Says which volumes are going to be made, and which of those there are (`leaving`) are going to be removed,
        before any is touched. Raises: ObjectConflict when one of the latter is in use; ProviderError."""
        volumes = self.pool.volumes()
        going = [volumes[copy.volume] for copy in leaving if copy.volume in volumes]
        require_unused(self.hosts, self.pool, going, f"{self.address} cannot be changed")
        names = [name for made in self.names.values() for name in made]
        names += [copy.volume for copy in leaving]
        self.shelf.write_making(self.address, Making(self.mark, tuple(names), machine))

    def publish(self, computed: Mapping[str, Any]) -> Applied:
        """Describes the region as it now is, and removes what it had before and has no more. Raises: ProviderError."""
        copies = tuple(sorted(self.copies, key=lambda copy: (copy.replica, copy.disk)))
        entry = self.shelf.write(self.address, Description(self.mark, self.planned, computed, copies))
        self.remove_leftovers()
        return applied(self.pool, self.mark.address, self.planned, computed, [entry, *stamps(copies, computed)])

    def remove_leftovers(self) -> None:
        """Removes the volumes that the sidecar of the making names and the region's description does not, and then that
        sidecar. Raises: ProviderError."""
        making = self.shelf.making(self.address)
        if making is not None and making.mark == self.mark:
            clear(self.hosts, self.pool, making, {copy.volume for copy in self.copies})

    def abandon(self) -> None:
        """The same for a region that stays as it was. What cannot be removed now is named for `tidy`."""
        kept = {copy.volume for copy in self.before.description.copies} if self.before else set()
        try:
            making = self.shelf.making(self.address)
            if making is not None and making.mark == self.mark:
                clear(self.hosts, self.pool, making, kept)
        except ProviderError as error:
            self.error = self.error or error


def open_site(
    hosts: Hosts,
    mark: OwnerMark,
    planned: Attributes,
    names: Mapping[str, Sequence[str]],
    sizes: Mapping[str, int],
    progress: ProgressCallback,
) -> Site:
    """A region, once what an interrupted run left of it is gone. Raises: ObjectConflict when something there is not
    ours; ProviderError."""
    pool = hosts.pool_to_fill(mark.address.region)
    pool.refresh()
    found, making = our_region(pool, mark)
    if making is not None:
        clear(hosts, pool, making, {copy.volume for copy in found.description.copies} if found else set())
    tally = Tally(mark.address, sum(sizes[disk] * len(made) for disk, made in names.items()), progress)
    return Site(hosts, pool, mark, planned, names, sizes, found, tally)


def clear(hosts: Hosts, pool: Pool, making: Making, kept: set[str]) -> None:
    """Removes what was being made or removed, but for `kept`, and the sidecar that named it. Raises: ProviderError."""
    names = [name for name in making.volumes if name not in kept]
    if making.machine:
        from reconciler.providers.libvirt.capture import capture

        region, _, machine = making.machine.partition("/")
        capture.discard(hosts, region, machine, names, pool)
    volumes = pool.volumes()
    there = [volumes[name] for name in names if name in volumes]
    require_unused(hosts, pool, there, f"what is left of {making.mark.address} cannot be removed")
    for name in reversed(names):  # what lies on another goes before it
        pool.delete(name)
    Shelf(pool).remove_making(making.mark.address)


def applied(
    pool: Pool,
    address: Address,
    planned: Attributes,
    computed: Mapping[str, Any],
    stamps: Sequence[tuple[str, str]],
) -> Applied:
    return Applied(
        object_id=object_names.object_id(address.region, pool.name, address),
        fingerprint=object_names.fingerprint(pool.place, stamps),
        canonical=canonical_json(planned),
        computed=canonical_json(computed),
    )


def restamped(pool: Pool, copy: Copy) -> Copy:
    """The copy with the stamp its volume has now."""
    return replace(copy, stamp=stamp(present(pool, copy.volume)))


def stamps(copies: Sequence[Copy], computed: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The part of a region's fingerprint that is about its volumes, and those of others below its overlays."""
    below = (one for one in computed.get("shallow", {}).values() if one["stamp"])
    return [(copy.volume, copy.stamp) for copy in copies] + [(one["path"], one["stamp"]) for one in below]

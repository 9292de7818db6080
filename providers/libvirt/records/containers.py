"""The descriptions of galleries, definitions and versions, in the pools of their home regions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import ObjectDescription
from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.records.description_store import DescriptionStore
from reconciler.providers.libvirt.records.descriptions import Description
from reconciler.providers.libvirt.records.lost_descriptions import NOTHING_RECORDED, Recorded
from reconciler.providers.libvirt.records.ownership import our_container
from reconciler.providers.owner import Writer

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts


class ContainerSidecars:
    """A `ContainerStore` in storage pools, for one writer."""

    def __init__(self, hosts: Hosts, writer: Writer, recorded: Recorded = NOTHING_RECORDED) -> None:
        self._hosts = hosts.for_writer(writer)
        self._writer = writer
        self._recorded = recorded

    def require_free(self, address: Address, home: str) -> None:
        """As `ContainerStore.require_free`; regions that cannot be asked are left out."""
        for region in self._hosts.regions:
            if region != home:
                try:
                    pool = self._hosts.pool(region)
                except Unavailable:  # the plan has seen what it contains, or that it could not be asked
                    continue
                our_container(DescriptionStore(pool), self._writer, address)

    @contextmanager
    def opened(self, address: Address, home: str, *, create: bool) -> Iterator[ContainerSidecar]:
        """As `ContainerStore.opened`; `create`: a missing pool is defined if the settings allow that."""
        pool = self._hosts.pool_to_change(home, create=create)
        yield ContainerSidecar(DescriptionStore(pool), home, self._writer, address, self._recorded)

    def remove(self, address: Address, home: str) -> None:
        """As `ContainerStore.remove`."""
        store = DescriptionStore(self._hosts.pool_to_change(home))
        our_container(store, self._writer, address, self._recorded)
        store.remove(address)

    def tidy(self, address: Address) -> None:
        """Removes a description whose writing was cut off, on every host that answers. Raises: ProviderError."""
        for region in self._hosts.regions:
            try:
                DescriptionStore(self._hosts.pool_to_change(region)).discard_cut_short(address, self._writer.fence)
            except Unavailable:  # tidied when it answers again
                continue


@dataclass(frozen=True, slots=True)
class ContainerSidecar:
    """A `Container`: the place of one description in a pool of `region`."""

    store: DescriptionStore
    region: str
    writer: Writer
    address: Address
    recorded: Recorded = NOTHING_RECORDED

    def read(self) -> Description | None:
        """As `Container.read`."""
        stored = our_container(self.store, self.writer, self.address, self.recorded)
        if stored is None and self.address in self.recorded.attributes and self.store.is_lost(self.address):
            return Description(None)
        return stored.description if stored else None

    def write(self, description: ObjectDescription) -> tuple[str, str]:
        """As `Container.write`."""
        address, pool = self.address, self.store.pool
        written = Description(
            description.mark,
            description.attributes,
            description.computed,
            protect=description.protect,
            fence=description.fence,
        )
        entry = self.store.write(address, written)
        object_id = object_names.object_id(self.region, pool.name, address)
        return object_id, object_names.fingerprint(pool.place, [entry])

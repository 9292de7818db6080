"""What the pools hold at one moment: one listing each, taken when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from manifests.address import Address
from providers.errors import Unavailable
from providers.libvirt import sidecars
from providers.libvirt.shelf import Shelf
from providers.libvirt.sidecars import Sidecar

if TYPE_CHECKING:
    from providers.libvirt.hosts import Hosts
    from providers.libvirt.pools import Pool
    from providers.libvirt.volumes import Volume


@dataclass(frozen=True, slots=True)
class View:
    """One region's pool: its volumes by name, and the sidecars among them, newest first."""

    region: str
    pool: Pool
    volumes: Mapping[str, Volume]
    sidecars: Mapping[tuple[Address, str], Sequence[Sidecar]]

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.pool)


class Estate:
    """The views of the regions that were asked for. `unreachable`: region -> why it has none."""

    def __init__(self, hosts: Hosts, regions: Iterable[str]) -> None:
        self.views: dict[str, View] = {}
        self.unreachable: dict[str, Unavailable] = {}
        wanted = sorted(regions)
        if not wanted:
            return
        with ThreadPoolExecutor(len(wanted), thread_name_prefix="pools") as pool:
            for region, found in zip(wanted, pool.map(lambda region: _view(hosts, region), wanted), strict=True):
                if isinstance(found, View):
                    self.views[region] = found
                else:
                    self.unreachable[region] = found

    def view(self, region: str) -> View:
        """What a region's pool holds. Raises: Unavailable, also for a region that the settings do not name any more:
        its volumes may be on their host as before."""
        if region in self.unreachable:
            raise self.unreachable[region]
        if region not in self.views:
            raise Unavailable(
                f"region {region} is not among the provider's `regions` any more, and its volumes may still be there: "
                "name it again until they are deleted, or have them forgotten (kind: Removed, destroy: false)"
            )
        return self.views[region]


def _view(hosts: Hosts, region: str) -> View | Unavailable:
    try:
        pool = hosts.pool(region)
        volumes = pool.volumes(refresh=True)
    except Unavailable as error:
        return Unavailable("; ".join(part for part in (error.message, error.remedy) if part))
    return View(region, pool, volumes, sidecars.listed(volumes))

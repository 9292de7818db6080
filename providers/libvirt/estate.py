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

    def view(self, region: str) -> View | None:
        """None for a region that the settings do not know: nothing can be there. Raises: Unavailable."""
        if region in self.unreachable:
            raise self.unreachable[region]
        return self.views.get(region)


def _view(hosts: Hosts, region: str) -> View | Unavailable:
    try:
        pool = hosts.pool(region)
        volumes = pool.volumes(refresh=True)
    except Unavailable as error:
        return error
    return View(region, pool, volumes, sidecars.listed(volumes))

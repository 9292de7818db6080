"""What the pools hold at one moment: one listing each, taken when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host.hosts import NotMade
from reconciler.providers.libvirt.records import sidecars
from reconciler.providers.libvirt.records.description_store import Shelf
from reconciler.providers.libvirt.records.sidecars import Sidecar

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


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
    """The views of the regions that were asked for. `unreachable`: region -> why it has none; `unmade`: the same for
    those whose pool is made by the first operation that fills it, and where nothing is until then."""

    def __init__(self, hosts: Hosts, regions: Iterable[str]) -> None:
        self.views: dict[str, View] = {}
        self.unreachable: dict[str, Unavailable] = {}
        self.unmade: dict[str, NotMade] = {}
        wanted = sorted(regions)
        if not wanted:
            return
        with ThreadPoolExecutor(len(wanted), thread_name_prefix="pools") as pool:
            for region, found in zip(wanted, pool.map(lambda region: _view(hosts, region), wanted), strict=True):
                if isinstance(found, View):
                    self.views[region] = found
                elif isinstance(found, NotMade):
                    self.unmade[region] = found
                else:
                    self.unreachable[region] = found

    def require_all(self) -> None:
        """Raises: Unavailable when a region cannot be asked."""
        for why in self.unreachable.values():
            raise why

    def is_for_want_of_a_region(self, error: Unavailable) -> bool:
        """Whether it was raised because a region could not be asked from the beginning, not because one went away."""
        return any(error is why for why in self.unreachable.values())

    def require_home(self, region: str, pool: str) -> None:
        """Raises: Unavailable when what is not found in a region may be there nonetheless: it cannot be asked, the
        settings do not name it any more, or it is another pool now than the one with the UUID `pool`, where it was
        recorded; empty when nothing was."""
        if region in self.unreachable:
            raise self.unreachable[region]
        if region in self.unmade and pool:
            raise _lost(self.unmade[region])
        if region in self.views and pool and self.views[region].pool.place.pool != pool:
            raise _moved(self.views[region].pool)
        if region not in self.views and region not in self.unmade:
            raise Unavailable(
                f"region {region} is not among the provider's `regions` any more, and its volumes may still be there: "
                "name it again until they are deleted, or have them forgotten (kind: Removed, destroy: false)"
            )


def _view(hosts: Hosts, region: str) -> View | Unavailable:
    try:
        pool = hosts.pool(region)
        volumes = pool.volumes(refresh=True)
    except NotMade as error:
        return error
    except Unavailable as error:
        return Unavailable("; ".join(part for part in (error.message, error.remedy) if part))
    return View(region, pool, volumes, sidecars.listed(volumes))


def _lost(why: NotMade) -> Unavailable:
    return Unavailable(
        f"{why.message}; this was recorded in the pool that the region was, and may still be there: put the region's "
        "`uri` and `pool` back, or define that pool again; if its volumes are lost, have them forgotten "
        "(reconciler state forget), and apply makes the pool and them anew"
    )


def _moved(pool: Pool) -> Unavailable:
    return Unavailable(
        f"region {pool.region} is another pool now, the {pool}, than the one where this was recorded and may still be: "
        "put the region's `uri` and `pool` back, or bring all volumes of that pool, with the descriptions "
        "(.reconciler~*), into this one; if they are lost, have them forgotten (reconciler state forget), and apply "
        "makes them anew"
    )

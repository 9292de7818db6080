"""The first copies of a machine's disks: captured together, so that they are of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.providers.libvirt.capture import capture
from reconciler.providers.libvirt.content.volume_reading import digest_of_volume
from reconciler.providers.libvirt.publishing.disk_sources import MachineDisk
from reconciler.providers.libvirt.publishing.region_build import Site
from reconciler.providers.libvirt.publishing.volume_filling import Filled, present

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts


def capture_all(
    hosts: Hosts, disks: Sequence[MachineDisk], site: Site, disk_format: str, *, generalized: bool
) -> dict[str, tuple[str, Filled]]:
    """Captures a machine into the first volumes of a site: disk -> (volume, what is in it).

    Raises: as capture.capture.
    """
    first = disks[0]
    targets = {disk.disk: site.names[disk.disk][0] for disk in disks}
    total = sum(disk.virtual_size for disk in disks)

    def progress(done: int, of: int) -> None:
        site.tally.reach(total * done // max(1, of) // 2)

    captured = capture.capture(
        hosts, first.region, first.machine, generalized, targets, site.pool, disk_format, progress
    )
    return {
        disk.disk: (targets[disk.disk], _filled(disk, site, targets[disk.disk], disk_format)) for disk in captured.disks
    }


def _filled(disk: capture.CapturedDisk, site: Site, name: str, disk_format: str) -> Filled:
    """The facts are those of the sectors that the machine saw: it has no file that others could compare with."""
    volume = present(site.pool, name)
    content = digest_of_volume(
        site.pool, volume, volume.capacity, disk_format, site.meter(name).part(2, 2, volume.capacity)
    )
    facts = {
        "sha256": content,
        "size": volume.capacity,
        "virtualSize": volume.capacity,
        "format": "raw",
        "hostCaching": disk.caching,
        "source": disk.identity,
        "contentSha256": content,
    }
    return Filled(facts, volume.capacity, disk_format, content)

"""The first copies of a machine's disks, captured together so that all are from one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.providers.content_digest import GUEST
from reconciler.providers.libvirt.capture import capture
from reconciler.providers.libvirt.content.volume_reading import digest_of_volume
from reconciler.providers.libvirt.publishing.disks import MachineDisk
from reconciler.providers.libvirt.publishing.region_build import RegionBuild
from reconciler.providers.libvirt.publishing.volume_filling import FilledVolume, existing

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts


def capture_all(
    hosts: Hosts, disks: Sequence[MachineDisk], build: RegionBuild, disk_format: str, *, generalized: bool, plain: bool
) -> dict[str, tuple[str, FilledVolume]]:
    """Captures a machine into the first volumes of a region: disk -> (name of its volume, what that contains).
    `plain`: its digests are to have the sha256 of all bytes, too.

    Raises: as capture.capture.
    """
    first = disks[0]
    targets = {disk.disk: build.names[disk.disk][0] for disk in disks}
    total = sum(disk.virtual_size for disk in disks)

    def progress(done: int, of: int) -> None:
        build.progress.report(total * done // max(1, of) // 2)

    captured = capture.capture(
        hosts, first.region, first.machine, generalized, targets, build.pool, disk_format, progress, build.writer.fence
    )
    return {
        disk.disk: (targets[disk.disk], _filled(disk, build, targets[disk.disk], disk_format, plain=plain))
        for disk in captured.disks
    }


def _filled(
    disk: capture.CapturedDisk, build: RegionBuild, name: str, disk_format: str, *, plain: bool
) -> FilledVolume:
    """The facts describe the sectors that the guest saw: there is no source file to compare with."""
    volume = existing(build.pool, name)
    advance = build.volume_progress(name).part(2, 2, volume.capacity)
    content = digest_of_volume(build.pool, volume, volume.capacity, disk_format, advance, plain=plain)
    facts = {
        **content.facts(),
        "size": volume.capacity,
        "virtualSize": volume.capacity,
        "format": "raw",
        "hostCaching": disk.caching,
        "source": disk.identity,
        **content.facts(GUEST),
    }
    return FilledVolume(facts, volume.capacity, disk_format, content)

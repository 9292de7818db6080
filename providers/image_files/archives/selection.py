"""Which disks of an archive an image is made from, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.manifests.words import quoted
from reconciler.providers.image_files.archives.descriptor import Descriptor, Disk, Machine
from reconciler.providers.image_files.archives.problems import unusable

_MOST_NAMES = 10
_MOST_DISKS = 65
"""An OS disk, and as many data disks as the largest machines of Azure take."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The disks of an image, the OS disk first; `warnings` are sentences about what else the archive has."""

    disks: tuple[Disk, ...]
    firmware: str = ""
    warnings: tuple[str, ...] = ()


def selected(descriptor: Descriptor, machine: str, label: str) -> Selection:
    """The disks of the machine with this name, or of the only one if it is empty, in the order of its hardware.

    Raises: SourceError if that is not clear, or one of them is blank, a delta or used twice.
    """
    chosen = _chosen(descriptor, machine, label)
    selection = _selection(descriptor, chosen, label)
    if not selection.disks:
        raise unusable(label, "its OVF descriptor names no disk")
    if len(selection.disks) > _MOST_DISKS:
        raise unusable(label, f"a machine in it has {len(selection.disks)} disks; the most are {_MOST_DISKS}")
    for number, disk in enumerate(selection.disks):
        _require_content(disk, number, descriptor, label)
    return selection


def _chosen(descriptor: Descriptor, wanted: str, label: str) -> Machine | None:
    """The machine to use; None where the descriptor has only disks. Raises: SourceError."""
    machines = descriptor.machines
    names = ", ".join(quoted(machine.name or machine.id) for machine in machines[:_MOST_NAMES])
    more = f" and {len(machines) - _MOST_NAMES} more" if len(machines) > _MOST_NAMES else ""
    if not wanted:
        if len(machines) > 1:
            remedy = "write the name of one beside `file`, as `machine: NAME`; each is an image of its own"
            raise unusable(label, f"it has {len(machines)} machines: {names}{more}", remedy)
        return machines[0] if machines else None
    found = [machine for machine in machines if machine.id == wanted] or [
        machine for machine in machines if machine.name == wanted
    ]
    if len(found) != 1:
        count = f"{len(found)} machines" if found else "no machine"
        has = f"it has {names}{more}" if machines else "it names no machine at all"
        raise unusable(label, f"it has {count} {quoted(wanted)}; {has}", "correct `machine` in the manifest")
    return found[0]


def _selection(descriptor: Descriptor, machine: Machine | None, label: str) -> Selection:
    firmware = "" if machine is None else machine.firmware
    if machine is not None and (machine.drives or len(descriptor.machines) > 1):
        disks = _boot_disk_first(_of_hardware(descriptor, machine, label))
        return Selection(disks, firmware, (*_mixed(machine, disks), *_unused(descriptor)))
    disks = tuple(descriptor.disks.values())
    if len(disks) > 1 and machine is not None and machine.described:
        raise unusable(
            label,
            f"the hardware section of its machine has no drive, so that it is unknown which of its "
            f"{len(disks)} disks is the OS disk",
        )
    if len(disks) < 2:
        return Selection(disks, firmware)
    unclear = (
        f"its descriptor has no hardware section: the first of its disks, {quoted(disks[0].id)}, becomes the OS disk"
    )
    return Selection(disks, firmware, (unclear,))


def _of_hardware(descriptor: Descriptor, machine: Machine, label: str) -> Iterator[Disk]:
    """The disks in a machine's drives. Raises: SourceError."""
    seen = set()
    for drive in machine.drives:
        name = drive.resource[1]
        if not name and drive.optional:
            continue
        disk = descriptor.disk_in(drive) if name else Disk("", "")
        if disk is None:
            raise unusable(label, f"its hardware section has a drive with the disk {quoted(name)}, which is not in it")
        if name and disk.id in seen:
            raise unusable(label, f"two drives of its machine have the same disk {quoted(disk.id)}")
        seen.add(disk.id)
        yield disk


def _boot_disk_first(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    """The disks in their order, except for the only one that a machine is said to boot from."""
    ordered = tuple(disks)
    marked = [disk for disk in ordered if disk.boots]
    return tuple(sorted(ordered, key=lambda disk: not disk.boots)) if len(marked) == 1 else ordered


def _mixed(machine: Machine, disks: tuple[Disk, ...]) -> Iterator[str]:
    if len({drive.controller for drive in machine.drives}) > 1 and disks and not disks[0].boots:
        yield (
            f"its drives are on controllers of several kinds: {quoted(disks[0].id)}, on the first of them, becomes the "
            "OS disk"
        )


def _unused(descriptor: Descriptor) -> Iterator[str]:
    """A sentence about the disks that are in no machine's drives."""
    used = {
        disk.id for machine in descriptor.machines for drive in machine.drives if (disk := descriptor.disk_in(drive))
    }
    if left := [quoted(name) for name in descriptor.disks if name not in used]:
        more = f" and {len(left) - _MOST_NAMES} more" if len(left) > _MOST_NAMES else ""
        yield f"no machine in it has the disk {', '.join(left[:_MOST_NAMES])}{more}, which is left out"


def _require_content(disk: Disk, number: int, descriptor: Descriptor, label: str) -> None:
    """Raises: SourceError if a disk has no content of its own."""
    place = "the OS disk" if number == 0 else f"the data disk at LUN {number - 1}"
    what = f"its disk {quoted(disk.id)}, {place}," if disk.id else f"{place} of its machine"
    if disk.parent:
        raise unusable(
            label,
            f"{what} is a delta to the disk {quoted(disk.parent)}",
            "consolidate the machine's snapshots, and export it again",
        )
    if not disk.file:
        raise unusable(
            label,
            f"{what} is blank: no file belongs to it, and an image has no blank disks",
            "remove the blank disk from the machine, and export it again; add one when a machine is made of the image",
        )
    if disk.file not in descriptor.files:
        raise unusable(label, f"{what} is a disk without a file: it names {quoted(disk.file)}, which is not declared")

"""An inspected image for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.providers.image_contents import Table
from reconciler.views.terminal.lines import BLANK, Line, Span, line, paragraph
from reconciler.views.terminal.units import human_bytes

if TYPE_CHECKING:
    from reconciler.image_inspection.inspecting import InspectedDisk, Inspection
    from reconciler.image_inspection.uses import Use
    from reconciler.providers.image_contents import ImageContents, Partition
    from reconciler.providers.image_files.formats.disk_format import DiskFormat

_LABEL = 12
_NAMES = {Table.NONE: "none", Table.MBR: "MBR", Table.GPT: "GPT", Table.HYBRID: "GPT and MBR (hybrid)"}


def inspection_lines(inspection: Inspection, width: int) -> Iterator[Line]:
    """The file, each of its disks, and what would hold qemu-img."""
    yield line(Span(inspection.path, "subject"))
    if inspection.file_size:
        yield _row("file", f"{_size(inspection.file_size)}, {human_bytes(inspection.allocated)} on disk")
    if inspection.refusal:
        yield from _refused(inspection, width)
    if inspection.firmware:
        yield _row("firmware", inspection.firmware.upper())
    for warning in inspection.warnings:
        yield _row("warning", Span(warning, "change"))
    for disk in inspection.disks:
        if len(inspection.disks) > 1:
            yield BLANK
            yield line(Span(f"disk {disk.name}", "subject"))
        yield from _disk(disk)
    yield _row("qemu-img", "installed; its jail on this kernel:" if inspection.jail.installed else "not installed")
    if inspection.jail.installed:
        yield from paragraph(inspection.jail.sentence, width, _LABEL)


def _refused(inspection: Inspection, width: int) -> Iterator[Line]:
    refusal = inspection.refusal
    if refusal is None:
        return
    if refusal.facts:
        yield from _format(refusal.facts, ())
    yield line(Span("not usable: ", "danger"), refusal.why)
    yield from paragraph(refusal.remedy, width, 2)


def _disk(disk: InspectedDisk) -> Iterator[Line]:
    if disk.compression:
        yield _row("compressed", disk.compression)
    yield from _format(disk.format, disk.features)
    if disk.digest:
        yield _row("digest", f"{disk.digest.tree}")
        yield _row("sha256", f"{disk.digest.plain}")
    if disk.contents:
        yield from _contents(disk.contents)
    for use in disk.uses:
        yield _use(use)


def _format(disk_format: DiskFormat, features: tuple[str, ...]) -> Iterator[Line]:
    state = [*features]
    state += ["was not closed"] if disk_format.dirty else []
    state += ["encrypted"] if disk_format.encrypted else []
    yield _row("format", disk_format.name + (f" ({', '.join(state)})" if state else ""))
    yield _row("disk", f"{_size(disk_format.virtual_size)}, sectors of {disk_format.sector_size} bytes")


def _contents(contents: ImageContents) -> Iterator[Line]:
    if contents.unread:
        yield _row("contents", Span(contents.unread, "change"))
        return
    sectors = f", for sectors of {contents.sector_size} bytes" if contents.sector_size else ""
    whole = f"; the whole disk is {contents.content}" if contents.content else ""
    yield _row("table", f"{_NAMES[contents.table]}{sectors}{whole}")
    for partition in contents.partitions:
        yield line(" " * _LABEL, _partition(partition))
    for problem in contents.problems:
        yield _row("problem", Span(problem, "change"))
    yield _row("boots with", _boot(contents))
    if contents.encrypted:
        yield _row("encrypted", Span(", ".join(contents.encrypted), "change"))


def _partition(partition: Partition) -> str:
    content = f", {partition.content}" if partition.content else ""
    active = ", active" if partition.active else ""
    return f"{partition.number}: {partition.type}, {human_bytes(partition.size)}{content}{active}"


def _boot(contents: ImageContents) -> str:
    """What starts the disk, as far as its first blocks show it."""
    efi = f"UEFI ({', '.join(contents.efi)})" if contents.efi else "UEFI, without a loader in EFI/BOOT"
    modes = [*(["BIOS"] if contents.bios else []), *([efi] if contents.has_esp else [])]
    return " and ".join(modes) or "nothing that was found"


def _use(use: Use) -> Line:
    program = ", by qemu-img" if use.needs_qemu_img else ""
    if use.problem:
        return _row(use.provider, Span(use.problem, "danger"))
    return _row(use.provider, f"{use.does}{program}")


def _size(size: int) -> str:
    return f"{human_bytes(size)} ({size:,} bytes)"


def _row(label: str, value: str | Span) -> Line:
    return line(f"{label:<{_LABEL}}", value)

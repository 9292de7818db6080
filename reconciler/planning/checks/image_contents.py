"""What is on the disk of an image, against what its definition says, and its size against what the backend takes.

What is on a disk is a matter of warnings: it is found out from a few blocks, and some disks start in ways of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Diagnostic, Severity
from reconciler.manifests.resource import Resource
from reconciler.manifests.values import Attributes
from reconciler.planning.actions import ResourceChange
from reconciler.planning.checks.problem_places import place_of_disk, problem_at
from reconciler.planning.sources import OS_DISK, SourceCheck
from reconciler.providers.image_contents import ImageContents, Table
from reconciler.providers.protocol import Capabilities

Finding = tuple[str, str]
"""What is wrong with a disk, as it follows its name, and what to do about it."""

LOADERS = {"x64": "EFI/BOOT/BOOTX64.EFI", "Arm64": "EFI/BOOT/BOOTAA64.EFI"}
_WHOLE_DISK = "publish the image of a whole disk with a system that boots"
_OTHER_GENERATION = "declare a definition with hyperVGeneration: {}, or build the image for {}"
_SECTORS = 512


def oversized(
    change: ResourceChange, checks: Mapping[str, SourceCheck], capabilities: Capabilities
) -> Iterator[Diagnostic]:
    """Disks that are larger than the backend takes."""
    if change.kind is not Kind.IMAGE_VERSION:
        return
    mode = str(change.planned_attributes.get("replicationMode", "Full"))
    most = capabilities.largest_disk_bytes.get(mode)
    for disk, check in sorted(checks.items()):
        facts = check.facts or check.seen
        size = facts.largest_disk if facts else 0
        if most is not None and size > most:
            yield problem_at(
                change,
                place_of_disk(disk),
                f"the source of disk {disk} is a disk of {_gib(size)}, and provider '{change.provider}' takes at most "
                f"{_gib(most)} with replicationMode {mode}",
                _remedy_for_size(size, capabilities),
            )


def contradictions(
    change: ResourceChange, checks: Mapping[str, SourceCheck], resources: Mapping[Address, Resource]
) -> Iterator[Diagnostic]:
    """Warnings about an OS disk from which machines of the definition would probably not start."""
    check, definition = checks.get(OS_DISK), resources.get(change.address._replace(version="", region=""))
    facts = (check.facts or check.seen) if check else None
    if facts is None or facts.contents is None or definition is None or change.kind is not Kind.IMAGE_VERSION:
        return
    for what, remedy in findings(facts.contents, definition.attributes, str(definition.address)):
        problem = problem_at(change, place_of_disk(OS_DISK), f"the source of disk {OS_DISK} {what}", remedy)
        yield replace(problem, severity=Severity.WARNING)


def findings(contents: ImageContents, definition: Attributes, name: str) -> Iterator[Finding]:
    """What contradicts the definition called `name`; nothing about a disk that could not be read."""
    if contents.unread:
        return
    for how in contents.encrypted:
        yield (
            f"is encrypted with {how}",
            "machines of the image start only with its key: decrypt it before you publish it",
        )
    if contents.table is Table.NONE:
        yield from _without_table(contents, definition, name)
        return
    yield from ((f"has a problem: {problem}", _WHOLE_DISK) for problem in contents.problems[:3])
    if contents.sector_size > _SECTORS:
        yield (
            f"has a GPT made for sectors of {contents.sector_size} bytes",
            "disks of machines have sectors of 512 bytes, where the table is not found: build the image for those",
        )
    yield from _generation(contents, definition, name)


def _without_table(contents: ImageContents, definition: Attributes, name: str) -> Iterator[Finding]:
    if contents.bios:
        yield from _generation(contents, definition, name)
    elif contents.content:
        yield f"has no partition table: the whole disk is {contents.content}", _WHOLE_DISK
    else:
        yield "has no partition table, and no boot code", _WHOLE_DISK


def _generation(contents: ImageContents, definition: Attributes, name: str) -> Iterator[Finding]:
    generation = definition.get("hyperVGeneration")
    if generation == "V1" and not contents.bios:
        boots = "boots with UEFI only" if contents.has_esp else "has no boot code for a BIOS"
        remedy = _OTHER_GENERATION.format("V2", "a BIOS")
        yield f"{boots}, but hyperVGeneration of {name} is V1, which boots from a BIOS", remedy
    if generation == "V2" and not contents.has_esp:
        boots = "boots from a BIOS only" if contents.bios else "has no EFI system partition"
        remedy = _OTHER_GENERATION.format("V1", "UEFI")
        yield f"{boots}, but hyperVGeneration of {name} is V2, which boots with UEFI", remedy
    if generation == "V2" and contents.has_esp:
        yield from _loader(contents, str(definition.get("architecture", "x64")), name)


def _loader(contents: ImageContents, architecture: str, name: str) -> Iterator[Finding]:
    if architecture in contents.efi or architecture not in LOADERS:
        return
    if contents.efi:
        yield (
            f"has an EFI loader for {' and '.join(contents.efi)}, but architecture of {name} is {architecture}",
            "publish an image for that architecture, or declare a definition with the image's",
        )
    else:
        yield (
            f"has no {LOADERS[architecture]} in its EFI system partition, which new machines start",
            "install the loader there as well: grub-install --removable, bootctl install, or bcdboot",
        )


def _remedy_for_size(size: int, capabilities: Capabilities) -> str:
    fitting = [mode for mode, most in sorted(capabilities.largest_disk_bytes.items()) if size <= most]
    return f"declare replicationMode: {fitting[0]}, or shrink the disk" if fitting else "shrink the disk"


def _gib(size: int) -> str:
    return f"{-(-size // (1 << 30)):,} GiB"

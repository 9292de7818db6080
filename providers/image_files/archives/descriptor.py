"""`Descriptor`: what an OVF descriptor says about files, disks and machines.

Names of elements and attributes count without their namespaces, which differ between versions 0.9, 1.x and 2.x.
Source: DSP0243 (OVF 1.1 and 2.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.providers.image_files.archives.hardware import Drive, drives, has_section
from reconciler.providers.image_files.archives.xml_reading import Element, attribute, child_text, named, parsed

_UNITS = re.compile(r"byte(?:\s*\*\s*(2|10)\s*\^\s*(\d{1,2}))?", re.IGNORECASE)
_OLD_UNITS = {"": 1, "bytes": 1, "kilobytes": 1 << 10, "megabytes": 1 << 20, "gigabytes": 1 << 30}
_FIRMWARE = {"efi": "efi", "uefi": "efi", "efi32": "efi", "efi64": "efi", "efidual": "efi", "bios": "bios"}
_OVIRT_FIRMWARE = {"1": "bios", "2": "bios", "3": "efi", "4": "efi"}
"""oVirt's BiosType: I440FX and Q35 with SeaBIOS, Q35 with OVMF, the same with secure boot; 0 is the cluster's."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the archive: `href` names it. `compression` and `chunk_size` are empty where it is stored as it is."""

    href: str
    compression: str = ""
    chunk_size: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """A virtual disk. `file` is the id of its file, empty for a blank disk; `parent` the id of the disk that it is a
    delta to. `capacity` in bytes, in whole `unit`s; 0 where the descriptor does not say it. `boots`: oVirt marks the
    disk that a machine boots from."""

    id: str
    file: str
    parent: str = ""
    capacity: int = 0
    unit: int = 1
    boots: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """A virtual machine. `drives` are in the order of its hardware; `described`: it has a section about that.
    `firmware`: `efi`, `bios`, or empty where the descriptor does not say it."""

    id: str
    name: str
    drives: tuple[Drive, ...]
    described: bool
    firmware: str


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Files and disks by id, disks in the order of the document; machines in that order."""

    files: Mapping[str, File]
    disks: Mapping[str, Disk]
    machines: tuple[Machine, ...]

    def disk_in(self, drive: Drive) -> Disk | None:
        """The disk in a drive; None where the descriptor has no such disk or file."""
        kind, name = drive.resource
        if kind == "file":
            return Disk(name, name) if name in self.files else None
        if name in self.disks:
            return self.disks[name]
        return None if kind else next((disk for disk in self.disks.values() if disk.file == name != ""), None)


def described(content: bytes, label: str) -> Descriptor:
    """What the OVF descriptor with this content says. Raises: SourceError."""
    root = parsed(content, "its OVF descriptor", label)
    configuration = _default_configuration(root)
    return Descriptor(
        {attribute(element, "id"): _file(element) for element in named(root, "File")},
        {attribute(element, "diskId"): _disk(element) for element in named(root, "Disk")},
        tuple(_machine(element, configuration) for element in _machines(root)),
    )


def _machines(root: Element) -> Iterator[Element]:
    yield from named(root, "VirtualSystem")
    for element in named(root, "Content"):
        if "VirtualSystem_Type" in attribute(element, "type"):
            yield element


def _machine(element: Element, configuration: str) -> Machine:
    return Machine(
        attribute(element, "id"),
        child_text(element, "Name"),
        drives(element, configuration),
        has_section(element),
        _firmware(element),
    )


def _file(element: Element) -> File:
    compression = attribute(element, "compression")
    return File(
        attribute(element, "href"), "" if compression == "identity" else compression, attribute(element, "chunkSize")
    )


def _disk(element: Element) -> Disk:
    capacity, unit = attribute(element, "capacity"), _unit(attribute(element, "capacityAllocationUnits"))
    known = unit and capacity.isascii() and capacity.isdigit() and len(capacity) < 20
    return Disk(
        attribute(element, "diskId"),
        attribute(element, "fileRef"),
        attribute(element, "parentRef"),
        int(capacity) * unit if known else 0,
        unit or 1,
        attribute(element, "boot") == "true",
    )


def _unit(text: str) -> int:
    """The bytes of an allocation unit; 0 for one that is not known. Source: DSP0004, programmatic units."""
    text = text.strip()
    if matched := _UNITS.fullmatch(text):
        unit: int = int(matched[1] or 1) ** int(matched[2] or 0)
        return unit
    return _OLD_UNITS.get(text.lower(), 0)


def _default_configuration(root: Element) -> str:
    """The deployment option that counts when nobody chooses one: the default, else the first; empty without any."""
    sections = named(root, "DeploymentOptionSection")
    options = [option for section in sections for option in section if attribute(option, "id")]
    default = [option for option in options if attribute(option, "default") == "true"]
    return next((attribute(option, "id") for option in (*default, *options)), "")


def _firmware(machine: Element) -> str:
    """The firmware of a machine, if the makers' extensions of OVF name exactly one."""
    configs = [config for config in named(machine, "Config", "ExtraConfig") if attribute(config, "key") == "firmware"]
    written = [attribute(config, "value") for config in configs]  # VMware
    written += [attribute(firmware, "type") for firmware in named(machine, "Firmware")]  # VirtualBox
    known = {_FIRMWARE.get(value.lower(), "") for value in written}
    known |= {_OVIRT_FIRMWARE.get((bios.text or "").strip(), "") for bios in named(machine, "BiosType")}
    found = known - {""}
    return found.pop() if len(found) == 1 else ""

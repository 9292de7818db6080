"""OVA and OVF archives for tests: descriptors as tools write them, manifests, signatures, tar archives."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

NAMESPACES = (
    'xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" '
    'xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" '
    'xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" '
    'xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vbox="http://www.virtualbox.org/ovf/machine" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
IDE, SCSI, SATA = 5, 6, 20


def disk_content(text: str, size: int = 1 << 20) -> bytes:
    """A raw disk that begins with `text` and has a boot signature."""
    return text.encode().ljust(510, b"\0") + b"\x55\xaa" + bytes(size - 512)


def item(instance: int | str, kind: int, *, more: str = "", **values: object) -> str:
    """An Item of a hardware section; `values` are its rasd elements."""
    values = {"InstanceID": instance, "ResourceType": kind, **values}
    return f"<Item{more}>{''.join(f'<rasd:{name}>{value}</rasd:{name}>' for name, value in values.items())}</Item>"


def drive(instance: int | str, disk: str, parent: int | str = 3, at: int | str = 0, more: str = "") -> str:
    """The Item of a disk drive."""
    resource = disk if "/" in disk else f"ovf:/disk/{disk}"
    return item(instance, 17, more=more, AddressOnParent=at, HostResource=resource, Parent=parent)


def controller(instance: int, kind: int = SCSI, address: int = 0, subtype: str = "") -> str:
    """The Item of a controller."""
    return item(instance, kind, Address=address, ResourceSubType=subtype)


def machine(name: str, *items: str, more: str = "", settings: str = "") -> str:
    """A VirtualSystem with these hardware items."""
    hardware = f"<VirtualHardwareSection><Info/>{''.join(items)}{settings}</VirtualHardwareSection>"
    return f'<VirtualSystem ovf:id="{name}"><Info/><Name>{name}</Name>{hardware}{more}</VirtualSystem>'


def envelope(
    disks: Mapping[str, str], *machines: str, more: str = "", attributes: Mapping[str, str] | None = None
) -> str:
    """A descriptor; `disks` is id -> href, in the order of DiskSection, `attributes` id -> further attributes."""
    files = "".join(f'<File ovf:id="file-{disk}" ovf:href="{href}"/>' for disk, href in disks.items() if href)
    declared = "".join(
        f'<Disk ovf:diskId="{disk}"{f" ovf:fileRef={chr(34)}file-{disk}{chr(34)}" if href else ""}'
        f" {(attributes or {}).get(disk, '')}/>"
        for disk, href in disks.items()
    )
    body = f"<References>{files}</References><DiskSection><Info/>{declared}</DiskSection>{more}{''.join(machines)}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Envelope {NAMESPACES}>{body}</Envelope>'


def one_machine(**disks: str) -> str:
    """A descriptor of one machine that has these disks on one controller, in this order."""
    drives = (drive(10 + number, disk, at=number) for number, disk in enumerate(disks))
    return envelope(disks, machine("vm", controller(3), *drives))


def manifest_of(files: Iterable[tuple[str, bytes]], algorithm: str = "SHA256") -> bytes:
    """A manifest with the right digests."""
    name = algorithm.lower().replace("-", "")
    return "".join(
        f"{algorithm}({file})= {hashlib.new(name, content).hexdigest()}\n" for file, content in files
    ).encode()


def write_ova(path: Path, *members: tuple[str | tarfile.TarInfo, bytes]) -> Path:
    """A tar archive with these members, in this order."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def header(name: bytes, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar header whose size may be anything, negative too."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = (b"\x80" if size >= 0 else b"\xff") + size.to_bytes(11, "big", signed=True)
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)

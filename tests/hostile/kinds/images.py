"""Projects with images that name other files, or servers, or are made to take long."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Callable

from hostile.scene import Build, Scene

_SECTOR = 512
_OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:id="f" ovf:href="%s"/></References>
<DiskSection><Info/><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="1048576"
ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
</Envelope>"""


def _image(name: str, content: Callable[[Scene], bytes]) -> Build:
    def build(scene: Scene) -> None:
        scene.image(f"images/{name}", content(scene))
        scene.version(f'{{file: "../images/{name}"}}')

    return build


def descriptor(extents: str, more: str = "", parent: str = "ffffffff", kind: str = "monolithicSparse") -> bytes:
    """The text that says what a VMDK is made of."""
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID={parent}\ncreateType="{kind}"\n{more}'
        f'# Extent description\n{extents}\n# The Disk Data Base\nddb.adapterType = "ide"\n'
    ).encode()


def vmdk_header(capacity: int, descriptor_at: int, version: int = 1) -> bytes:
    """The first sector of a sparse VMDK. Source: VMware's Virtual Disk Format 5.0."""
    fields = (version, 3, capacity, 128, descriptor_at, 20, 512, 40, 60, 128, 0)
    return (b"KDMV" + struct.pack("<IIQQQQIQQQB", *fields)).ljust(73, b"\0").ljust(_SECTOR, b"\0")


def _vmdk(hidden: Callable[[Scene], bytes], *, capacity: int = 2048, shown_at: int = 21) -> Callable[[Scene], bytes]:
    """A VMDK with an innocent descriptor where its header says, and another where QEMU looks."""

    def content(scene: Scene) -> bytes:
        innocent = descriptor('RW 2048 SPARSE "a.vmdk"').ljust(20 * _SECTOR, b"\0")
        return (
            vmdk_header(capacity, shown_at) + hidden(scene).ljust(20 * _SECTOR, b"\0") + innocent + bytes(128 * _SECTOR)
        )

    return content


def _parent(hint: str) -> Callable[[Scene], bytes]:
    return lambda scene: descriptor(
        'RW 2048 SPARSE "a.vmdk"', f'parentFileNameHint="{scene.filled(hint)}"\n', parent="12345678"
    )


def _extent(line: str, kind: str = "monolithicFlat") -> Callable[[Scene], bytes]:
    return lambda scene: descriptor(scene.filled(line), kind=kind)


def qcow2(backing: bytes = b"", incompatible: int = 0, data_file: bytes = b"") -> bytes:
    """A qcow2 header with nothing behind it. Source: docs/interop/qcow2.txt of QEMU."""
    extension = struct.pack(">II", 0x44415441, len(data_file)) + data_file.ljust(-(-len(data_file) // 8) * 8, b"\0")
    extensions = (extension if data_file else b"") + bytes(8)
    at = 104 + len(extensions) if backing else 0
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, at, len(backing), 16, 1 << 20, 0, 1, 196608, 65536, 1, 0, 0)
    head += struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    return (head + extensions + backing).ljust(5 * 65536, b"\0")


def _named(text: str, *, data: bool = False) -> Callable[[Scene], bytes]:
    def content(scene: Scene) -> bytes:
        name = scene.filled(text).encode()
        return qcow2(incompatible=4, data_file=name) if data else qcow2(backing=name)

    return content


def _vhd_with_parent(scene: Scene) -> bytes:
    """A differencing VHD. Source: Microsoft's Virtual Hard Disk Image Format Specification."""
    footer = b"conectix" + struct.pack(
        ">IIQI4sI4sQQIII", 2, 0x10000, 512, 0, b"qemu", 0x50003, b"Wi2k", 2**20, 2**20, 0, 4, 0
    )
    footer = footer.ljust(512, b"\0")
    footer = footer[:64] + struct.pack(">I", ~sum(footer) & 0xFFFFFFFF) + footer[68:]
    parent = str(scene.elsewhere / "disk.img").encode("utf-16-be")
    header = b"cxsparse" + struct.pack(">QQIII", 2**64 - 1, 1536, 0x10000, 1, 2 * 2**20) + bytes(28) + parent
    return footer + header.ljust(1024, b"\0") + bytes(512) + footer


def _ova(*members: tuple[str, bytes, bytes, str]) -> Callable[[Scene], bytes]:
    """An archive of (name, content, type, target of a link)."""

    def content(scene: Scene) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, data, kind, target in members:
                member = tarfile.TarInfo(scene.filled(name))
                member.size, member.type, member.linkname = len(data), kind, scene.filled(target)
                archive.addfile(member, io.BytesIO(data))
        return buffer.getvalue()

    return content


def _in_ova(href: str, name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[Scene], bytes]:
    def content(scene: Scene) -> bytes:
        ovf = ("m.ovf", scene.filled(_OVF % href).encode(), tarfile.REGTYPE, "")
        return _ova(ovf, (name, b"" if target else bytes(512), kind, target))(scene)

    return content


def _ovf(text: str, encoding: str = "utf-8") -> Callable[[Scene], bytes]:
    return lambda scene: scene.filled(text).encode(encoding)


_ENTITY = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file://{elsewhere}/netrc">]>' + (_OVF % "&e;")[21:]
_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
    + (_OVF % "&i;")[21:]
)

_CONTENTS: dict[str, tuple[str, Callable[[Scene], bytes]]] = {
    "a VMDK with a parent that QEMU finds": ("a.vmdk", _vmdk(_parent("{elsewhere}/disk.img"))),
    "a VMDK with a parent on a server": ("a.vmdk", _vmdk(_parent("nbd://127.0.0.1:{http}/x"))),
    "a VMDK with a parent by JSON": ("a.vmdk", _vmdk(_parent('json:{\\"driver\\":\\"nbd\\"}'))),
    "a VMDK without capacity": ("a.vmdk", _vmdk(_extent('RW 2048 FLAT "{elsewhere}/disk.img" 0'), capacity=0)),
    "a VMDK without capacity, in one place": (
        "a.vmdk",
        _vmdk(_extent('RW 2048 FLAT "{elsewhere}/disk.img" 0'), capacity=0, shown_at=1),
    ),
    "a VMDK of text": ("a.vmdk", _extent('RW 2048 FLAT "{elsewhere}/disk.img" 0')),
    "a VMDK of text, of this folder": ("a.vmdk", _extent('RW 2048 FLAT "a.img" 0')),
    "a VMDK of text on a server": ("a.vmdk", _extent('RW 2048 FLAT "nbd://127.0.0.1:{http}/x" 0')),
    "a VMDK of a device": ("a.vmdk", _extent('RW 2048 VMFSRDM "/dev/sda"', "vmfsRawDeviceMap")),
    "a VMDK as a raw disk": ("a.img", _vmdk(_parent("{elsewhere}/disk.img"))),
    "a qcow2 with a backing file": ("a.qcow2", _named("{elsewhere}/disk.img")),
    "a qcow2 with a backing file by ..": ("a.qcow2", _named("../../elsewhere/disk.img")),
    "a qcow2 with a backing file by JSON": (
        "a.qcow2",
        _named('json:{"driver":"nbd","host":"127.0.0.1","port":"{http}"}'),
    ),
    "a qcow2 with a backing file on a server": ("a.qcow2", _named("http://127.0.0.1:{http}/x")),
    "a qcow2 with a file of data": ("a.qcow2", _named("{elsewhere}/disk.img", data=True)),
    "a qcow2 with unknown features": ("a.qcow2", lambda _: qcow2(incompatible=1 << 40)),
    "a qcow2 as a raw disk": ("a.img", _named("{elsewhere}/disk.img")),
    "a QED with a backing file": (
        "a.qed",
        lambda _: b"QED\0" + struct.pack("<IIIQQQ", 65536, 4, 1, 1, 0, 0) + bytes(65536),
    ),
    "a VHD with a parent": ("a.vhd", _vhd_with_parent),
    "a name like an option": ("-o.img", lambda _: bytes(512)),
    "a name like JSON": ("json:{}.img", lambda _: bytes(512)),
    "a name like a server": ("nbd:127.0.0.1:10809.img", lambda _: bytes(512)),
    "a name like help": ("--help", lambda _: bytes(512)),
    "an OVA with a link": ("a.ova", _in_ova("d.vmdk", "d.vmdk", tarfile.SYMTYPE, "{elsewhere}/disk.img")),
    "an OVA with a hard link": ("a.ova", _in_ova("d.vmdk", "d.vmdk", tarfile.LNKTYPE, "{elsewhere}/disk.img")),
    "an OVA with a device": ("a.ova", _in_ova("d.vmdk", "d.vmdk", tarfile.CHRTYPE, "x")),
    "an OVA with ..": ("a.ova", _in_ova("../../elsewhere/disk.img", "../../elsewhere/disk.img")),
    "an OVA with a path": ("a.ova", _in_ova("{elsewhere}/disk.img", "{elsewhere}/disk.img")),
    "an OVA with a name of commands": ("a.ova", _in_ova("x", "\n::error::PWN\x1b[31m")),
    "an OVA that is cut": ("a.ova", lambda scene: _in_ova("d.vmdk", "d.vmdk")(scene)[:700]),
    "an OVF that leads out": ("a.ovf", _ovf(_OVF % "../../elsewhere/disk.img")),
    "an OVF with a path": ("a.ovf", _ovf(_OVF % "{elsewhere}/disk.img")),
    "an OVF with an encoded path": ("a.ovf", _ovf(_OVF % "%2e%2e/%2e%2e/elsewhere/disk.img")),
    "an OVF with a URL": ("a.ovf", _ovf(_OVF % "http://127.0.0.1:{http}/x")),
    "an OVF with a file URL": ("a.ovf", _ovf(_OVF % "file://{elsewhere}/disk.img")),
    "an OVF with an entity": ("a.ovf", _ovf(_ENTITY)),
    "an OVF with an entity, in UTF-16": ("a.ovf", _ovf(_ENTITY, "utf-16")),
    "an OVF with entities of entities": ("a.ovf", _ovf(_LAUGHS)),
    "an OVF with commands": ("a.ovf", _ovf(_OVF % "&#10;::error::PWN&#x9b;31m")),
    "a compressed disk that grows": ("a.img.gz", lambda _: gzip.compress(bytes(2**26))),
    "a compressed disk that is cut": ("a.img.gz", lambda _: gzip.compress(b"x" * 4096)[:-12]),
    "compressed twice": ("a.img.gz", lambda _: gzip.compress(gzip.compress(bytes(4096)))),
}
IMAGES: dict[str, Build] = {tries: _image(name, content) for tries, (name, content) in _CONTENTS.items()}

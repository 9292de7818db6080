"""Our recogniser beside OpenStack's: each case of its format inspector, and what we make of it.

Source: oslo.utils, oslo_utils/imageutils/format_inspector.py (the checks in its classes) and its tests,
oslo_utils/tests/imageutils/test_format_inspector.py. Where we differ the row says why.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from unit.providers.formats.builders import NO_DIRECTORY, descriptor, qcow2, vmdk, vmdk_header, vmdk_with_footer

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.recognising import recognise

SECTORS = 2048
TEXT = descriptor(SECTORS)
HEAD, FOOT = (vmdk_header(SECTORS, place, version=3, flags=0x30001) for place in (NO_DIRECTORY, 21))


def recognised(content: bytes) -> DiskFormat:
    return recognise(lambda offset, length: content[offset : offset + length], len(content), "image")


def with_disc(content: bytes) -> bytes:
    padded = bytearray(content.ljust(65536, b"\0"))
    padded[32769:32774] = b"CD001"
    return bytes(padded)


REFUSED_BY_BOTH: list[tuple[str, Callable[[], bytes]]] = [
    ("QcowInspector.check_backing_file", lambda: qcow2(backing=104)),
    ("QcowInspector.check_data_file", lambda: qcow2(features=4)),
    ("QcowInspector.check_unknown_features, same byte", lambda: qcow2(features=1 << 5)),
    ("QcowInspector.check_unknown_features, another byte", lambda: qcow2(features=1 << 40)),
    ("QEDInspector: banned", lambda: b"QED\0".ljust(1024, b"\0")),
    ("VMDKInspector.post_process: signature", lambda: b"COWD".ljust(1024, b"\0")),
    ("VMDKInspector.post_process: version", lambda: vmdk(TEXT, version=4)),
    ("VMDKInspector.post_process: wrong descriptor location", lambda: vmdk(TEXT, place=2)),
    ("VMDKInspector.virtual_size: createType", lambda: vmdk(descriptor(SECTORS, kind="monolithicFlat"))),
    ("VMDKInspector.virtual_size: no createType", lambda: vmdk(TEXT.replace(b"createType", b"x"))),
    ("VMDKInspector.check_descriptor: not ASCII", lambda: vmdk(b"\x80" + TEXT)),
    ("VMDKInspector.check_descriptor: line not understood", lambda: vmdk(descriptor(SECTORS, more="two words\n"))),
    ("VMDKInspector.check_descriptor: path", lambda: vmdk(descriptor(SECTORS, extent='RW 2048 SPARSE "/x/y"'))),
    ("VMDKInspector.check_descriptor: no extents", lambda: vmdk(descriptor(SECTORS, extent="# none"))),
    ("VMDKInspector.check_descriptor: no descriptor", lambda: vmdk(b"", place=0, size=0)),
    ("detect_file_format: several formats, qcow2 and ISO", lambda: with_disc(qcow2())),
    ("detect_file_format: several formats, VDI and qcow2", lambda: qcow2()[:64] + b"\x7f\x10\xda\xbe" + qcow2()[68:]),
]
ACCEPTED_BY_BOTH: list[tuple[str, Callable[[], bytes], DiskFormat]] = [
    ("RawFileInspector", lambda: b"\1".ljust(1024, b"\0"), DiskFormat("raw", 1024)),
    ("QcowInspector, version 3", qcow2, DiskFormat("qcow2", 1 << 20)),
    ("QcowInspector, dirty bit", lambda: qcow2(features=1), DiskFormat("qcow2", 1 << 20, dirty=True)),
    ("VMDKInspector, monolithicSparse", lambda: vmdk(TEXT), DiskFormat("vmdk", SECTORS * 512)),
    (
        "VMDKInspector, streamOptimized without a footer",
        lambda: vmdk(descriptor(SECTORS, kind="streamOptimized"), version=3, flags=0x30001),
        DiskFormat("vmdk", SECTORS * 512),
    ),
]
STRICTER: list[tuple[str, Callable[[], bytes]]] = [
    ("QcowInspector knows no encryption", lambda: qcow2(encryption=1)),
    ("QcowInspector allows the corrupt bit", lambda: qcow2(features=2)),
    ("QcowInspector reads no tables", lambda: qcow2(size=1 << 50)),
    ("VMDKInspector takes any capacity", lambda: vmdk(TEXT, capacity=0)),
    ("VMDKInspector knows no hint of a parent", lambda: vmdk(descriptor(SECTORS, more='parentFileNameHint="x"\n'))),
    ("VMDKInspector knows no parent's id", lambda: vmdk(TEXT.replace(b"ffffffff", b"12345678"))),
    ("VMDKInspector looks for '/' only", lambda: vmdk(descriptor(SECTORS, extent='RW 2048 SPARSE "nbd:x"'))),
    ("VMDKInspector allows other files", lambda: vmdk(descriptor(SECTORS, extent='RW 2048 FLAT "x"'))),
    ("VHDInspector checks no sum", lambda: b"conectix".ljust(1024, b"\0")),
    ("VHDXInspector checks no sum", lambda: b"vhdxfile".ljust(1 << 20, b"\0")),
    ("VDIInspector reads the signature only", lambda: (bytes(64) + b"\x7f\x10\xda\xbe").ljust(1024, b"\0")),
    ("ISOInspector lets ISO images through", lambda: with_disc(b"")),
    ("RawFileInspector matches a Git LFS pointer", lambda: b"version https://git-lfs".ljust(1024, b"\0")),
    ("RawFileInspector matches everything", lambda: b"WithoutFreeSpace".ljust(1024, b"\0")),
]


@pytest.mark.parametrize(("source", "make"), REFUSED_BY_BOTH)
def test_what_openstack_refuses_is_refused(source: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(SourceError):
        recognised(make())


@pytest.mark.parametrize(("source", "make", "expected"), ACCEPTED_BY_BOTH)
def test_what_openstack_accepts_is_accepted(source: str, make: Callable[[], bytes], expected: DiskFormat) -> None:
    assert recognised(make()) == expected


@pytest.mark.parametrize(("source", "make"), STRICTER)
def test_what_only_openstack_accepts(source: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(SourceError):
        recognised(make())


def test_a_footer_is_accepted_where_it_can_be_compared() -> None:
    """OpenStack refuses every footer, for it reads a stream; we can read the end of the file, and compare."""
    content = vmdk_with_footer(descriptor(SECTORS, kind="streamOptimized"), HEAD, FOOT)
    assert recognised(content) == DiskFormat("vmdk", SECTORS * 512)

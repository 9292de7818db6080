"""VMDKs that name other files, in every place where a reader may look for such a name."""

from __future__ import annotations

import pytest
from unit.providers.formats.builders import (
    END_OF_DIRECTORY,
    NO_DIRECTORY,
    descriptor,
    vmdk,
    vmdk_header,
    vmdk_with_footer,
)

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.recognising import recognise

SECTORS = 2048
SOUND = descriptor(SECTORS)
STREAMED = descriptor(SECTORS, kind="streamOptimized")
COMPRESSED = 0x30001
FLAT = descriptor(2, kind="monolithicFlat", extent='RW 2 FLAT "/etc/shadow" 0')


def recognised(content: bytes) -> DiskFormat:
    return recognise(lambda offset, length: content[offset : offset + length], len(content), "image")


def test_a_vmdk_written_by_hand_is_accepted() -> None:
    assert recognised(vmdk(SOUND)) == DiskFormat("vmdk", SECTORS * 512)


def test_a_footer_that_repeats_the_header_is_accepted() -> None:
    head, foot = (vmdk_header(SECTORS, place, version=3, flags=COMPRESSED) for place in (NO_DIRECTORY, 21))
    assert recognised(vmdk_with_footer(STREAMED, head, foot)) == DiskFormat("vmdk", SECTORS * 512)


@pytest.mark.parametrize("capacity", [0, 1, SECTORS + 1, 1 << 62])
def test_a_header_that_says_something_else_than_its_footer_is_refused(capacity: int) -> None:
    """QEMU believes the header first, and with a capacity of 0 opens whatever the descriptor names."""
    head = vmdk_header(capacity, NO_DIRECTORY, version=3, flags=COMPRESSED)
    foot = vmdk_header(SECTORS, 21, version=3, flags=COMPRESSED)
    for text in (STREAMED, FLAT):
        with pytest.raises(SourceError, match=r"cannot be used|damaged"):
            recognised(vmdk_with_footer(text, head, foot))


@pytest.mark.parametrize("text", [SOUND, FLAT])
def test_a_header_without_capacity_is_refused(text: bytes) -> None:
    with pytest.raises(SourceError, match="declares no capacity"):
        recognised(vmdk(text, capacity=0))


@pytest.mark.parametrize("name", ["/srv/parent.vmdk", "parent.vmdk", "nbd://127.0.0.1:10809/x", "json:{}"])
@pytest.mark.parametrize("before", ["", "# ", "x=", " "])
def test_a_parent_is_refused_wherever_in_the_text_it_is_named(name: str, before: str) -> None:
    text = descriptor(SECTORS, more=f'{before}parentFileNameHint="{name}"\n')
    with pytest.raises(SourceError, match="a VMDK delta"):
        recognised(vmdk(text))


@pytest.mark.parametrize("identity", ["12345678", "0", "FFFFFFFE"])
def test_the_id_of_a_parent_is_refused(identity: str) -> None:
    with pytest.raises(SourceError, match="a VMDK delta"):
        recognised(vmdk(SOUND.replace(b"parentCID=ffffffff", f"parentCID={identity}".encode())))


def test_a_second_descriptor_where_qemu_looks_is_refused() -> None:
    """The header points to an innocent text, and the one at byte 512 names a parent."""
    hostile = descriptor(SECTORS, more='parentFileNameHint="/etc/shadow"\n')
    content = vmdk_header(SECTORS, 41, place=21) + hostile.ljust(20 * 512, b"\0") + SOUND.ljust(20 * 512, b"\0")
    with pytest.raises(SourceError, match="not right behind its header"):
        recognised(content + bytes(1024))


@pytest.mark.parametrize("behind", [b"\0" + b'parentFileNameHint="x"', b"\0\0x"])
def test_text_behind_the_end_of_the_descriptor_is_refused(behind: bytes) -> None:
    with pytest.raises(SourceError, match="no clear end"):
        recognised(vmdk(SOUND + behind))


def test_a_descriptor_that_ends_before_qemu_stops_reading_is_refused() -> None:
    text = SOUND.ljust(512, b"\n")
    content = vmdk_header(SECTORS, 21, size=1) + text + b'parentFileNameHint="/etc/shadow"\n'.ljust(23 * 512, b"\0")
    with pytest.raises(SourceError, match="no clear end"):
        recognised(content)


@pytest.mark.parametrize(
    "extent",
    [
        'RW 2048 FLAT "disk-flat.vmdk" 0',
        'RW 2048 SPARSE "/srv/disk.vmdk"',
        'RW 2048 SPARSE "../disk.vmdk"',
        'RW 2048 SPARSE "nbd:127.0.0.1"',
        'RW 2048 SPARSE "C:\\\\disk.vmdk"',
        'RW 2048 SPARSE ""',
        "RW 2048 ZERO",
        'RW 2048 VMFS "disk-flat.vmdk"',
        'RW 2048 VMFSSPARSE "disk-delta.vmdk"',
        'RW 2048 SESPARSE "disk-sesparse.vmdk"',
        'NOACCESS 2048 SPARSE "disk.vmdk"',
        'RW 4096 SPARSE "disk.vmdk"',
        'RW 1 SPARSE "disk.vmdk"',
        'RW 99999999999999999999999 SPARSE "disk.vmdk"',
        'RW 2048 SPARSE "disk.vmdk" 7',
        'RW 2048 SPARSE "disk.vmdk"\nRW 2048 SPARSE "other.vmdk"',
        "something else",
        "",
    ],
)
def test_an_extent_other_than_the_file_itself_is_refused(extent: str) -> None:
    text = descriptor(SECTORS, extent=extent or "# none")
    with pytest.raises(SourceError):
        recognised(vmdk(text))


@pytest.mark.parametrize(
    "kind",
    ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "vmfs", "vmfsSparse", "seSparse", "custom",
     "fullDevice", "partitionedDevice", ""],
)  # fmt: skip
def test_a_type_other_than_the_two_that_are_one_file_is_refused(kind: str) -> None:
    with pytest.raises(SourceError):
        recognised(vmdk(descriptor(SECTORS, kind=kind)))


@pytest.mark.parametrize(
    "more", ['encryption.keySafe="vmware:key"\n', "unknown=1\n", "CID=12345678\n", 'createType="monolithicSparse"\n']
)
def test_a_line_that_is_unknown_or_occurs_twice_is_refused(more: str) -> None:
    with pytest.raises(SourceError, match="cannot be used"):
        recognised(vmdk(descriptor(SECTORS, more=more)))


@pytest.mark.parametrize(("version", "flags"), [(0, 1), (4, 1), (1, 8), (1, 1 << 18), (1, 1 << 31)])
def test_unknown_versions_and_flags_are_refused(version: int, flags: int) -> None:
    with pytest.raises(SourceError, match="are unknown"):
        recognised(vmdk(SOUND, version=version, flags=flags))


def test_an_extent_without_a_descriptor_is_one_part_of_a_disk() -> None:
    with pytest.raises(SourceError, match="one part of a VMDK"):
        recognised(vmdk(b"", place=0, size=0))
    with pytest.raises(SourceError, match="one part of a VMDK"):
        recognised(vmdk(b""))


def test_a_footer_without_its_markers_is_refused() -> None:
    head, foot = (vmdk_header(SECTORS, place, version=3, flags=COMPRESSED) for place in (NO_DIRECTORY, 21))
    content = vmdk_with_footer(STREAMED, head, foot)
    for broken in (content.replace(END_OF_DIRECTORY, bytes(16)), content[:-512] + b"\1" * 512, content[:-512]):
        with pytest.raises(SourceError, match="footer at its end is missing"):
            recognised(broken)

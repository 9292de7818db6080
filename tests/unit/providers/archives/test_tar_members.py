"""The members of a tar archive, read from headers that somebody else wrote."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.image_files.archives import header, write_ova

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.archives.members import Member
from reconciler.providers.image_files.archives.tar_members import tar_members

END = bytes(1024)


def members(path: Path) -> dict[str, Member]:
    fd = os.open(path, os.O_RDONLY)
    try:
        return tar_members(fd, str(path), "'x.ova'")
    finally:
        os.close(fd)


def content(member: Member) -> bytes:
    with open(member.path, "rb") as file:
        file.seek(member.offset)
        return file.read(member.size)


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_forms_of_tar_are_read_as_tarfile_reads_them(tmp_path: Path, form: int) -> None:
    written = {"x.ovf": b"ovf", "./disks/" + "long" * 20 + "/d.img": b"d" * 1000, "ümlaut ü.img": b"u", "empty": b""}
    with tarfile.open(tmp_path / "x.ova", "w", format=form) as archive:
        archive.addfile(special("disks", tarfile.DIRTYPE))
        for name, data in written.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5 if form == tarfile.PAX_FORMAT else 1
            archive.addfile(info, io.BytesIO(data))
    found = members(tmp_path / "x.ova")
    assert {name: content(member) for name, member in found.items()} == {
        name.removeprefix("./"): data for name, data in written.items()
    }


def test_an_archive_without_blocks_at_its_end_is_complete(tmp_path: Path) -> None:
    (tmp_path / "x.ova").write_bytes(header(b"a", 512) + bytes(512) + header(b"b", 100) + b"b" * 100)
    assert list(members(tmp_path / "x.ova")) == ["a", "b"]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"hello" * 200, "not a tar archive"),
        (header(b"a", -512), "size"),
        (header(b"a", 1 << 80), "size of its member|cut short"),
        (header(b"a", 4096) + b"x", "cut short: 'a' is incomplete"),
        (header(b"a", 0) + b"junk" * 128, "header at byte 512 is damaged"),
        (header(b"a", 0) + b"junk", "header at byte 512 is damaged"),
        (header(b"a", 0) + header(b"./a", 0), "two members 'a'"),
        (header(b"../a", 0), "its member '../a' is not a plain file"),
        (header(b"a/../../b", 0), "is not a plain file"),
        (header(b"/a", 0), "is not a plain file"),
        (header(b"", 0), "is not a plain file"),
        *((header(b"a", 0, kind), "is not a plain file") for kind in (b"1", b"2", b"3", b"4", b"6", b"S", b"V", b"M")),
        (header(b"l", 5, b"L") + b"../b\0".ljust(512, b"\0") + header(b"a", 0), "'../b' is not a plain file"),
        (header(b"l", 2, b"L") + b"b\0".ljust(512, b"\0") + header(b"l", 2, b"L") + b"c\0", "two names"),
        (header(b"x", 10, b"x") + b"10 path=b\n".ljust(512, b"\0") + header(b"l", 2, b"L") + b"c\0", "two names"),
        (header(b"x", 12, b"x") + b"12 size=-99\n".ljust(512, b"\0") + header(b"a", 0), "size of its member 'a'"),
        (header(b"x", 11, b"x") + b"99 path=bb\n".ljust(512, b"\0") + header(b"a", 0), "PAX headers is damaged"),
        (header(b"x", 11, b"x") + b"path=bbbbb\n".ljust(512, b"\0") + header(b"a", 0), "PAX headers is damaged"),
        (header(b"x", 10, b"g") + b"10 path=b\n".ljust(512, b"\0") + header(b"a", 0), "for all files"),
        (header(b"x", 22, b"x") + b"22 GNU.sparse.major=1\n".ljust(512, b"\0") + header(b"a", 0), "sparse"),
        (header(b"l", 2000, b"L") + b"n" * 2000 + bytes(48) + header(b"a", 0), "a name of 2000 characters"),
        (header(b"l", 0, b"L") * 9 + header(b"a", 0), "more than 8 of them"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, written: bytes, why: str) -> None:
    (tmp_path / "x.ova").write_bytes(written + END)
    with pytest.raises(SourceError, match=why) as caught:
        members(tmp_path / "x.ova")
    assert caught.value.message.startswith("'x.ova' ")
    assert len(caught.value.message) < 500


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    write_ova(tmp_path / "x.ova", (special("disk", tarfile.SYMTYPE, "/etc/passwd"), b""))
    with pytest.raises(SourceError, match="not a plain file"):
        members(tmp_path / "x.ova")


def test_many_members_end_at_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "x.ova").open("wb") as file:
        for number in range(200_000):
            file.write(header(b"%d" % number, 0))
    reads = 0
    real = os.pread

    def counted(*arguments: int) -> bytes:
        nonlocal reads
        reads += 1
        return real(*arguments)

    monkeypatch.setattr(os, "pread", counted)
    with pytest.raises(SourceError, match="more than 1000 members"):
        members(tmp_path / "x.ova")
    assert reads <= 1002


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"X", b"g"])
def test_an_extension_header_of_gigabytes_is_not_read(tmp_path: Path, kind: bytes) -> None:
    with (tmp_path / "x.ova").open("wb") as file:
        file.write(header(b"././@LongLink", 6 << 30, kind))
        file.truncate((6 << 30) + 10240)
    program = (
        "import os, sys; from reconciler.providers.image_files.archives.tar_members import tar_members; "
        "tar_members(os.open(sys.argv[1], os.O_RDONLY), sys.argv[1], 'label')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.ova")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20)),
    )
    assert "SourceError" in ran.stderr
    assert "longer than 1 MiB" in ran.stderr

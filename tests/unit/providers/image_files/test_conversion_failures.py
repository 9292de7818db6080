"""What went wrong with a conversion is said without qemu-img's own terms, and with a remedy that works."""

from __future__ import annotations

import resource
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.jail.terms import Limit, Limits, Result
from reconciler.providers.image_files.qemu_failures import failure
from reconciler.providers.image_files.qemu_limits import limits_for
from reconciler.providers.image_files.scratch import scratch_file
from reconciler.providers.image_files.source_disks import SourceDisk

GIB = 1 << 30
LIMITS = Limits(memory=2 * GIB, processor_s=600, file_size=5 * GIB, time_s=600)
GRAPH = """json:{"driver": "qcow2", "file": {"driver": "file", "filename": "/dev/fd/3"}, "backing": null}"""


@pytest.fixture
def disk(tmp_path: Path) -> SourceDisk:
    return disk_of(tmp_path / "my image.qcow2")


def disk_of(path: Path, name: str = "qcow2", offset: int = 0) -> SourceDisk:
    path.write_bytes(bytes(8192))
    return SourceDisk("os", Extent(str(path), offset, 8192 - offset, "'my image'"), DiskFormat(name, 4 * GIB), "")


def said(disk: SourceDisk, code: int, output: str = "", limit: Limit | None = None) -> tuple[str, str]:
    error = failure(disk, 4, Result(code, output, limit, frozenset()), LIMITS)
    return str(error), error.remedy


@pytest.mark.parametrize(
    ("limit", "words", "remedy"),
    [
        (Limit.TIME, "not done after 10 minutes", "RECONCILER_QEMU_IMG_MINUTES=40"),
        (Limit.PROCESSOR, "used 10 minutes of processor time", "RECONCILER_QEMU_IMG_MINUTES=40"),
        (Limit.MEMORY, "more than 2048 MiB of memory", "RECONCILER_QEMU_IMG_MEMORY_MIB=4096"),
        (Limit.FILE_SIZE, f"wrote beyond {5 * GIB} bytes, although the disk has {4 * GIB}", "build the image again"),
    ],
)
def test_a_limit_is_named_with_its_size(disk: SourceDisk, limit: Limit, words: str, remedy: str) -> None:
    message, advice = said(disk, -9, "", limit)
    assert words in message
    assert remedy in advice


@pytest.mark.parametrize(
    ("code", "output", "words", "remedy"),
    [
        (-9, "", "was killed by the system or by somebody", "Out of memory"),
        (-31, "", "tried to start another program", "attack"),
        (-11, "", "crashed (SIGSEGV)", "qemu-img check"),
        (1, "error while writing at byte 0: No space left on device", "is full", "TMPDIR"),
        (1, "error while writing at byte 0: Disk quota exceeded", "is full", "TMPDIR"),
        (1, "", "qemu-img says nothing", "qemu-img check"),
    ],
)
def test_other_ends_are_explained(disk: SourceDisk, code: int, output: str, words: str, remedy: str) -> None:
    message, advice = said(disk, code, output)
    assert words in message
    assert remedy in advice


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (f"qemu-img: Could not open '{GRAPH}': Image is corrupt", '"Could not open the image: Image is corrupt"'),
        ("qemu-img: Could not open '/dev/fd/4': Permission denied", '"Could not open the result: Permission denied"'),
        ("qemu-img: Could not open '/dev/fd/3':\n\tno", '"Could not open the image: no"'),
        ("qemu-img: \x1b[31mred\u202e", '"?[31mred?"'),
    ],
)
def test_names_that_only_qemu_img_was_given_are_not_shown(disk: SourceDisk, output: str, words: str) -> None:
    assert said(disk, 1, output)[0] == f"'my image' cannot be converted: qemu-img says {words}"


def test_what_qemu_img_says_is_cut(disk: SourceDisk) -> None:
    assert len(said(disk, 1, "x" * 8000)[0]) < 400


def test_a_command_is_advised_only_where_it_works(tmp_path: Path) -> None:
    path = tmp_path / "my image.qcow2"
    assert said(disk_of(path), 1)[1] == f"check it with: qemu-img check -f qcow2 {shlex.quote(str(path))}"
    assert said(disk_of(path, offset=512), 1)[1] == f"fetch or export {shlex.quote(str(path))} again"
    assert said(disk_of(path, "vhd-dynamic"), 1)[1] == "fetch or build the image again"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_too_large_for_the_folder_is_not_blamed_on_the_image(disk: SourceDisk) -> None:
    with (
        largest_file(1 << 20),
        pytest.raises(ProviderError, match=r"no file in .* can have the 4294967296 bytes") as caught,
        scratch_file(disk, 4 * GIB),
    ):
        pass
    assert "TMPDIR" in caught.value.remedy


def test_no_folder_for_temporary_files_is_said(disk: SourceDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", disk.extent.path)
    with pytest.raises(ProviderError, match="no folder for temporary files") as caught, scratch_file(disk):
        pass
    assert "TMPDIR" in caught.value.remedy


def test_limits_grow_with_what_there_is_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holes take no time: a file of 8 KiB holds 8 MiB at most, however large its disk is."""
    small = limits_for(disk_of(tmp_path / "a"))
    large = SourceDisk("os", Extent("a", 0, 100 * GIB, "a"), DiskFormat("qcow2", 100 * GIB), "")
    assert small.time_s == 600
    assert limits_for(large).time_s == 600 + 60 * (100 * GIB // (300 << 20))
    assert limits_for(large).file_size > 100 * GIB
    monkeypatch.setenv("RECONCILER_QEMU_IMG_MINUTES", "5")
    assert limits_for(large).time_s == limits_for(large).processor_s == 300

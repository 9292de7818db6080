"""qemu-img in its jail: images that name other files or hosts, although nothing recognised them as such before."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.providers.azure.images.conversion import converted
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.jail.running import run
from reconciler.providers.image_files.jail.terms import Limits, Wall
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.libvirt.content.conversion import converted as converted_for_a_pool

pytestmark = pytest.mark.qemu

SECRET = b"the secret of the build host"
MIB = 1 << 20
LIMITS = Limits(memory=1 << 30, processor_s=60, file_size=4 * MIB, time_s=120)


def forced(path: Path, name: str, virtual_size: int = MIB) -> SourceDisk:
    """A disk as if its file had been recognised as this."""
    extent = Extent(str(path), 0, path.stat().st_size, f"'{path.name}'")
    return SourceDisk("os", extent, DiskFormat(name, virtual_size), "")


def convert(image: Path) -> bytes:
    """The first sectors that would be uploaded to Azure."""
    with (
        image.open("rb") as source,
        converted(source.fileno(), forced(image, image.suffix[1:]), plain=False) as (made, _),
    ):
        return os.pread(made, 2 * MIB, 0)


def convert_for_a_pool(image: Path) -> bytes:
    """The first sectors of a raw volume."""
    with converted_for_a_pool(forced(image, image.suffix[1:]), "raw") as into:
        return os.pread(into.fd, 2 * MIB, 0)


def descriptor(extents: str, more: str = "") -> bytes:
    return (
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
        f'createType="monolithicFlat"\n{more}{extents}ddb.adapterType = "ide"\n'
    ).encode()


def vmdk_header(capacity: int, directory: int) -> bytes:
    fields = struct.pack("<IIQQQQIQQQB4sH", 3, 0x30001, capacity, 128, 1, 20, 512, 0, directory, 128, 0, b"\n \r\n", 1)
    return (b"KDMV" + fields).ljust(512, b"\0")


def vmdk_with_extent(folder: Path, secret: Path) -> Path:
    """The header has no capacity, and so QEMU opens what the embedded descriptor names."""
    text = descriptor(f'RW 2048 FLAT "{secret}" 0\n')
    end = bytes(1024) + struct.pack("<QII", 1, 0, 3).ljust(512, b"\0") + vmdk_header(2048, 21) + bytes(512)
    path = folder / "extent.vmdk"
    path.write_bytes(vmdk_header(0, (1 << 64) - 1) + text.ljust(20 * 512, b"\0") + end)
    return path


def vmdk_with_parent(folder: Path, parent: str) -> Path:
    """QEMU opens the parent that the descriptor names, whatever `parentCID` says."""
    path = folder / "parent.vmdk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", path, "1M"], check=True)
    content = bytearray(path.read_bytes())
    start = content.index(b"# Disk DescriptorFile")
    text = bytes(content[start : start + 10240]).rstrip(b"\0")
    hint = b'parentCID=ffffffff\nparentFileNameHint="%s"' % parent.encode()
    content[start : start + 10240] = text.replace(b"parentCID=ffffffff", hint).ljust(10240, b"\0")
    path.write_bytes(content)
    return path


def vmdk_with_parent_file(folder: Path, secret: Path) -> Path:
    base = folder / "base.vmdk"
    base.write_bytes(descriptor(f'RW 2048 FLAT "{secret}" 0\n').replace(b"CID=12345678", b"CID=ffffffff"))
    return vmdk_with_parent(folder, str(base))


def qcow2_with_backing(folder: Path, secret: Path) -> Path:
    path = folder / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, path], check=True)
    return path


def qcow2_with_data_file(folder: Path, secret: Path) -> Path:
    path, kept = folder / "apart.qcow2", folder / "kept"
    shutil.copy(secret, kept)
    options = f"data_file={secret},data_file_raw=on"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "1M"], check=True)
    shutil.copy(kept, secret)  # qemu-img has emptied it
    return path


IMAGES = [vmdk_with_extent, vmdk_with_parent_file, qcow2_with_backing, qcow2_with_data_file]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET.ljust(MIB, b"\0"))
    return path


@pytest.mark.parametrize("make", IMAGES)
def test_an_image_gets_nothing_of_another_file(
    tmp_path: Path, secret: Path, make: Callable[[Path, Path], Path]
) -> None:
    image = make(tmp_path, secret)
    made = b""
    for conversion in (convert, convert_for_a_pool):
        with suppress(SourceError):
            made += conversion(image)

    assert SECRET not in made
    assert secret.read_bytes().startswith(SECRET)


@pytest.mark.parametrize("make", IMAGES)
def test_without_landlock_it_is_a_real_attack(tmp_path: Path, secret: Path, make: Callable[[Path, Path], Path]) -> None:
    """With no more than the format, qemu-img publishes the secret; in the jail it cannot, however it is called."""
    image = make(tmp_path, secret)

    outside, _ = _plainly(image, set())
    inside, standing = _plainly(image, set(Wall))

    assert SECRET in outside
    assert (SECRET in inside) == (Wall.LANDLOCK not in standing)


def test_no_connection_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        image = vmdk_with_parent(tmp_path, f"nbd://127.0.0.1:{listener.getsockname()[1]}/x")
        with suppress(SourceError):
            convert(image)
        _, standing = _plainly(image, set(Wall))
        if standing:
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
        listener.settimeout(20)
        outside = _started_outside(image)
        try:
            listener.accept()[0].close()
        finally:
            outside.kill()
            outside.communicate()


def test_an_error_names_no_descriptor_and_no_graph(tmp_path: Path, secret: Path) -> None:
    image = vmdk_with_extent(tmp_path, secret)

    with pytest.raises(SourceError) as caught:
        convert(image)

    text = f"{caught.value} {caught.value.remedy}"
    assert text.startswith("'extent.vmdk' cannot be converted: qemu-img says")
    assert "/dev/fd" not in text
    assert "json:" not in text


def test_a_remedy_with_qemu_img_names_the_file(tmp_path: Path) -> None:
    image = tmp_path / "it's.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    with image.open("r+b") as file:
        file.seek(40)
        file.seek(int.from_bytes(file.read(8), "big"))
        file.write((0x8000000000000000 | 0x12345).to_bytes(8, "big"))

    with pytest.raises(SourceError) as caught:
        convert(image)

    command = caught.value.remedy.removeprefix("check it with: ")
    checked = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert "No such file" not in checked.stderr
    assert "corrupt" in checked.stdout + checked.stderr
    assert "json:" not in str(caught.value)


def test_a_limit_of_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VHDX of 60 TiB has a table of 480 MiB, which QEMU reads whole."""
    image = tmp_path / "large.vhdx"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M", image, "60T"], check=True)
    monkeypatch.setenv("RECONCILER_QEMU_IMG_MEMORY_MIB", "512")

    with pytest.raises(ProviderError) as caught:
        convert(image)

    assert "needs more than 512 MiB of memory" in str(caught.value)
    assert "RECONCILER_QEMU_IMG_MEMORY_MIB=1024" in caught.value.remedy


def test_more_than_the_disk_is_not_written(tmp_path: Path) -> None:
    """The header names another size than was recognised."""
    image = tmp_path / "disk.qcow2"
    raw = tmp_path / "disk.raw"
    raw.write_bytes(bytes(200 * MIB) + b"the end")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)

    with pytest.raises(SourceError, match=r"was stopped when it wrote beyond .* although the disk has 1048576"):
        convert_for_a_pool(image)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "lots", "511", "9" * 30])
def test_a_variable_that_makes_no_sense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    monkeypatch.setenv("RECONCILER_QEMU_IMG_MEMORY_MIB", text)

    with pytest.raises(ProviderError, match="RECONCILER_QEMU_IMG_MEMORY_MIB is not a whole number"):
        convert(image)


def _plainly(image: Path, walls: set[Wall]) -> tuple[bytes, frozenset[Wall]]:
    """What qemu-img makes of an image when it is given only its format, and the walls around it."""
    program = shutil.which("qemu-img")
    assert program is not None
    made = image.with_suffix(".made")
    with image.open("rb") as source, made.open("w+b") as target:
        names = [f"/dev/fd/{file.fileno()}" for file in (source, target)]
        arguments = ["convert", "-f", image.suffix[1:], "-O", "raw", *names]
        result = run(os.path.realpath(program), arguments, (source.fileno(), target.fileno()), LIMITS, walls)
    return made.read_bytes(), result.standing


def _started_outside(image: Path) -> subprocess.Popen[bytes]:
    """The same without a jail, where it connects to what the image names, and waits for an answer."""
    command = ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", str(image), str(image.with_suffix(".outside"))]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)

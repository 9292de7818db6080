"""Images of every format are converted to that of the pools, with the same digest however sectors are laid out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.content.digests import digest_of as made_by_hand
from support.content.digests import digest_of_path

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.providers.libvirt.content.conversion import converted
from reconciler.providers.libvirt.content.guest_content import content as seen_by_a_machine
from reconciler.providers.libvirt.content.pieces import digest_of

pytestmark = pytest.mark.qemu

CONTENT = os.urandom(3 << 20) + bytes(70 << 20) + b"\1" * 4096 + bytes((1 << 20) - 4096) + os.urandom(512 << 10)
KINDS = {"raw": "", "qcow2": "compat=1.1", "vpc": "subformat=fixed,force_size", "vhdx": "", "vmdk": ""}


def image(folder: Path, kind: str, content: bytes = CONTENT) -> Path:
    raw, made = folder / "plain.img", folder / f"image.{kind}"
    raw.write_bytes(content)
    options = ["-o", KINDS[kind]] if KINDS[kind] else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *options, raw, made], check=True)
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool_format", ["qcow2", "raw"])
def test_every_format_has_the_same_content(tmp_path: Path, kind: str, pool_format: str) -> None:
    path = image(tmp_path, kind)
    (disk,) = FileSources(str(tmp_path)).disks({"file": path.name}, None)
    with converted(disk, pool_format) as made:
        assert made.content == made_by_hand(CONTENT)
        assert made.digest == digest_of_path(path)
        assert (made.virtual_size, made.format) == (len(CONTENT), pool_format)
        assert os.fstat(made.fd).st_blocks * 512 < 8 << 20, "the holes were filled"
        head = os.pread(made.fd, 8, 0)
        assert head == (b"QFI\xfb\0\0\0\3" if pool_format == "qcow2" else CONTENT[:8])


def test_an_image_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = image(tmp_path, "raw")
    (disk,) = FileSources(str(tmp_path)).disks({"file": path.name}, None)
    os.utime(path, ns=(1, 1))
    with pytest.raises(SourceError, match="changed"), converted(disk, "qcow2"):
        pass


def test_a_qcow2_that_cannot_be_read_in_full_is_refused(tmp_path: Path) -> None:
    """A flipped byte of data changes the digest; a truncated table, compression and a backing file are refused."""
    plain = image(tmp_path, "qcow2").read_bytes()
    assert _digest(plain) == made_by_hand(CONTENT)
    changed = bytearray(plain)
    changed[plain.index(CONTENT[:64])] ^= 1
    assert _digest(bytes(changed)) != made_by_hand(CONTENT)
    with pytest.raises(SourceError, match="ends before"):
        _digest(plain[:200])
    packed, overlay = tmp_path / "packed.qcow2", tmp_path / "overlay.qcow2"
    base = tmp_path / "plain.img"
    subprocess.run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", base, packed], check=True)
    with pytest.raises(SourceError, match="compressed"):
        _digest(packed.read_bytes())
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, overlay], check=True)
    with pytest.raises(SourceError, match="never created here"):
        _digest(overlay.read_bytes())


def _digest(content: bytes) -> ContentDigest:
    def read(position: int, length: int) -> bytes:
        return content[position : position + length]

    seen = seen_by_a_machine(read, lambda *where: iter([read(*where)]), "qcow2", len(CONTENT), "the image")
    return digest_of(seen)

"""Images that somebody else made, in a project: the plan refuses them, and an apply publishes nothing."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.providers.formats.builders import NO_DIRECTORY, descriptor, qcow2, vmdk, vmdk_header, vmdk_with_footer

pytestmark = pytest.mark.qemu

SECRET = "TOP SECRET of the build host"
MANIFEST = """kind: Gallery
name: corp
location: eastus
---
kind: ImageDefinition
gallery: corp
name: img
osType: Linux
osState: Generalized
identifier: {{publisher: p, offer: o, sku: s}}
---
kind: ImageVersion
image: corp/img
name: 1.0.0
source: {{file: {image}}}
"""


def reconciler(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments], cwd=project, capture_output=True, text=True, check=False
    )


def project_with(folder: Path, image: Path) -> Path:
    project = folder / "project"
    (project / "manifests").mkdir(parents=True)
    (project / "regions" / "eastus").mkdir(parents=True)
    (project / "reconciler.yaml").write_text(
        "project: t\nmanifests: [manifests]\nprovider: {type: local, root: regions}\n"
    )
    os.rename(image, project / image.name)
    (project / "manifests" / "m.yaml").write_text(MANIFEST.format(image=f"../{image.name}"))
    return project


def made(folder: Path, name: str, driver: str, options: str = "", size: int = 4 << 20) -> Path:
    raw = folder / "made.raw"
    raw.write_bytes(random.Random(1).randbytes(1 << 20))
    os.truncate(raw, size)
    chosen = ["-o", options] if options else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", driver, *chosen, raw, folder / name], check=True)
    return folder / name


def patched(path: Path, *changes: tuple[int, str, int]) -> Path:
    content = bytearray(path.read_bytes())
    for offset, layout, value in changes:
        struct.pack_into(layout, content, offset, value)
    path.write_bytes(content)
    return path


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def header_and_footer(folder: Path) -> Path:
    """The header's capacity is 0, so that QEMU opens what the text names; the footer looks sound."""
    text = descriptor(2, kind="monolithicFlat", extent=f'RW 2 FLAT "{folder}/secret.txt" 0')
    head, foot = (vmdk_header(*place, version=3, flags=0x30001) for place in ((0, NO_DIRECTORY), (2, 21)))
    return written(folder, "evil.vmdk", vmdk_with_footer(text, head, foot))


def hint(folder: Path) -> Path:
    return written(folder, "hint.vmdk", vmdk(descriptor(2048, more=f'parentFileNameHint="{folder}/secret.txt"\n')))


def two_descriptors(folder: Path) -> Path:
    hostile = descriptor(2048, more=f'parentFileNameHint="{folder}/secret.txt"\n').ljust(20 * 512, b"\0")
    content = vmdk_header(2048, 41, place=21) + hostile + descriptor(2048).ljust(20 * 512, b"\0")
    return written(folder, "two.vmdk", content + bytes(1024))


def no_capacity(folder: Path) -> Path:
    text = descriptor(2, kind="monolithicFlat", extent=f'RW 2 FLAT "{folder}/secret.txt" 0')
    return written(folder, "empty.vmdk", vmdk(text, capacity=0))


def one_extent(folder: Path) -> Path:
    made(folder, "s.vmdk", "vmdk", "subformat=twoGbMaxExtentSparse", 3 << 30)
    return folder / "s-s001.vmdk"


def counts_beyond_everything(folder: Path) -> Path:
    image = made(folder, "q.qcow2", "qcow2")
    (table,) = struct.unpack_from(">Q", image.read_bytes(), 48)
    return patched(image, (table, ">Q", (1 << 64) - 512))


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "a VMDK header and footer": header_and_footer,
    "a VMDK hint of a parent": hint,
    "a VMDK with two descriptors": two_descriptors,
    "a VMDK without capacity": no_capacity,
    "a Parallels disk": lambda folder: made(folder, "p.hds", "parallels"),
    "one extent of a split VMDK": one_extent,
    "reference counts beyond everything": counts_beyond_everything,
    "a VMDK descriptor of 2^63 bytes": lambda folder: patched(made(folder, "a.vmdk", "vmdk"), (36, "<Q", 1 << 54)),
    "a VMDK of 2^60 bytes": lambda folder: patched(made(folder, "a.vmdk", "vmdk"), (12, "<Q", 1 << 51)),
    "a VMDK with endless tables": lambda folder: patched(made(folder, "a.vmdk", "vmdk"), (44, "<I", (1 << 32) - 1)),
    "a qcow2 of 2^63 bytes": lambda folder: patched(made(folder, "a.qcow2", "qcow2"), (24, ">Q", 1 << 63)),
    "an encrypted qcow2": lambda folder: patched(made(folder, "e.qcow2", "qcow2"), (32, ">I", 1)),
    "a qcow2 with an unknown feature": lambda folder: patched(made(folder, "f.qcow2", "qcow2"), (72, ">Q", 1 << 5)),
    "a qcow2 with the last unknown feature": lambda folder: patched(
        made(folder, "f.qcow2", "qcow2"), (72, ">Q", 1 << 63)
    ),
    "a qcow2 with a small L1 table": lambda folder: patched(made(folder, "l.qcow2", "qcow2"), (24, ">Q", 1 << 40)),
    "a VHDX without a valid header": lambda folder: patched(
        made(folder, "h.vhdx", "vhdx"), (65540, "<I", 0), (131076, "<I", 0)
    ),
    "a qcow2 over a backing file": lambda folder: written(folder, "b.qcow2", qcow2(backing=104)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_image_is_refused_in_the_plan_and_never_published(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_bytes(SECRET.encode().ljust(1024, b"\0"))
    image = HOSTILE[name](tmp_path)
    project = project_with(tmp_path, image)
    planned = reconciler(project, "plan")
    applied = reconciler(project, "apply", "--auto-approve")
    for run in (planned, applied):
        said = run.stdout + run.stderr
        assert run.returncode == 1, said
        assert image.name in said
        assert "bug" not in said
        assert SECRET not in said
    assert list((project / "regions").rglob("replica-*")) == []


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_qcow2_with_narrow_reference_counts_is_published(tmp_path: Path, bits: int) -> None:
    project = project_with(tmp_path, made(tmp_path, "r.qcow2", "qcow2", f"refcount_bits={bits}"))
    applied = reconciler(project, "apply", "--auto-approve")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert len(list((project / "regions").rglob("replica-1.os.qcow2"))) == 1

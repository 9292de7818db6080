"""Versions whose images are downloaded or compressed: planned without a connection, applied, and then left alone."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from support.downloads.image_server import ImageServer, Served, image_server
from support.estates import Estate, definition, gallery, version

from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.manifests.trust import Trust
from reconciler.planning.actions import Action
from reconciler.reporting import Reporter

IMAGE = b"\xfa" + os.urandom(20_000).ljust((1 << 20) - 1, b"\0")
OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="f" ovf:href="d.raw"/></References>
  <DiskSection><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="1048576"/></DiskSection>
</Envelope>
"""
Source = Mapping[str, Any]
PACK: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


class TrustingEstate(Estate):
    """A project of somebody whose settings name the server."""

    trust = Trust()

    def engine(self, reporter: Reporter | None = None) -> Engine:
        return Engine(self.directory, reporter=reporter or Reporter(), trust=self.trust)

    def copies(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.regions.rglob("replica-*"))]

    def facts(self) -> dict[str, Any]:
        """What is recorded of the OS disk."""
        with self.engine() as engine:
            record = engine.store.read().records[Address.parse("corp/ubuntu/1.0.0")]
        return dict(record.computed_values["disks"]["os"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ImageServer]:
    with image_server(tmp_path) as started:
        yield started


@pytest.fixture
def estate(tmp_path: Path, server: ImageServer) -> TrustingEstate:
    made = TrustingEstate(tmp_path / "project")
    made.trust = server.trust()
    return made


def served(server: ImageServer, name: str, content: bytes) -> Source:
    server.answers[f"/{name}"] = Served(content, '"v1"')
    return {"url": server.url(f"/{name}"), "sha256": sha256(content)}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def ova(disk: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in (("vm.ovf", OVF.encode()), ("d.raw", disk)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return written.getvalue()


def write(estate: Estate, source: Source, **more: Any) -> None:
    estate.write([gallery(), definition(), version(source, **more)])


@pytest.mark.parametrize("way", list(PACK))
def test_a_download_is_planned_without_a_connection_and_published_unpacked(
    estate: TrustingEstate, server: ImageServer, way: str
) -> None:
    packed = PACK[way](IMAGE)
    write(estate, served(server, f"image.{way}", packed))
    plan = estate.plan()
    assert server.connections == 0
    (bound,) = [source for change in plan.changes for source in change.sources]
    assert sha256(packed) in str(bound)
    result = estate.apply().result
    assert result is not None
    assert result.done == {Action.CREATE: len(plan.changes)}
    assert set(estate.copies()) == {IMAGE}
    facts = estate.facts()
    assert (facts["sourceSha256"], facts["size"], facts["format"]) == (sha256(packed), len(IMAGE), "raw")
    asked = server.connections
    assert estate.plan().changes == ()
    assert server.connections == asked


@pytest.mark.parametrize("way", ["gz", "xz", "bz2", "zst"])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_compressed_file_is_published_unpacked(estate: TrustingEstate, way: str, pinned: bool) -> None:
    """Its name does not matter."""
    packed = PACK[way](IMAGE)
    (estate.directory / "images/disk.img").write_bytes(packed)
    write(estate, {"file": "../images/disk.img", **({"sha256": sha256(packed)} if pinned else {})})
    assert estate.apply().result is not None
    assert set(estate.copies()) == {IMAGE}
    assert estate.plan().changes == ()
    (estate.directory / "images/disk.img").write_bytes(packed)
    assert estate.plan().changes == ()


def test_a_compressed_file_with_another_digest_is_refused_by_the_plan(estate: TrustingEstate) -> None:
    (estate.directory / "images/disk.img").write_bytes(lzma.compress(IMAGE))
    write(estate, {"file": "../images/disk.img", "sha256": sha256(IMAGE)})
    (problem,) = estate.plan().errors
    assert f"its sha256 is {sha256(lzma.compress(IMAGE))}, and the manifest says" in problem.summary


@pytest.mark.parametrize("way", list(PACK))
@pytest.mark.parametrize("by_url", [True, False])
def test_an_archive_may_hold_a_compressed_disk(
    estate: TrustingEstate, server: ImageServer, way: str, by_url: bool
) -> None:
    content = ova(PACK[way](IMAGE))
    (estate.directory / "images/vm.ova").write_bytes(content)
    write(estate, served(server, "vm.ova", content) if by_url else {"file": "../images/vm.ova"})
    assert estate.apply().result is not None
    assert set(estate.copies()) == {IMAGE}
    assert estate.plan().changes == ()


def test_a_mirror_may_move_and_the_image_may_become_a_file(estate: TrustingEstate, server: ImageServer) -> None:
    """What was published is recognised by its digest, wherever it comes from now."""
    write(estate, served(server, "image.xz", lzma.compress(IMAGE)))
    estate.apply()
    write(estate, served(server, "elsewhere/image.xz", lzma.compress(IMAGE)))
    assert estate.plan().changes == ()
    (estate.directory / "images/mine").write_bytes(lzma.compress(IMAGE))
    write(estate, {"file": "../images/mine"})
    assert estate.plan().changes == ()


def test_another_digest_is_another_content(estate: TrustingEstate, server: ImageServer) -> None:
    write(estate, served(server, "image.raw", IMAGE))
    estate.apply()
    write(estate, served(server, "image.raw", IMAGE[::-1]))
    changes = [item for change in estate.plan().changes for item in change.changes]
    assert ["sha256" in str(item) for item in changes if "source" in str(item)] != []


def test_a_region_is_added_although_the_download_is_gone(estate: TrustingEstate, server: ImageServer) -> None:
    source = served(server, "image.raw", IMAGE)
    write(estate, source, targetRegions=["eastus"])
    estate.apply()
    server.answers.clear()
    for path in (estate.directory / ".reconciler/cache/images").iterdir():
        path.unlink()
    write(estate, source, targetRegions=["eastus", "westus"])
    assert estate.apply().result is not None
    assert set(estate.copies()) == {IMAGE}
    assert estate.plan().changes == ()


def test_a_download_that_is_not_what_was_named_publishes_nothing(estate: TrustingEstate, server: ImageServer) -> None:
    write(estate, {**served(server, "image.raw", IMAGE), "sha256": sha256(b"another")})
    result = estate.apply().result
    assert result is not None
    assert "is not the image that the manifest names" in str(result)
    assert estate.copies() == []


def test_data_disks_may_be_downloads(estate: TrustingEstate, server: ImageServer) -> None:
    data = served(server, "data.gz", gzip.compress(IMAGE[::-1]))
    write(estate, served(server, "os.raw", IMAGE), dataDisks=[{"lun": 0, "source": data}])
    assert estate.apply().result is not None
    assert set(estate.copies()) == {IMAGE, IMAGE[::-1]}
    assert estate.plan().changes == ()


@pytest.mark.parametrize("kind", ["download", "compressed"])
def test_a_shallow_version_needs_a_plain_file(estate: TrustingEstate, server: ImageServer, kind: str) -> None:
    (estate.directory / "images/packed").write_bytes(lzma.compress(IMAGE))
    source = served(server, "os.raw", IMAGE) if kind == "download" else {"file": "../images/packed"}
    write(estate, source, targetRegions=["eastus"], replicationMode="Shallow")
    assert "is downloaded or compressed, and a Shallow version has no copies" in str(estate.apply().result)


def test_a_saved_plan_is_bound_to_the_digest_and_downloads_when_applied(
    estate: TrustingEstate, server: ImageServer, tmp_path: Path
) -> None:
    """By the program itself, with the settings file of whoever runs it."""
    write(estate, served(server, "image.xz", lzma.compress(IMAGE)))
    settings = tmp_path / "settings.yaml"
    hosts = [{"host": f"localhost:{server.port}", "ca": str(server.authority)}]
    settings.write_text(json.dumps({"downloads": {"hosts": hosts}}))
    program = [sys.executable, "-m", "reconciler", "--settings", str(settings)]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*program, *words], cwd=estate.directory, capture_output=True, text=True)

    planned = run("plan", "--out", "plan.bin")
    assert planned.returncode == 0, planned.stderr
    assert f"{server.url('/image.xz')}, to be downloaded" in planned.stdout
    assert server.connections == 0
    applied = run("apply", "plan.bin")
    assert applied.returncode == 0, applied.stderr
    assert len(server.requests) == 1
    assert set(estate.copies()) == {IMAGE}
    assert run("plan").returncode == 0

"""The sources of the local provider: files, links to them, archives; and what it refuses."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.content.digests import tree_digest

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.local.provider import create_provider
from reconciler.providers.protocol import Applied, Done, Operation, Provider, Step, Verb
from reconciler.providers.registry import ProviderConfig
from reconciler.testing.operations import writer_of

LINEAGE = "5f1d2c3b-aaaa-bbbb-cccc-000000000001"
VERSION = Address("corp", "ubuntu", "1.0.3")
EAST = VERSION._replace(region="eastus")
FIRST, SECOND = b"first".ljust(1024, b"\0"), b"second".ljust(2048, b"\0")
OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References>{files}</References>
  <DiskSection>{disks}</DiskSection>
</Envelope>
"""


def descriptor(*names: str, more: str = "") -> bytes:
    """An OVF descriptor that names these disk files, in this order."""
    files = "".join(f'<File ovf:id="file{number}" ovf:href="{name}"{more}/>' for number, name in enumerate(names))
    disks = "".join(f'<Disk ovf:diskId="disk{number}" ovf:fileRef="file{number}"/>' for number in range(len(names)))
    return OVF.format(files=files, disks=disks).encode()


def write_ova(path: Path, *members: tuple[str | tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return create_provider(ProviderConfig("default", "local", {"root": "regions"}, tmp_path))


def publish(provider: Provider, source: Mapping[str, Any], **more: Any) -> Mapping[Address, Applied | ProviderError]:
    version = {"location": "eastus", "source": source, "replicationMode": "Full", **more}
    steps = (
        Step(Verb.CREATE, VERSION, version),
        Step(Verb.CREATE, EAST, {"replicas": 1, "excludeFromLatest": False}),
    )
    answer = provider.begin(Operation(VERSION, writer_of(), steps, version), lambda *_: None)
    assert isinstance(answer, Done)
    return answer.results


def copies(tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "regions/eastus/corp/ubuntu/1.0.3"
    return {path.name: path.read_bytes() for path in folder.glob("replica-*")}


def test_the_disks_of_an_ova_are_the_os_disk_and_data_disks_in_its_order(tmp_path: Path, provider: Provider) -> None:
    names = ("b.raw", "a.raw")
    write_ova(tmp_path / "vm.ova", ("vm.ovf", descriptor(*names)), ("a.raw", SECOND), ("b.raw", FIRST))
    results = publish(provider, {"file": "vm.ova"})
    assert copies(tmp_path) == {"replica-1.os.raw": FIRST, "replica-1.data-0.raw": SECOND}
    version = results[VERSION]
    assert isinstance(version, Applied)
    disks = json.loads(version.computed)["disks"]
    assert {name: facts["digest"] for name, facts in disks.items()} == {
        "os": tree_digest(FIRST),
        "data-0": tree_digest(SECOND),
    }
    assert disks["os"]["sourceDigest"] == provider.source_digest({"file": "vm.ova"}).tree
    assert disks["os"]["source"] == provider.source_identity({"file": "vm.ova"})
    assert provider.source_facts({"file": "vm.ova"}).size == len(FIRST) + len(SECOND)


def test_an_ovf_names_files_beside_it(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "vm.ovf").write_bytes(descriptor("one.raw"))
    (tmp_path / "one.raw").write_bytes(FIRST)
    publish(provider, {"file": "vm.ovf"})
    assert copies(tmp_path) == {"replica-1.os.raw": FIRST}


def test_a_declared_data_disk_may_not_replace_one_of_an_archive(tmp_path: Path, provider: Provider) -> None:
    write_ova(tmp_path / "vm.ova", ("vm.ovf", descriptor("a", "b")), ("a", FIRST), ("b", SECOND))
    (tmp_path / "more.raw").write_bytes(FIRST)
    disks = {"0": {"source": {"file": "more.raw"}}}
    error = publish(provider, {"file": "vm.ova"}, dataDisks=disks)[EAST]
    assert isinstance(error, SourceError)
    assert error.remedy
    assert copies(tmp_path) == {}
    publish(provider, {"file": "vm.ova"}, dataDisks={"1": disks["0"]})
    assert set(copies(tmp_path)) == {"replica-1.os.raw", "replica-1.data-0.raw", "replica-1.data-1.raw"}


def a_link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([("disk.raw", FIRST)], "no OVF descriptor"),
        ([("vm.ovf", b"<Envelope"), ("disk.raw", FIRST)], "not well-formed"),
        ([("vm.ovf", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')], "document type"),
        ([("vm.ovf", b"<Envelope/>")], "names no disk"),
        ([("vm.ovf", descriptor("gone.raw"))], "does not contain"),
        ([("vm.ovf", descriptor("disk.raw", more=' ovf:compression="gzip"')), ("disk.raw", FIRST)], "compressed"),
        ([("vm.ovf", descriptor("../disk.raw")), ("../disk.raw", FIRST)], "not a plain file"),
        ([("vm.ovf", descriptor("/etc/passwd")), ("/etc/passwd", FIRST)], "not a plain file"),
        ([("vm.ovf", descriptor("disk.raw")), (a_link("disk.raw", "/etc/passwd"), b"")], "not a plain file"),
        ([("vm.ovf", descriptor("disk.raw")), ("disk.raw", FIRST), ("disk.raw", SECOND)], "two members"),
        ([("vm.ovf", descriptor("disk.raw")), ("disk.raw", b"%PDF-1.4".ljust(1024, b"\0"))], "a PDF"),
        ([("vm.ovf", b" " * ((4 << 20) + 1))], "larger than 4 MiB"),
    ],
)
def test_unusable_archives_are_refused_with_the_reason(
    tmp_path: Path, provider: Provider, members: list[tuple[Any, bytes]], why: str
) -> None:
    write_ova(tmp_path / "vm.ova", *members)
    with pytest.raises(SourceError, match=why) as caught:
        provider.source_facts({"file": "vm.ova"})
    assert "vm.ova" in caught.value.message


def test_an_ova_that_is_cut_short_is_refused(tmp_path: Path, provider: Provider) -> None:
    path = write_ova(tmp_path / "vm.ova", ("vm.ovf", descriptor("disk.raw")), ("disk.raw", SECOND * 100))
    os.truncate(path, 20_000)
    with pytest.raises(SourceError, match=r"vm\.ova"):
        provider.source_facts({"file": "vm.ova"})


@pytest.mark.parametrize(
    "name",
    ["../outside.raw", "%2e%2e/outside.raw", "link.raw", "folder/outside.raw", "folder", "fifo", "file:link.raw"],
)
def test_an_ovf_names_only_plain_files_in_its_folder(tmp_path: Path, name: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "outside.raw").write_bytes(FIRST)
    (project / "link.raw").symlink_to(tmp_path / "outside.raw")
    (project / "folder").symlink_to(tmp_path)
    os.mkfifo(project / "fifo")
    (project / "vm.ovf").write_bytes(descriptor(name))
    provider = create_provider(ProviderConfig("default", "local", {"root": "regions"}, project))
    with pytest.raises(SourceError, match="not a plain file in its folder"):
        provider.source_facts({"file": "vm.ovf"})


@pytest.mark.parametrize("name", ["inner/disk.raw", "./inner/disk.raw", "link.raw", "my%20disk.raw"])
def test_an_ovf_names_files_in_its_folder(tmp_path: Path, provider: Provider, name: str) -> None:
    (tmp_path / "inner").mkdir()
    for path in ("inner/disk.raw", "my disk.raw"):
        (tmp_path / path).write_bytes(FIRST)
    (tmp_path / "link.raw").symlink_to("inner/disk.raw")
    (tmp_path / "vm.ovf").write_bytes(descriptor(name))
    assert provider.source_facts({"file": "vm.ovf"}).size == len(FIRST)


def test_a_link_to_an_image_is_fine_and_one_into_a_region_is_not(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "image.raw").write_bytes(FIRST)
    (tmp_path / "link.raw").symlink_to("image.raw")
    publish(provider, {"file": "link.raw"})
    copy = tmp_path / "regions/eastus/corp/ubuntu/1.0.3/replica-1.os.raw"
    assert copy.read_bytes() == FIRST
    (tmp_path / "sly.raw").symlink_to(copy)
    for source in ("sly.raw", str(copy), "regions/../regions/eastus/corp/ubuntu/1.0.3/replica-1.os.raw"):
        with pytest.raises(SourceError, match="is in a region's directory"):
            provider.source_facts({"file": source})


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "dangling link", "text"])
def test_a_file_that_is_not_an_image_is_refused_with_its_name(tmp_path: Path, provider: Provider, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.write_text("kind: Gallery\n" * 512)
    with pytest.raises(SourceError, match="thing") as caught:
        provider.source_facts({"file": "thing"})
    assert caught.value.remedy
    error = publish(provider, {"file": "thing"})[EAST]
    assert isinstance(error, SourceError)
    assert not copies(tmp_path)

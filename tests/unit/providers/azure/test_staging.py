"""Uploads to a real blob service: what is sent, what continues or starts over, and whose blobs are changed."""

from __future__ import annotations

import os
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from azure.storage.blob import BlobClient, ContainerClient
from support.azure.azurite import RunningAzurite
from support.azure.http_proxy import Answer, Passed, Proxy, proxy_before
from support.content.digests import digest_of, digest_of_path

from reconciler.manifests.address import Address
from reconciler.providers.azure.images.page_upload import PageSet, with_data
from reconciler.providers.azure.images.staging import Staging, blob_name, lineage_prefix
from reconciler.providers.azure.images.vhd import BLOCK, MIB, Block
from reconciler.providers.azure.storage_settings import StorageSettings
from reconciler.providers.errors import LeaseLost, ObjectConflict, ProviderError, SourceError
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.owner import Writer
from reconciler.testing.operations import owner_of, writer_of

GROUP = "/subscriptions/0f3e/resourceGroups/images/providers/Microsoft.Storage/storageAccounts"
ACCOUNT_ID = f"{GROUP}/devstoreaccount1"
LINEAGE, OTHER_LINEAGE = "5f1d2c3b-aaaa-bbbb-cccc-000000000001", "99999999-aaaa-bbbb-cccc-000000000001"
VERSION = Address("corp", "ubuntu", "1.0.3")
WRITER, OTHER_WRITER = writer_of(LINEAGE), writer_of(OTHER_LINEAGE)


class InterruptedHere(Exception):
    """Stops an upload from within."""


@pytest.fixture
def proxy(azurite: RunningAzurite) -> Iterator[Proxy]:
    with proxy_before(azurite.endpoint) as proxy:
        yield proxy


@pytest.fixture
def settings(proxy: Proxy) -> StorageSettings:
    """A container of its own, which does not exist yet."""
    return StorageSettings(ACCOUNT_ID, f"test-{uuid.uuid4().hex}", proxy.url)


@pytest.fixture
def staging(settings: StorageSettings) -> Iterator[Staging]:
    staging = Staging(settings, environment={})
    yield staging
    staging.close()


@pytest.fixture
def container(azurite: RunningAzurite, settings: StorageSettings) -> Iterator[ContainerClient]:
    """The container as another client sees it."""
    with azurite.client() as client:
        yield client.get_container_client(settings.container)


def disk_in(path: Path) -> SourceDisk:
    return FileSources(str(path.parent)).disks({"file": path.name}, None)[0]


def name_of(image: Path, version: Address = VERSION, lineage: str = LINEAGE) -> str:
    """The blob of an OS disk."""
    return blob_name(lineage, version, disk_in(image))


def sparse(path: Path, size: int, *data: tuple[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for position, content in data:
            file.seek(position)
            file.write(content)
    return path


def quiet(done: int, total: int) -> None:
    """Progress that is ignored."""


def stop_at(least: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done >= least:
            raise InterruptedHere

    return progress


def content_of(blob: BlobClient) -> bytes:
    content: bytes = blob.download_blob().readall()
    return content


def is_page(request: Passed) -> bool:
    return (
        request.method == "PUT"
        and "comp=page" in request.path
        and "x-ms-range" in {name.lower() for name in request.headers}
    )


def pages_sent(proxy: Proxy) -> int:
    """Bytes of pages on the wire."""
    return sum(request.length for request in proxy.passed if is_page(request))


def test_a_disk_is_staged_as_a_fixed_vhd(staging: Staging, container: ContainerClient, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(5 * MIB + 512))

    staged = staging.stage(disk_in(image), WRITER, VERSION, quiet)

    blob = container.get_blob_client(name_of(image))
    content = content_of(blob)
    assert content[: 5 * MIB + 512] == image.read_bytes()
    assert not any(content[5 * MIB + 512 : 6 * MIB])
    assert recognise(lambda at, length: content[at : at + length], len(content), "it").name == "vhd-fixed"
    assert blob.get_blob_properties().blob_type == "PageBlob"
    assert staged.uri.endswith(f"/{container.container_name}/{name_of(image)}")
    assert (staged.storage_account_id, staged.format) == (ACCOUNT_ID, "raw")
    assert (staged.size, staged.virtual_size) == (5 * MIB + 512, 5 * MIB + 512)
    assert staged.digest == digest_of_path(image)
    assert staged.identity == disk_in(image).identity


@pytest.mark.qemu
def test_the_digest_is_that_of_the_file_also_when_it_is_converted(
    staging: Staging, container: ContainerClient, tmp_path: Path
) -> None:
    raw, image = tmp_path / "sectors", tmp_path / "disk.qcow2"
    raw.write_bytes(os.urandom(3 * MIB))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)

    staged = staging.stage(disk_in(image), WRITER, VERSION, quiet)

    assert staged.digest == digest_of_path(image)
    assert (staged.format, staged.size, staged.virtual_size) == ("qcow2", image.stat().st_size, 3 * MIB)
    assert content_of(container.get_blob_client(name_of(image)))[: 3 * MIB] == raw.read_bytes()


def test_holes_and_zeros_are_not_sent(
    staging: Staging, container: ContainerClient, proxy: Proxy, tmp_path: Path
) -> None:
    image = sparse(
        tmp_path / "disk.raw", 1 << 30, (100 * MIB, b"a" * MIB), (600 * MIB, bytes(20 * MIB)), (900 * MIB, b"b")
    )

    staging.stage(disk_in(image), WRITER, VERSION, quiet)

    ranges = [
        (page.start, (page.end or 0) + 1) for page in container.get_blob_client(name_of(image)).list_page_ranges()
    ]
    assert ranges == [(100 * MIB, 101 * MIB), (900 * MIB, 900 * MIB + 4096), (1 << 30, (1 << 30) + 512)]
    assert pages_sent(proxy) == MIB + 4096 + 512


def test_progress_is_reported_for_each_percent(staging: Staging, tmp_path: Path) -> None:
    image = sparse(tmp_path / "disk.raw", 2 << 30, (MIB, b"a" * 9 * MIB), (1 << 30, b"b"))
    told: list[tuple[int, int]] = []

    staging.stage(disk_in(image), WRITER, VERSION, lambda done, total: told.append((done, total)))

    assert 90 <= len(told) <= 100
    assert told == sorted(told)
    assert told[-1] == (2 << 30, 2 << 30)


def test_what_is_staged_is_not_sent_again(staging: Staging, proxy: Proxy, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(MIB))
    first = staging.stage(disk_in(image), WRITER, VERSION, quiet)
    proxy.passed.clear()

    assert staging.stage(disk_in(image), WRITER, VERSION, quiet) == first

    assert [request.method for request in proxy.passed] == ["HEAD"]


def test_an_interrupted_upload_goes_on(
    staging: Staging, container: ContainerClient, proxy: Proxy, tmp_path: Path
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(15 * BLOCK))
    with pytest.raises(InterruptedHere):
        staging.stage(disk_in(image), WRITER, VERSION, stop_at(4 * BLOCK))
    assert container.get_blob_client(name_of(image)).get_blob_properties().metadata["reconciler_state"] == "uploading"
    sent = pages_sent(proxy)
    assert 4 * BLOCK <= sent < 15 * BLOCK
    proxy.passed.clear()
    told: list[int] = []

    staged = staging.stage(disk_in(image), WRITER, VERSION, lambda done, _: told.append(done))

    assert pages_sent(proxy) == 15 * BLOCK - sent + 512
    assert content_of(container.get_blob_client(name_of(image)))[:-512] == image.read_bytes()
    assert staged.digest == digest_of_path(image)
    assert told[-1] == 15 * BLOCK


def test_another_process_goes_on_too(staging: Staging, settings: StorageSettings, proxy: Proxy, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(10 * BLOCK))
    with pytest.raises(InterruptedHere):
        staging.stage(disk_in(image), WRITER, VERSION, stop_at(BLOCK))
    sent = pages_sent(proxy)
    proxy.passed.clear()
    another = Staging(settings, environment={})

    another.stage(disk_in(image), WRITER, VERSION, quiet)

    another.close()
    assert pages_sent(proxy) == 10 * BLOCK - sent + 512


def test_an_upload_of_a_file_that_is_another_now_starts_over(
    staging: Staging, container: ContainerClient, tmp_path: Path
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(b"\x01" * 15 * BLOCK)
    with pytest.raises(InterruptedHere):
        staging.stage(disk_in(image), WRITER, VERSION, stop_at(4 * BLOCK))
    image.write_bytes(b"\x02" * 2 * MIB)

    staging.stage(disk_in(image), WRITER, VERSION, quiet)

    assert content_of(container.get_blob_client(name_of(image)))[:-512] == b"\x02" * 2 * MIB


def test_a_disk_whose_file_has_changed_is_staged_again(
    staging: Staging, container: ContainerClient, tmp_path: Path
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(b"\x01" * MIB)
    staging.stage(disk_in(image), WRITER, VERSION, quiet)
    image.write_bytes(b"\x02" * MIB)

    staged = staging.stage(disk_in(image), WRITER, VERSION, quiet)

    assert staged.digest == digest_of(b"\x02" * MIB)
    assert content_of(container.get_blob_client(name_of(image)))[:-512] == b"\x02" * MIB


def test_a_file_that_changes_while_it_is_read_is_not_finished(
    staging: Staging, container: ContainerClient, tmp_path: Path
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(b"\x01" * 5 * BLOCK)
    blob = container.get_blob_client(name_of(image))

    def write(done: int, total: int) -> None:
        with image.open("r+b") as file:
            file.write(b"\x02")

    with pytest.raises(SourceError, match=r"'disk\.raw' changed while it was read"):
        staging.stage(disk_in(image), WRITER, VERSION, write)

    found = blob.get_blob_properties()
    assert found.metadata["reconciler_state"] == "uploading"
    assert blob.download_blob(found.size - 512, 512).readall() == bytes(512)


@pytest.mark.parametrize("marked", [{}, {"reconciler_lineage": OTHER_LINEAGE}], ids=["no mark", "another's"])
def test_a_blob_that_is_not_ours_is_left_alone(
    staging: Staging, container: ContainerClient, tmp_path: Path, marked: dict[str, str]
) -> None:
    container.create_container()
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(MIB))
    container.get_blob_client(name_of(image)).upload_blob(b"somebody's", metadata=marked)

    with pytest.raises(ObjectConflict, match="is not ours"):
        staging.stage(disk_in(image), WRITER, VERSION, quiet)
    with pytest.raises(ObjectConflict, match="is not ours"):
        staging.remove(name_of(image), WRITER)

    assert staging.names("reconciler/", writer_of(LINEAGE)) == []
    assert content_of(container.get_blob_client(name_of(image))) == b"somebody's"


def test_a_blob_that_appears_meanwhile_is_not_overwritten(
    staging: Staging, container: ContainerClient, proxy: Proxy, tmp_path: Path
) -> None:
    container.create_container()
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(MIB))

    def put_it_there(request: Passed) -> bool:
        if request.method == "PUT":
            container.get_blob_client(name_of(image)).upload_blob(b"somebody's", overwrite=True)
        return False

    proxy.refuse(Answer(500), put_it_there)

    with pytest.raises(ObjectConflict, match="is not ours"):
        staging.stage(disk_in(image), WRITER, VERSION, quiet)

    assert content_of(container.get_blob_client(name_of(image))) == b"somebody's"


def test_several_disks_are_uploaded_at_a_time(staging: Staging, container: ContainerClient, tmp_path: Path) -> None:
    images = [tmp_path / f"disk{number}.raw" for number in range(6)]
    for image in images:
        image.write_bytes(os.urandom(2 * BLOCK))
    versions = [VERSION._replace(version=f"1.0.{number}") for number in range(6)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda image, version: staging.stage(disk_in(image), WRITER, version, quiet), images, versions))

    for image, version in zip(images, versions, strict=True):
        blob = container.get_blob_client(name_of(image, version))
        assert content_of(blob)[:-512] == image.read_bytes()


def test_removing_is_final_and_may_be_repeated(staging: Staging, container: ContainerClient, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(MIB))
    staging.remove(name_of(image), WRITER)  # not even the container is there
    staging.stage(disk_in(image), WRITER, VERSION, quiet)

    staging.remove(name_of(image), WRITER)
    staging.remove(name_of(image), WRITER)

    assert not container.get_blob_client(name_of(image)).exists()


def test_names_are_those_of_an_owner(staging: Staging, container: ContainerClient, tmp_path: Path) -> None:
    assert staging.names(lineage_prefix(LINEAGE), WRITER) == []  # not even the container is there
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(15 * BLOCK))
    earlier = VERSION._replace(version="1.0.2")
    unfinished = name_of(image, earlier)
    with pytest.raises(InterruptedHere):
        staging.stage(disk_in(image), WRITER, earlier, stop_at(BLOCK))
    image.write_bytes(os.urandom(MIB))
    staging.stage(disk_in(image), WRITER, VERSION, quiet)
    staging.stage(disk_in(image), OTHER_WRITER, VERSION, quiet)

    assert staging.names(lineage_prefix(LINEAGE), WRITER) == [unfinished, name_of(image)]
    assert staging.names("reconciler/5f1d2c3b/corp/ubuntu/1.0.3/", WRITER) == [name_of(image)]
    assert staging.names("", OTHER_WRITER) == [name_of(image, lineage=OTHER_LINEAGE)]


def test_a_mark_that_somebody_typed_makes_no_blob_ours(
    staging: Staging, container: ContainerClient, tmp_path: Path
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(MIB))
    strict = Writer(replace(owner_of(LINEAGE), accepts_unsealed=False))
    container.create_container()
    typed = {"reconciler_lineage": LINEAGE, "reconciler_address": quote(str(VERSION))}
    for marks in (typed, {**typed, "reconciler_seal": "0" * 32}):
        container.get_blob_client(name_of(image)).upload_blob(b"somebody's", metadata=marks, overwrite=True)
        with pytest.raises(ObjectConflict, match="is not ours"):
            staging.stage(disk_in(image), strict, VERSION, quiet)
        with pytest.raises(ObjectConflict, match="is not ours"):
            staging.remove(name_of(image), strict)
        assert staging.names("", strict) == []


def test_an_upload_that_a_later_run_took_over_is_left_to_it(
    staging: Staging, settings: StorageSettings, container: ContainerClient, tmp_path: Path
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(15 * BLOCK))
    earlier, later = writer_of(LINEAGE, 7), writer_of(LINEAGE, 8)
    another = Staging(settings, environment={})

    def taken_over(done: int, _total: int) -> None:
        if done == 4 * BLOCK:
            with pytest.raises(InterruptedHere):
                another.stage(disk_in(image), later, VERSION, stop_at(6 * BLOCK))

    with pytest.raises(ProviderError, match="SequenceNumberConditionNotMet"):
        staging.stage(disk_in(image), earlier, VERSION, taken_over)
    with pytest.raises(ProviderError, match=r"written by a later run \(fence 8\)"):
        staging.stage(disk_in(image), earlier, VERSION, quiet)
    with pytest.raises(ProviderError, match=r"written by a later run \(fence 8\)"):
        staging.remove(name_of(image), earlier)
    another.stage(disk_in(image), later, VERSION, quiet)
    another.close()
    assert content_of(container.get_blob_client(name_of(image)))[:-512] == image.read_bytes()


@pytest.mark.parametrize("least", [0, BLOCK, 12 * BLOCK])
def test_nothing_is_written_after_the_lease_is_lost(staging: Staging, proxy: Proxy, tmp_path: Path, least: int) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(15 * BLOCK))
    lost = threading.Event()
    if not least:
        lost.set()

    def require_lease() -> None:
        if lost.is_set():
            raise LeaseLost("the lease on 'corp' was lost")

    def lose(done: int, _total: int) -> None:
        if done >= least:
            lost.set()

    with pytest.raises(LeaseLost):
        staging.stage(disk_in(image), Writer(owner_of(LINEAGE), 1, require_lease), VERSION, lose)
    proxy.passed.clear()
    with pytest.raises(LeaseLost):
        staging.stage(disk_in(image), Writer(owner_of(LINEAGE), 1, require_lease), VERSION, quiet)
    assert {request.method for request in proxy.passed} <= {"HEAD", "GET"}


def test_a_lost_connection_and_a_busy_service_are_waited_out(
    staging: Staging, container: ContainerClient, proxy: Proxy, tmp_path: Path
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(3 * BLOCK))
    proxy.refuse(Answer(0), is_page)
    proxy.refuse(Answer(503, {"x-ms-error-code": "ServerBusy", "Retry-After": "1"}), is_page)

    staging.stage(disk_in(image), WRITER, VERSION, quiet)

    assert content_of(container.get_blob_client(name_of(image)))[:-512] == image.read_bytes()


@pytest.mark.parametrize("which", ["restype=container", "HEAD", "create", "comp=page", "comp=metadata"])
def test_an_answer_that_is_lost_changes_nothing(
    staging: Staging, container: ContainerClient, proxy: Proxy, tmp_path: Path, which: str
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(BLOCK))

    def fits(request: Passed) -> bool:
        creates = request.method == "PUT" and request.path.endswith(".vhd") and container.exists()
        return creates if which == "create" else which in f"{request.method} {request.path}"

    proxy.refuse(Answer(0, late=True), fits)

    staged = staging.stage(disk_in(image), WRITER, VERSION, quiet)

    assert content_of(container.get_blob_client(name_of(image)))[:-512] == image.read_bytes()
    assert staging.stage(disk_in(image), WRITER, VERSION, quiet) == staged


def test_stretches_that_touch_are_one() -> None:
    written = PageSet([(0, 512), (512, 1024), (4096, 8192)])

    assert written.covers(0, 1024)
    assert written.covers(4608, 8192)
    assert not written.covers(0, 1536)
    assert not written.covers(1024, 4096)
    assert not PageSet([]).covers(0, 512)


def test_only_long_gaps_are_left_out() -> None:
    one, gap = b"x" * MIB, bytes(MIB)
    short_gap = b"x" * 1024 + bytes(MIB - 2048) + b"x" * 1024

    assert list(with_data(Block(BLOCK, 4 * MIB, one + gap + one + gap))) == [
        (BLOCK, BLOCK + MIB),
        (BLOCK + 2 * MIB, BLOCK + 3 * MIB),
    ]
    assert list(with_data(Block(0, 2 * MIB, short_gap + one))) == [(0, 2 * MIB)]
    assert list(with_data(Block(0, 2 * MIB, gap + gap))) == []
    assert list(with_data(Block(0, BLOCK, None))) == []

"""VHDs in blobs as sources, read from a real blob service: which are accepted, kept and refused."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobSasPermissions, BlobType, ContainerClient, generate_blob_sas
from support.azure.azurite import RunningAzurite
from support.azure.emulated_service import COMPUTE, GROUP, Emulated

from reconciler.providers.azure.images.vhd import footer
from reconciler.providers.emulator.content.content_users import used_content
from reconciler.providers.emulator.content.disk_content import DiskContents
from reconciler.providers.emulator.core.arm import ArmError

MIB = 1 << 20
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/devstoreaccount1"


@pytest.fixture
def container(azurite: RunningAzurite) -> Iterator[ContainerClient]:
    with azurite.client() as client, client.create_container(f"vhds-{uuid.uuid4().hex[:8]}") as container:
        yield container


def upload(container: ContainerClient, name: str, content: bytes, at: int = 0, size: int = 3 * MIB) -> str:
    """The URL of a fixed VHD of `size` bytes, with some data at one position."""
    with container.get_blob_client(name) as blob:
        blob.create_page_blob(size + 512)
        blob.upload_page(content, at, len(content))
        blob.upload_page(footer(size, "00" * 32), size, 512)
        return str(blob.url)


def upload_footer(container: ContainerClient, name: str, end: bytes, size: int) -> str:
    with container.get_blob_client(name) as blob:
        blob.create_page_blob(size + 512)
        blob.upload_page(end, size, 512)
        return str(blob.url)


def blob_source(uri: str) -> dict[str, Any]:
    return {"osDiskImage": {"source": {"uri": uri, "storageAccountId": ACCOUNT}}}


def kept(emulated: Emulated) -> list[str]:
    return sorted(os.listdir(emulated.contents.folder))


def version_disks(emulated: Emulated, name: str = "1.0.0", definition: str = "ubuntu") -> dict[str, Any]:
    version = emulated.store.get(f"{COMPUTE}/galleries/corp/images/{definition}/versions/{name}")
    assert version is not None
    return dict(version.hidden["disks"])


def test_a_vhd_is_published_with_its_content_and_its_holes(emulated: Emulated, container: ContainerClient) -> None:
    emulated.definition()
    content = os.urandom(MIB)
    uri = upload(container, "os.vhd", content, at=2048 * MIB, size=4096 * MIB)
    storage = emulated.version(blob_source(uri))["storageProfile"]
    assert storage["osDiskImage"]["sizeInGB"] == 4
    assert storage["osDiskImage"]["source"] == {"uri": uri, "storageAccountId": ACCOUNT}
    path = emulated.contents.path(version_disks(emulated)["os"]["content"])
    with path.open("rb") as disk:
        disk.seek(2048 * MIB)
        assert disk.read(MIB) == content
        disk.seek(4096 * MIB)
        assert disk.read() == footer(4096 * MIB, "00" * 32)
    assert path.stat().st_blocks * 512 < 2 * MIB


def test_content_goes_with_the_last_that_bears_it(emulated: Emulated, container: ContainerClient) -> None:
    definition = emulated.definition()
    uri = upload(container, "os.vhd", b"a" * 512)
    emulated.version(blob_source(uri), "1.0.0")
    emulated.version({"source": {"id": f"{definition}/versions/1.0.0"}}, "1.0.1")
    (name,) = kept(emulated)
    assert used_content(emulated.store) == {name}
    emulated.send("DELETE", f"{definition}/versions/1.0.0")
    assert emulated.refused("GET", f"{definition}/versions/1.0.0").status == 404
    assert kept(emulated) == [name]
    emulated.send("DELETE", f"{definition}/versions/1.0.1")
    assert emulated.refused("GET", f"{definition}/versions/1.0.1").status == 404
    assert kept(emulated) == []


def test_an_imported_disk_hands_its_content_on(emulated: Emulated, container: ContainerClient) -> None:
    creation = {"createOption": "Import", "sourceUri": upload(container, "os.vhd", b"b" * 512)}
    emulated.put("disks/imported", {"creationData": creation, "osType": "Linux", "hyperVGeneration": "V2"})
    assert emulated.properties("disks/imported")["diskSizeGB"] == 1
    image = emulated.image("base", f"{COMPUTE}/disks/imported")
    emulated.get(image)
    emulated.send("DELETE", "disks/imported")
    emulated.definition()
    emulated.version({"source": {"id": image}})
    (name,) = kept(emulated)
    assert version_disks(emulated)["os"]["content"] == name
    emulated.send("DELETE", GROUP)
    assert emulated.refused("GET", GROUP).status == 404
    assert kept(emulated) == []


def test_an_image_of_a_blob(emulated: Emulated, container: ContainerClient) -> None:
    os_disk = {"osType": "Linux", "osState": "Generalized", "blobUri": upload(container, "os.vhd", b"c" * 512)}
    emulated.put("images/base", {"storageProfile": {"osDisk": os_disk}, "hyperVGeneration": "V2"})
    shown = emulated.properties("images/base")["storageProfile"]["osDisk"]
    assert (shown["blobUri"], shown["diskSizeGB"]) == (os_disk["blobUri"], 1)


def test_shallow_replication_copies_nothing(emulated: Emulated, container: ContainerClient) -> None:
    definition = emulated.definition()
    profile = blob_source(upload(container, "os.vhd", b"d" * 512))
    publishing = {"targetRegions": [{"name": "eastus"}], "replicationMode": "Shallow"}
    emulated.put(f"{definition}/versions/1.0.0", {"publishingProfile": publishing, "storageProfile": profile})
    assert kept(emulated) == []


def test_one_blob_is_copied_once_until_it_changes(container: ContainerClient, tmp_path: Path) -> None:
    contents = DiskContents(tmp_path)
    uri = upload(container, "os.vhd", b"e" * 512)
    first = contents.keep(uri)
    before = contents.path(first).stat().st_mtime_ns
    assert contents.keep(f"{uri}?{signature(container, 'os.vhd')}") == first
    assert contents.path(first).stat().st_mtime_ns == before
    upload(container, "os.vhd", b"f" * 512)
    second = contents.keep(uri)
    assert second != first
    contents.keep_only({second})
    assert os.listdir(tmp_path) == [second]
    contents.remove(second)
    contents.remove(second)
    assert os.listdir(tmp_path) == []


def signature(container: ContainerClient, name: str) -> str:
    """A signature that allows anyone to read a blob for an hour."""
    return generate_blob_sas(
        str(container.account_name),
        container.container_name,
        name,
        account_key=container.credential.account_key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1),
    )


def test_a_bad_signature_is_not_replaced_by_the_key_and_is_not_shown(
    container: ContainerClient, tmp_path: Path
) -> None:
    uri = upload(container, "os.vhd", b"g" * 512)
    wrong = signature(container, "other.vhd")
    with pytest.raises(ArmError) as caught:
        DiskContents(tmp_path).facts(f"{uri}?{wrong}")
    assert (caught.value.status, caught.value.code) == (403, "AuthorizationFailed")
    assert "sig=" not in caught.value.message


def altered(end: bytes, at: int, value: bytes) -> bytes:
    """A footer with other bytes and the right checksum."""
    changed = bytearray(end)
    changed[at : at + len(value)] = value
    changed[64:68] = bytes(4)
    changed[64:68] = (~sum(changed) & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(changed)


@pytest.mark.parametrize(
    ("size", "change", "why"),
    [
        (2 * MIB, None, "cookie"),
        (2 * MIB, (60, (3).to_bytes(4, "big")), "dynamic"),
        (2 * MIB, (60, (4).to_bytes(4, "big")), "of type 4"),
        (2 * MIB, (48, (3 * MIB).to_bytes(8, "big")), "its footer says"),
        (2 * MIB + 512, (48, (2 * MIB + 512).to_bytes(8, "big")), "not a whole number of MBs"),
    ],
)
def test_what_is_no_disk_for_azure_is_refused(
    emulated: Emulated, container: ContainerClient, size: int, change: tuple[int, bytes] | None, why: str
) -> None:
    emulated.definition()
    end = altered(footer(2 * MIB, "00" * 32), *change) if change else b"x" * 512
    error = emulated.version_refused(blob_source(upload_footer(container, "os.vhd", end, size)))
    assert (error.status, error.code) == (400, "InvalidParameter")
    assert why in error.message
    assert error.target == "galleryImageVersion.properties.storageProfile.osDiskImage.source.uri"
    assert kept(emulated) == []


def test_a_damaged_footer_is_refused(emulated: Emulated, container: ContainerClient) -> None:
    emulated.definition()
    end = footer(2 * MIB, "00" * 32)[:500] + b"damaged".ljust(12, b"\0")
    error = emulated.version_refused(blob_source(upload_footer(container, "os.vhd", end, 2 * MIB)))
    assert "checksum" in error.message


def test_a_missing_blob_is_not_found(emulated: Emulated, container: ContainerClient) -> None:
    emulated.definition()
    error = emulated.version_refused(blob_source(f"{container.url}/none.vhd"))
    assert (error.status, error.code) == (404, "NotFound")
    assert "none.vhd" in error.message


def test_only_page_blobs_are_disks(emulated: Emulated, container: ContainerClient) -> None:
    emulated.definition()
    with container.upload_blob("block.vhd", footer(2 * MIB, "00" * 32), BlobType.BLOCKBLOB) as blob:
        error = emulated.version_refused(blob_source(str(blob.url)))
    assert "page blob" in error.message


def test_two_disks_need_two_blobs(emulated: Emulated, container: ContainerClient) -> None:
    emulated.definition()
    uri = upload(container, "os.vhd", b"h" * 512)
    data = [{"lun": 0, "source": {"uri": f"{uri}?{signature(container, 'os.vhd')}", "storageAccountId": ACCOUNT}}]
    error = emulated.version_refused({**blob_source(uri), "dataDiskImages": data})
    assert "more than one disk" in error.message
    assert "sig=" not in error.message


@pytest.mark.parametrize(
    "uri",
    [
        "https://images.blob.core.windows.net/vhds/os.vhd",
        "http://169.254.169.254/metadata/instance",
        "http://10.0.0.1:10000/devstoreaccount1/vhds/os.vhd",
        "http://127.0.0.1.example.org/vhds/os.vhd",
    ],
)
def test_strange_hosts_are_not_asked(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ArmError, match="not one that may be read from"):
        DiskContents(tmp_path).facts(uri)


def test_the_account_of_the_connection_string_is_known(
    azurite: RunningAzurite, container: ContainerClient, tmp_path: Path
) -> None:
    uri = upload(container, "os.vhd", b"i" * 512)
    key = container.credential.account_key
    text = f"AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={azurite.endpoint}"
    contents = DiskContents(tmp_path, text)
    assert contents.facts(uri).size == 3 * MIB + 512
    assert key not in repr(contents)
    with pytest.raises(ArmError, match="does not answer"):
        DiskContents(tmp_path, "AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a").facts(
            "http://127.0.0.1:1/a/vhds/os.vhd"
        )

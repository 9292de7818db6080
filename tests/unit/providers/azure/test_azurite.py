"""The blob service that is started on demand: when it starts, and that it stops with us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from support.azure.azurite import usual_key
from support.paths import ROOT

from reconciler.providers.azure import azurite
from reconciler.providers.azure.azurite import ACCOUNT, Azurite, find_program
from reconciler.providers.azure.images.staging import Staging, blob_name
from reconciler.providers.azure.storage_settings import AUTO, StorageSettings
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.testing.operations import VERSION, writer_of

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/images"
ACCOUNT_ID = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
STARTER = """
import sys, time
from pathlib import Path
from reconciler.providers.azure.azurite import Azurite
server = Azurite(Path(sys.argv[1]))
print(server.endpoint(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Azurite]:
    server = Azurite(tmp_path / "blobs")
    yield server
    server.close()


def listens(endpoint: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", urlsplit(endpoint).port or 0), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def ends(endpoint: str) -> bool:
    """Whether the server has stopped listening within a few seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not listens(endpoint):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.azurite
def test_it_starts_when_its_endpoint_is_asked_for_and_ends_when_closed(server: Azurite) -> None:
    endpoint = server.endpoint()

    assert endpoint.startswith("http://127.0.0.1:")
    assert endpoint.endswith("/devstoreaccount1")
    assert server.endpoint() == endpoint
    assert listens(endpoint)

    server.close()

    assert not listens(endpoint)


@pytest.mark.azurite
def test_it_outlives_the_thread_that_started_it(server: Azurite) -> None:
    endpoints: list[str] = []
    starter = threading.Thread(target=lambda: endpoints.append(server.endpoint()))
    starter.start()
    starter.join()

    time.sleep(0.2)

    assert listens(endpoints[0])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.azurite
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, how: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STARTER, str(tmp_path / "blobs"), str(ROOT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as starter:
        assert starter.stdout is not None
        endpoint = starter.stdout.readline().strip()
        assert listens(endpoint)
        starter.send_signal(how)

    assert ends(endpoint)


@pytest.mark.azurite
def test_one_that_died_is_started_again(server: Azurite) -> None:
    first = server.endpoint()
    process = vars(server)["_server"]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    second = server.endpoint()

    assert listens(second)
    assert ends(first) or first == second


@pytest.mark.azurite
def test_two_do_not_share_a_folder(server: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azurite, "_LOCK_TIMEOUT_S", 0.2)
    server.endpoint()
    another = Azurite(tmp_path / "blobs")

    with pytest.raises(Unavailable, match="another command runs Azurite on"):
        another.endpoint()

    server.close()
    assert listens(another.endpoint())
    another.close()


@pytest.mark.azurite
def test_the_output_of_a_server_that_cannot_start_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "azurite-blob"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no room to swing a cat >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    with pytest.raises(Unavailable, match="did not start: no room to swing a cat"):
        Azurite(tmp_path / "blobs").endpoint()


def test_if_it_is_not_installed_a_remedy_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ProviderError, match="is not installed") as caught:
        find_program(tmp_path)

    assert "npm install" in caught.value.remedy


def test_a_program_of_the_project_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, installed = tmp_path / "project", tmp_path / "installed"
    for folder in (project / ".tools" / "node_modules" / ".bin", installed):
        folder.mkdir(parents=True)
        (folder / "azurite-blob").touch(0o755)
    (tmp_path / "link").symlink_to(project / ".tools" / "node_modules" / ".bin")
    monkeypatch.chdir(project)
    for path in ("/nowhere", f"{project}/.tools/node_modules/.bin", ".tools/node_modules/.bin", "", f"{tmp_path}/link"):
        monkeypatch.setenv("PATH", path)
        with pytest.raises(ProviderError, match="is not installed"):
            find_program(project)
    monkeypatch.setenv("PATH", f"{project}/.tools/node_modules/.bin:{installed}")
    assert find_program(project) == str(installed / "azurite-blob")


@pytest.mark.azurite
def test_staging_starts_it_for_the_first_upload_and_not_before(server: Azurite, tmp_path: Path) -> None:
    staging = Staging(StorageSettings(ACCOUNT_ID, "images", AUTO), azurite=server, environment={})
    assert staging.names("", writer_of("lineage")) == []
    staging.remove("reconciler/lineage/corp/ubuntu/1.0.3/os.vhd", writer_of("lineage"))
    assert not (tmp_path / "blobs").exists()
    (tmp_path / "disk.raw").write_bytes(b"\x01" * (1 << 20))
    disk = FileSources(str(tmp_path)).disks({"file": "disk.raw"}, None)[0]

    staged = staging.stage(disk, writer_of("lineage"), VERSION, lambda *_: None)

    assert staged.uri.startswith(server.endpoint())
    staging.close()
    assert not listens(staged.uri)
    again = Staging(StorageSettings(ACCOUNT_ID, "images", AUTO), azurite=server, environment={})
    assert again.names("", writer_of("lineage")) == [blob_name("lineage", VERSION, disk)]
    again.close()


@pytest.mark.azurite
def test_its_key_is_known_to_nobody_else(server: Azurite, tmp_path: Path) -> None:
    """Not even to other users of this computer, whom the loopback interface does not keep out."""
    endpoint = server.endpoint()
    containers = {}
    for key in (server.key, usual_key()):
        client = BlobServiceClient(endpoint, credential={"account_name": ACCOUNT, "account_key": key}, retry_total=0)
        with client, suppress(HttpResponseError):
            client.create_container("images")
            containers[key] = [found.name for found in client.list_containers()]
    assert containers == {server.key: ["images"]}
    assert Azurite(tmp_path / "other").key != server.key

"""Credentials for a storage account, what its refusals mean, and that no secret is ever shown."""

from __future__ import annotations

import base64
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from support.azure.azurite import RunningAzurite, running_azurite
from support.azure.http_proxy import Answer, Proxy, proxy_before
from support.provider_settings import accepted, refused, said

from reconciler.manifests.trust import Trust
from reconciler.providers.azure.clouds import AZURE_ENDPOINT, blob_service
from reconciler.providers.azure.configuration import configuration_of
from reconciler.providers.azure.images.blob_storage import connect
from reconciler.providers.azure.images.staging import Staging, blob_name
from reconciler.providers.azure.storage_settings import AUTO, StorageSettings
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.testing.operations import VERSION, writer_of

_SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
GROUP = f"{_SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.Storage/storageAccounts"
DEVELOPMENT_ID = f"{GROUP}/devstoreaccount1"
SECRET = "c2VjcmV0LXRoYXQtbm9ib2R5LXNlZXM="
NOBODY_LISTENS = "http://127.0.0.1:9"
NOWHERE = f"BlobEndpoint={NOBODY_LISTENS}/corpimages"


@pytest.fixture
def proxy(azurite: RunningAzurite) -> Iterator[Proxy]:
    with proxy_before(azurite.endpoint) as proxy:
        yield proxy


MakeStaging = Callable[..., Staging]


@pytest.fixture
def make_staging(proxy: Proxy) -> Iterator[MakeStaging]:
    made: list[Staging] = []

    def make(name: str = "devstoreaccount1", endpoint: str = "", environment: dict[str, str] | None = None) -> Staging:
        settings = StorageSettings(f"{GROUP}/{name}", f"test-{uuid.uuid4().hex}", endpoint or proxy.url)
        made.append(Staging(settings, environment=environment or {}))
        return made[-1]

    yield make
    for staging in made:
        staging.close()


def everything_told(error: BaseException) -> str:
    """Everything that a person or a log could see of an error."""
    remedy = getattr(error, "remedy", "")
    return f"{error!s} {error!r} {remedy} {''.join(traceback.format_exception(error))}"


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (403, "AuthorizationPermissionMismatch", "the role Storage Blob Data Contributor on the container"),
        (403, "AuthorizationFailure", "firewall"),
        (403, "AuthenticationFailed", "check AZURE_STORAGE_KEY"),
        (403, "KeyBasedAuthenticationNotPermitted", "unset AZURE_STORAGE_KEY"),
        (401, "NoAuthenticationInformation", "the role Storage Blob Data Contributor on the container"),
    ],
)
def test_what_is_not_allowed_says_which_role_is_needed(
    make_staging: MakeStaging, proxy: Proxy, status: int, code: str, remedy: str
) -> None:
    proxy.refuse(Answer(status, {"x-ms-error-code": code}))

    with pytest.raises(ProviderError, match=f"no permission to list blobs in the container test-.*{code}") as caught:
        make_staging().names("", writer_of("lineage"))

    assert remedy in caught.value.remedy
    assert not caught.value.retryable


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_in_trouble_is_unavailable(
    make_staging: MakeStaging, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    for _ in range(7):
        proxy.refuse(Answer(status, {"x-ms-error-code": "ServerBusy", "Retry-After": "0"}))

    with pytest.raises(Unavailable, match="ServerBusy"):
        make_staging().names("", writer_of("lineage"))


def test_other_refusals_are_reported_by_their_codes(make_staging: MakeStaging, proxy: Proxy) -> None:
    proxy.refuse(Answer(400, {"x-ms-error-code": "OutOfRangeInput"}))

    with pytest.raises(ProviderError, match=r"it was not possible to list blobs .*: OutOfRangeInput"):
        make_staging().names("", writer_of("lineage"))


def test_the_service_says_when_to_try_again(make_staging: MakeStaging, proxy: Proxy) -> None:
    proxy.refuse(Answer(503, {"x-ms-error-code": "ServerBusy", "Retry-After": "3"}))
    began = time.monotonic()

    assert make_staging().names("", writer_of("lineage")) == []

    assert 3 <= time.monotonic() - began < 6
    assert len(proxy.passed) == 2


def test_if_no_server_listens_the_endpoint_is_named_immediately(make_staging: MakeStaging) -> None:
    began = time.monotonic()

    with pytest.raises(Unavailable, match=f"the blob service at {NOBODY_LISTENS}/devstoreaccount1 does not answer"):
        make_staging(endpoint=f"{NOBODY_LISTENS}/devstoreaccount1").names("", writer_of("lineage"))

    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "environment",
    [
        {"AZURE_STORAGE_KEY": SECRET},
        {"AZURE_STORAGE_KEY": f"{SECRET[:-3]}!"},
        {"AZURE_STORAGE_CONNECTION_STRING": SECRET},
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=corpimages;AccountKey={SECRET};{NOWHERE}"},
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=another;AccountKey={SECRET};{NOWHERE}"},
        {"AZURE_STORAGE_CONNECTION_STRING": f"{NOWHERE};SharedAccessSignature=sv=2026-01-01&sr=c&sig={SECRET}"},
        {"AZURE_STORAGE_CONNECTION_STRING": f"Nonsense={SECRET};BlobEndpoint=ftp://{SECRET}@nowhere"},
    ],
    ids=["key", "bad key", "no string", "string", "another account", "signature", "nonsense"],
)
def test_secrets_are_never_shown(make_staging: MakeStaging, environment: dict[str, str]) -> None:
    staging = make_staging("corpimages", f"{NOBODY_LISTENS}/corpimages", environment)

    with pytest.raises(ProviderError) as caught:
        staging.names("", writer_of("lineage"))

    assert SECRET[:12] not in everything_told(caught.value)
    assert SECRET[:12] not in repr(vars(staging)["_settings"])


KEY = base64.b64encode(b"the key of corpimages").decode()


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of a blob service that has an account `corpimages` with KEY."""
    monkeypatch.setenv("AZURITE_ACCOUNTS", f"corpimages:{KEY}")
    with running_azurite(tmp_path / "blobs") as server:
        yield server.endpoint.replace("devstoreaccount1", "corpimages")


def signed(endpoint: str) -> str:
    """A connection string with a signature instead of a key."""
    everything = AccountSasPermissions(read=True, write=True, list=True, create=True, delete=True)
    kinds, until = ResourceTypes(container=True, object=True), datetime.now(UTC) + timedelta(hours=1)
    signature = generate_account_sas("corpimages", KEY, kinds, everything, until)
    return f"BlobEndpoint={endpoint};SharedAccessSignature={signature}"


@pytest.mark.parametrize("way", ["key", "string", "signature"])
def test_every_credential_of_the_environment_serves_and_no_result_shows_it(
    account: str, make_staging: MakeStaging, tmp_path: Path, way: str
) -> None:
    environment = {
        "key": {"AZURE_STORAGE_KEY": KEY},
        "string": {
            "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=corpimages;AccountKey={KEY};BlobEndpoint={account}"
        },
        "signature": {"AZURE_STORAGE_CONNECTION_STRING": signed(account)},
    }[way]
    (tmp_path / "disk.raw").write_bytes(b"\x01" * (1 << 20))
    disk = FileSources(str(tmp_path)).disks({"file": "disk.raw"}, None)[0]
    staging = make_staging("corpimages", account, environment)

    staged = staging.stage(disk, writer_of("lineage"), VERSION, lambda *_: None)

    container = vars(staging)["_settings"].container
    assert staged.uri == f"{account}/{container}/{blob_name('lineage', VERSION, disk)}"
    assert staging.names("", writer_of("lineage")) == [blob_name("lineage", VERSION, disk)]


def test_a_wrong_key_is_refused_and_not_shown(account: str, make_staging: MakeStaging) -> None:
    staging = make_staging("corpimages", account, {"AZURE_STORAGE_KEY": SECRET})

    with pytest.raises(ProviderError, match="AuthorizationFailure") as caught:
        staging.names("", writer_of("lineage"))

    assert SECRET[:12] not in everything_told(caught.value)


def test_a_signature_that_the_service_quotes_is_not_shown(make_staging: MakeStaging, proxy: Proxy) -> None:
    detail = f"The MAC signature found in the HTTP request '{SECRET}' is not the same as any computed signature."
    body = f"<Error><Code>AuthenticationFailed</Code><Message>{detail}</Message></Error>".encode()
    proxy.refuse(Answer(403, {"Content-Type": "application/xml"}, content=body))

    with pytest.raises(ProviderError, match="AuthenticationFailed") as caught:
        make_staging().names("", writer_of("lineage"))

    assert SECRET not in everything_told(caught.value)


class NobodySignedIn:
    """A credential without a sign-in."""

    def get_token(self, *scopes: str, **options: object) -> NoReturn:
        raise ClientAuthenticationError(f"run az login; tried with {SECRET}")


def test_without_an_identity_the_remedy_is_to_sign_in() -> None:
    settings = StorageSettings(f"{GROUP}/corpimages", "images", "https://127.0.0.1:9/corpimages")
    staging = Staging(settings, NobodySignedIn(), environment={})

    with pytest.raises(
        ProviderError, match="no access token could be obtained for the storage account corpimages"
    ) as caught:
        staging.names("", writer_of("lineage"))

    staging.close()
    assert "sign in" in caught.value.remedy
    assert SECRET not in everything_told(caught.value)


def test_missing_credentials_are_reported() -> None:
    settings = StorageSettings(f"{GROUP}/corpimages", "images", blob_service("corpimages", AZURE_ENDPOINT))
    staging = Staging(settings, environment={})

    with pytest.raises(ProviderError, match="there are no credentials") as caught:
        staging.names("", writer_of("lineage"))

    staging.close()
    assert "AZURE_STORAGE_KEY" in caught.value.remedy


def test_the_connection_string_has_to_be_of_the_account() -> None:
    key = base64.b64encode(b"key").decode()
    text = f"AccountName=another;AccountKey={key};DefaultEndpointsProtocol=https"
    settings = StorageSettings(f"{GROUP}/corpimages", "images", blob_service("corpimages", AZURE_ENDPOINT))

    with pytest.raises(
        ProviderError, match="is for the storage account another, but the project file names corpimages"
    ):
        connect(settings, settings.endpoint, None, {"AZURE_STORAGE_CONNECTION_STRING": text})


def test_the_usual_endpoint_is_the_public_clouds() -> None:
    assert blob_service("corpimages", AZURE_ENDPOINT) == "https://corpimages.blob.core.windows.net"


@pytest.mark.parametrize(
    ("account_id", "container", "endpoint", "fault"),
    [
        ("corpimages", "images", "https://corpimages.blob.core.windows.net", "is not the id of a storage account"),
        (f"{GROUP}/corpimages", "Images", "https://corpimages.blob.core.windows.net", "3 to 63 lower-case letters"),
        (f"{GROUP}/corpimages", "a--b", "https://corpimages.blob.core.windows.net", "3 to 63 lower-case letters"),
        (f"{GROUP}/corpimages", "i" * 64, "https://corpimages.blob.core.windows.net", "at most 63"),
        (f"{GROUP}/corpimages", "images", "http://corpimages.blob.core.windows.net", "has to be https"),
        (f"{GROUP}/corpimages", "images", "corpimages", "the URL of a blob service"),
        (f"{GROUP}/corpimages", "images", f"https://corpimages.blob.core.windows.net?sig={SECRET}", "without a sign"),
        (f"{GROUP}/corpimages", "images", AUTO, "is named devstoreaccount1"),
    ],
)
def test_unusable_settings_are_reported(
    tmp_path: Path, account_id: str, container: str, endpoint: str, fault: str
) -> None:
    storage = {"account": account_id, "container": container, "endpoint": endpoint}
    (problem,) = refused(tmp_path, "emulator", {"storage": storage})

    assert fault in said(problem)
    assert problem.summary.startswith("providers.main.storage.")
    assert problem.detail
    assert SECRET not in str(problem)


@pytest.mark.parametrize("endpoint", [AUTO, "http://127.0.0.1:10000/devstoreaccount1", "https://blobs.example.com/x"])
def test_settings_that_can_be_used_are_accepted(tmp_path: Path, endpoint: str) -> None:
    storage = {"account": DEVELOPMENT_ID, "container": "images-2", "endpoint": f"{endpoint}/"}
    trust = Trust(endpoints={"https://blobs.example.com": None})
    config = accepted(tmp_path, "emulator", {"storage": storage}, trust)

    assert configuration_of(config).storage == StorageSettings(DEVELOPMENT_ID, "images-2", endpoint)

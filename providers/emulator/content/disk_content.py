"""The content of disks: source blobs are read from blob storage, and copies of the published ones are kept in a folder.

Blobs are only read from allowed hosts, without following redirects or using proxies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from reconciler.manifests.private_files import private_folder, replacing
from reconciler.providers.emulator.content.vhds import account_of, blob_key, plain_address
from reconciler.providers.emulator.core.arm import ArmError
from reconciler.providers.emulator.core.service import BlobFacts
from reconciler.providers.image_files.formats.disk_format import SECTOR

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobProperties

_DEVELOPMENT = "UseDevelopmentStorage=true"
_PIECE = 4 << 20
_AT_ONCE = 4
_ENDING = ".vhd"
_UNFINISHED = ".part"


@dataclass(frozen=True)
class DiskContents:
    """Disks in `folder`, and the blobs they come from.

    Blobs may be on this host, or in the storage account of `connection_string`. The development account of a local blob
    service needs no connection string.
    """

    folder: Path
    connection_string: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        private_folder(self.folder)

    def facts(self, uri: str) -> BlobFacts:
        """Raises: ArmError when the page blob does not exist, or may not be read."""
        with self._reading(uri) as client:
            properties = self._page_blob(client, uri)
            start = max(0, properties.size - SECTOR)
            footer = client.download_blob(start, SECTOR).readall() if properties.size else b""
            return BlobFacts(properties.size, footer)

    def keep(self, uri: str) -> str:
        """The name of the copy of a blob, which is only copied again after it has changed.

        Raises: ArmError as `facts` does, and when the blob changes during the copy.
        """
        with self._reading(uri) as client:
            properties = self._page_blob(client, uri)
            identity = f"{blob_key(uri)} {properties.etag} {properties.size}"
            name = hashlib.sha256(identity.encode()).hexdigest()[:32] + _ENDING
            if not self.path(name).exists():
                self._copy(client, properties, self.path(name))
            return name

    def path(self, name: str) -> Path:
        """The path of a disk that `keep` made."""
        return self.folder / name

    def remove(self, name: str) -> None:
        """Removes a disk that `keep` made, if it still exists."""
        self.path(name).unlink(missing_ok=True)

    def keep_only(self, names: Collection[str]) -> None:
        """Removes all disks except these, and the remains of interrupted copies."""
        for path in self.folder.glob(f"*{_UNFINISHED}"):
            path.unlink(missing_ok=True)
        for path in self.folder.glob(f"*{_ENDING}"):
            if path.name not in names:
                path.unlink(missing_ok=True)

    def _copy(self, client: BlobClient, properties: BlobProperties, target: Path) -> None:
        """Copies the ranges that have data, and leaves holes for the rest."""
        from azure.core import MatchConditions

        unchanged: Mapping[str, Any] = {"etag": properties.etag, "match_condition": MatchConditions.IfNotModified}
        with replacing(target, suffix=_UNFINISHED) as output:
            output.truncate(properties.size)
            for extent in client.list_page_ranges():
                start, end = int(extent.start or 0), int(extent.end or 0)
                output.seek(start)
                client.download_blob(start, end - start + 1, max_concurrency=_AT_ONCE, **unchanged).readinto(output)

    def _page_blob(self, client: BlobClient, uri: str) -> BlobProperties:
        properties = client.get_blob_properties()
        if properties.blob_type != "PageBlob":
            raise _refused(
                f"The blob '{plain_address(uri)}' is a {properties.blob_type}. A disk has to be a page blob."
            )
        return properties

    @contextmanager
    def _reading(self, uri: str) -> Iterator[BlobClient]:
        """A client for a blob. Failures of its calls become ArmErrors."""
        from azure.core.exceptions import (
            AzureError,
            ClientAuthenticationError,
            HttpResponseError,
            ResourceNotFoundError,
        )
        from azure.storage.blob import BlobClient, LinearRetry

        self._check_host(uri)
        name = plain_address(uri)
        options: dict[str, Any] = {
            "permit_redirects": False,
            "use_env_settings": False,
            "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=0),
            "connection_timeout": 5,
            "max_single_get_size": _PIECE,
            "max_chunk_get_size": _PIECE,
        }
        try:
            with BlobClient.from_blob_url(uri, credential=self._credential(uri), **options) as client:
                yield client
        except ResourceNotFoundError as error:
            raise ArmError(404, "NotFound", f"The blob '{name}' was not found.") from error
        except ClientAuthenticationError as error:
            raise ArmError(403, "AuthorizationFailed", f"The blob '{name}' may not be read.") from error
        except HttpResponseError as error:
            if error.status_code == 412:
                raise ArmError(409, "Conflict", f"The blob '{name}' changed while it was copied.") from error
            if error.status_code == 403:
                raise ArmError(403, "AuthorizationFailed", f"The blob '{name}' may not be read.") from error
            raise _refused(f"The blob '{name}' cannot be read: {error.reason}.") from error
        except AzureError as error:
            raise _refused(f"The blob '{name}' cannot be read: its storage service does not answer.") from error

    def _check_host(self, uri: str) -> None:
        host = urlsplit(uri).hostname or ""
        if not _is_loopback(host) and all(host != urlsplit(account.url).hostname for account in self._accounts()):
            raise _refused(f"The host '{host}' of the blob '{plain_address(uri)}' is not one that may be read from.")

    def _credential(self, uri: str) -> dict[str, str] | None:
        """The key of the blob's account; None when the address is signed, or the account is not known."""
        if "sig" in parse_qs(urlsplit(uri).query):
            return None
        for account in self._accounts():
            if account.key and account.name == account_of(uri):
                return {"account_name": account.name, "account_key": account.key}
        return None

    def _accounts(self) -> Iterator[_Account]:
        """The storage accounts whose blobs may be read."""
        from azure.storage.blob import BlobServiceClient

        for text in filter(None, (self.connection_string, _DEVELOPMENT)):
            with BlobServiceClient.from_connection_string(text) as client:
                key = getattr(client.credential, "account_key", "")
                yield _Account(str(client.account_name), key, client.url)


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    key: str = field(repr=False)
    url: str


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(message: str) -> ArmError:
    return ArmError(400, "InvalidParameter", message)

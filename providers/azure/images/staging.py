"""Uploads image files as page blobs, from which Azure then creates versions.

The metadata of a blob records its owner, its source file, and whether it is complete. An interrupted upload continues
where it stopped if the file is still the same.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

from reconciler.manifests.address import Address
from reconciler.providers.azure.azurite import Azurite
from reconciler.providers.azure.images.blob_storage import NO_CONNECT_RETRY, connect, translated_errors
from reconciler.providers.azure.images.page_upload import AT_ONCE, PageSet, upload
from reconciler.providers.azure.images.vhd import footer, opened_disk, whole_mib
from reconciler.providers.azure.storage_settings import AUTO, StorageSettings
from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable
from reconciler.providers.image_files.disk_formats import SECTOR
from reconciler.providers.image_files.image_sources import SourceDisk
from reconciler.providers.owner import OwnerMark

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_LINEAGE, _ADDRESS = "reconciler_lineage", "reconciler_address"
_SOURCE, _STATE, _SHA256 = "reconciler_source", "reconciler_state", "reconciler_sha256"


@dataclass(frozen=True, slots=True)
class StagedBlob:
    """An uploaded disk. `uri` and `storage_account_id` are what a version names as its source; the others describe the
    file: digest, size, virtual size of the disk, format, identity."""

    uri: str
    storage_account_id: str
    sha256: str
    size: int
    virtual_size: int
    format: str
    identity: str


def blob_name(lineage: str, address: Address, disk: str) -> str:
    """The name of the blob to which a version's disk is uploaded."""
    return f"{lineage_prefix(lineage)}{address.gallery}/{address.definition}/{address.version}/{disk}.vhd"


def lineage_prefix(lineage: str) -> str:
    """The prefix of the names of all blobs of a lineage."""
    return f"reconciler/{lineage[:8]}/"


class Staging:
    """The container that images are uploaded to. May be used from several threads."""

    def __init__(
        self,
        settings: StorageSettings,
        credential: TokenCredential | None = None,
        azurite: Azurite | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`azurite` is required if the endpoint is `auto`; `close` stops it."""
        self._settings = settings
        self._credential = credential
        self._azurite = azurite
        self._environment = environment
        self._connecting = threading.Lock()
        self._container: ContainerClient | None = None
        self._uploads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")

    def stage(self, disk: SourceDisk, mark: OwnerMark, progress: Callable[[int, int], None]) -> StagedBlob:
        """Uploads a disk under its `blob_name`, unless that has been done before. `progress` gets the bytes done and in
        total, about once per percent.

        Raises: SourceError when the file cannot be used, or changes during the upload; ObjectConflict when a blob of
        that name is not ours; ProviderError, Unavailable.
        """
        blob = self._connected().get_blob_client(blob_name(mark.lineage, mark.address, disk.disk))
        labels = _labels(disk, mark)
        with translated_errors(self._settings, self._endpoint(), f"upload '{blob.blob_name}'"):
            existing = self._ours(blob, mark.lineage)
            known = existing.metadata.get(_SHA256, "") if existing is not None else ""
            if existing is not None and existing.metadata == _completed(labels, known):
                return self._staged(disk, blob, known)
            present = self._prepare(blob, labels, existing, whole_mib(disk.format.virtual_size) + SECTOR)
            with opened_disk(disk) as content:
                upload(blob, content, present, self._uploads, progress)
            sha256 = content.sha256()
            blob.upload_page(footer(content.size, sha256), content.size, SECTOR)
            blob.set_blob_metadata(_completed(labels, sha256))
            return self._staged(disk, blob, sha256)

    def remove(self, name: str, lineage: str) -> None:
        """Removes a staged blob, complete or not, if it exists.

        Raises: ObjectConflict when it is not of this lineage; ProviderError, Unavailable.
        """
        if not self._may_hold_something():
            return
        blob = self._connected().get_blob_client(name)
        with translated_errors(self._settings, self._endpoint(), f"remove '{name}'"):
            existing = self._ours(blob, lineage)
            if existing is not None:
                _delete(blob, existing)

    def names(self, prefix: str, lineage: str) -> list[str]:
        """The names of this lineage's staged blobs, complete or not, that begin with `prefix`; sorted.

        Raises: ProviderError, Unavailable.
        """
        if not self._may_hold_something():
            return []
        container = self._connected()
        with translated_errors(self._settings, self._endpoint(), "list blobs"):
            try:
                blobs = list(container.list_blobs(name_starts_with=prefix, include=["metadata"], **NO_CONNECT_RETRY))
            except ResourceNotFoundError:  # nothing has ever been staged there
                return []
        return sorted(blob.name for blob in blobs if _lineage_of(blob) == lineage)

    def close(self) -> None:
        """Closes connections, and stops the Azurite that was started for this."""
        self._uploads.shutdown()
        if self._container is not None:
            self._container.close()
        if self._azurite is not None:
            self._azurite.close()

    def _connected(self) -> ContainerClient:
        with self._connecting:
            if self._container is None:
                self._container = connect(self._settings, self._endpoint(), self._credential, self._environment)
            return self._container

    def _endpoint(self) -> str:
        if self._settings.endpoint != AUTO:
            return self._settings.endpoint
        if self._azurite is None:
            raise ProviderError("an endpoint 'auto' without an Azurite to start. This is a bug.")
        return self._azurite.endpoint()

    def _may_hold_something(self) -> bool:
        """False if a request would start a server that has never stored anything."""
        return self._azurite is None or self._settings.endpoint != AUTO or self._azurite.has_data()

    def _ours(self, blob: BlobClient, lineage: str) -> BlobProperties | None:
        """The present blob; None when there is none. Raises: ObjectConflict when it is not of this lineage."""
        try:
            existing = blob.get_blob_properties(**NO_CONNECT_RETRY)
        except ResourceNotFoundError:
            return None
        if _lineage_of(existing) != lineage:
            raise ObjectConflict(
                f"the blob '{blob.blob_name}' in the container {self._settings.container} is not ours",
                "remove it, or use another container in the project file",
            )
        return existing

    def _prepare(
        self, blob: BlobClient, labels: Mapping[str, str], existing: BlobProperties | None, size: int
    ) -> PageSet:
        """Creates a blob of `size` bytes with these labels unless it exists; returns the ranges that have been written.

        Raises: ObjectConflict.
        """
        if existing is not None:
            if existing.metadata == labels and existing.size == size:
                return PageSet(_written(blob))
            _delete(blob, existing)
        try:
            self._create(blob, labels, size)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another upload was faster
                self._connected().create_container()
            self._create(blob, labels, size)
        return PageSet(())

    def _create(self, blob: BlobClient, labels: Mapping[str, str], size: int) -> None:
        """Raises: ObjectConflict, Unavailable when such a blob has appeared in the meantime."""
        try:
            blob.create_page_blob(size, metadata=dict(labels), match_condition=MatchConditions.IfMissing)
        except (ResourceExistsError, ResourceModifiedError):
            existing = self._ours(blob, unquote(labels[_LINEAGE]))
            if existing is None:
                raise  # the container was the problem
            if existing.metadata != labels or existing.size != size:
                raise Unavailable(f"'{blob.blob_name}' is being uploaded by another command", "try again") from None
            # It is ours: the answer was lost, and the request was repeated.

    def _staged(self, disk: SourceDisk, blob: BlobClient, sha256: str) -> StagedBlob:
        uri = blob.url.partition("?")[0]  # the rest is the signature of the credential in use
        form = disk.format
        return StagedBlob(
            uri, self._settings.account_id, sha256, disk.extent.size, form.virtual_size, form.name, disk.identity
        )


def _labels(disk: SourceDisk, mark: OwnerMark) -> dict[str, str]:
    """The metadata of an upload that has started."""
    extent = disk.extent
    return {
        _LINEAGE: quote(mark.lineage),
        _ADDRESS: quote(str(mark.address)),
        _SOURCE: quote(f"{extent.identity} {extent.offset} {extent.size} {disk.format.name}"),
        _STATE: "uploading",
    }


def _completed(labels: Mapping[str, str], sha256: str) -> dict[str, str]:
    return {**labels, _STATE: "complete", _SHA256: sha256}


def _lineage_of(blob: BlobProperties) -> str:
    """The lineage of a blob; empty when it has no owner mark."""
    return unquote((blob.metadata or {}).get(_LINEAGE, ""))


def _written(blob: BlobClient) -> Iterator[tuple[int, int]]:
    """(begin, end) of every range of a blob that has pages, in order."""
    for pages in blob.list_page_ranges():
        if pages.start is not None and pages.end is not None and not pages.cleared:
            yield pages.start, pages.end + 1


def _delete(blob: BlobClient, existing: BlobProperties) -> None:
    """Removes the blob that was found, unless it has changed since then."""
    with contextlib.suppress(ResourceNotFoundError):
        blob.delete_blob("include", etag=existing.etag, match_condition=MatchConditions.IfNotModified)

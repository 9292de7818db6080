"""Uploads image files as page blobs, from which Azure then creates versions.

The metadata of a blob records its owner, its source file, and whether it is complete. An interrupted upload continues
where it stopped if the file is still the same. A blob is only ever written from one state of one file, which is in its
name, so that runs that disturb each other write the same bytes. Its sequence number is the fence of the run that writes
it: the service refuses what an earlier run still sends.
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
from azure.storage.blob import BlobClient, BlobProperties, ContainerClient, SequenceNumberAction

from reconciler.manifests.address import Address
from reconciler.manifests.values import digest
from reconciler.providers.azure.azurite import Azurite
from reconciler.providers.azure.images.blob_storage import NO_CONNECT_RETRY, connect, translated_errors
from reconciler.providers.azure.images.page_upload import AT_ONCE, Pages, PageSet, upload
from reconciler.providers.azure.images.vhd import footer, opened_disk, whole_mib
from reconciler.providers.azure.storage_settings import AUTO, StorageSettings
from reconciler.providers.common.ownership import require_not_newer
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.owner import Owner, OwnerMark, Writer

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_LINEAGE, _ADDRESS, _SEAL = "reconciler_lineage", "reconciler_address", "reconciler_seal"
_SOURCE, _STATE = "reconciler_source", "reconciler_state"
_DIGEST, _SHA256 = "reconciler_digest", "reconciler_sha256"


@dataclass(frozen=True, slots=True)
class StagedBlob:
    """An uploaded disk. `uri` and `storage_account_id` are what a version names as its source; the others describe the
    file: its digest, size, virtual size of the disk, format, identity."""

    uri: str
    storage_account_id: str
    digest: ContentDigest
    size: int
    virtual_size: int
    format: str
    identity: str


def blob_name(lineage: str, address: Address, disk: SourceDisk) -> str:
    """The name of the blob to which a version's disk is uploaded: another one for every state of its file."""
    return f"{version_prefix(lineage, address)}{disk.disk}-{digest(_source(disk))[:12]}.vhd"


def version_prefix(lineage: str, address: Address) -> str:
    """The prefix of the names of a version's blobs."""
    return f"{lineage_prefix(lineage)}{address.gallery}/{address.definition}/{address.version}/"


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

    def stage(
        self,
        disk: SourceDisk,
        writer: Writer,
        version: Address,
        progress: Callable[[int, int], None],
        *,
        plain: bool = False,
    ) -> StagedBlob:
        """Uploads a version's disk under its `blob_name`, unless that has been done before. `progress` gets the bytes
        done and in total, about once per percent. `plain`: the digest is to have the sha256 of all bytes, too.

        Raises: SourceError when the file cannot be used, or changes during the upload; ObjectConflict when a blob of
        that name is not ours; ProviderError, Unavailable, LeaseLost.
        """
        blob = self._connected().get_blob_client(blob_name(writer.lineage, version, disk))
        labels = _labels(disk, writer.owner.mark(version))
        with translated_errors(self._settings, self._endpoint(), f"upload '{blob.blob_name}'"):
            existing = self._writable(blob, writer)
            known = _digest_in(existing.metadata) if existing is not None else ContentDigest()
            if existing is not None and existing.metadata == _completed(labels, known):
                return self._staged(disk, blob, _completed_digest(disk, known, plain=plain))
            present = self._prepare(blob, writer, labels, existing, whole_mib(disk.format.virtual_size) + SECTOR)
            pages = Pages(blob, writer)
            with opened_disk(disk, plain=plain) as content:
                upload(pages, content, present, self._uploads, progress)
            digest = content.digest()
            pages.write(footer(content.size, digest.text), content.size)
            writer.require_lease()
            blob.set_blob_metadata(_completed(labels, digest))
            return self._staged(disk, blob, digest)

    def remove(self, name: str, writer: Writer) -> None:
        """Removes a staged blob, complete or not, if it exists.

        Raises: ObjectConflict when it is not the writer's; ProviderError, Unavailable, LeaseLost.
        """
        if not self._may_hold_something():
            return
        blob = self._connected().get_blob_client(name)
        with translated_errors(self._settings, self._endpoint(), f"remove '{name}'"):
            existing = self._writable(blob, writer)
            if existing is not None:
                _delete(blob, writer, existing)

    def names(self, prefix: str, writer: Writer) -> list[str]:
        """The names of the blobs that begin with `prefix` and are the writer's to remove, complete or not: its owner's,
        unless a later run has written them. Sorted.

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
        return sorted(blob.name for blob in blobs if _is_ours(blob, writer.owner) and _fence_of(blob) <= writer.fence)

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
                endpoint = self._endpoint()
                self._container = connect(
                    self._settings, endpoint, self._credential, self._environment, self._own_key()
                )
            return self._container

    def _endpoint(self) -> str:
        if self._settings.endpoint != AUTO:
            return self._settings.endpoint
        if self._azurite is None:
            raise ProviderError("an endpoint 'auto' without an Azurite to start. This is a bug.")
        return self._azurite.endpoint()

    def _own_key(self) -> str:
        """The key of the Azurite that was started for this; empty for any other blob service."""
        return self._azurite.key if self._azurite is not None and self._settings.endpoint == AUTO else ""

    def _may_hold_something(self) -> bool:
        """False if a request would start a server that has never stored anything."""
        return self._azurite is None or self._settings.endpoint != AUTO or self._azurite.has_data()

    def _writable(self, blob: BlobClient, writer: Writer) -> BlobProperties | None:
        """The present blob; None when there is none. Raises: ObjectConflict when it is not the writer's; ProviderError
        when a later run has written it."""
        try:
            existing = blob.get_blob_properties(**NO_CONNECT_RETRY)
        except ResourceNotFoundError:
            return None
        if not _is_ours(existing, writer.owner):
            raise ObjectConflict(
                f"the blob '{blob.blob_name}' in the container {self._settings.container} is not ours",
                "remove it, or use another container in the project file",
            )
        require_not_newer(_fence_of(existing), writer, _mark_of(existing).address)
        return existing

    def _prepare(
        self, blob: BlobClient, writer: Writer, labels: Mapping[str, str], existing: BlobProperties | None, size: int
    ) -> PageSet:
        """Creates a blob of `size` bytes with these labels unless it exists; returns the ranges that have been written.

        Raises: ObjectConflict.
        """
        if existing is not None:
            if existing.metadata == labels and existing.size == size:
                writer.require_lease()
                blob.set_sequence_number(SequenceNumberAction.MAX, str(writer.fence))
                return PageSet(_written(blob))
            _delete(blob, writer, existing)
        try:
            self._create(blob, writer, labels, size)
        except ResourceNotFoundError:
            writer.require_lease()
            with contextlib.suppress(ResourceExistsError):  # another upload was faster
                self._connected().create_container()
            self._create(blob, writer, labels, size)
        return PageSet(())

    def _create(self, blob: BlobClient, writer: Writer, labels: Mapping[str, str], size: int) -> None:
        """Raises: ObjectConflict, Unavailable when such a blob has appeared in the meantime."""
        writer.require_lease()
        try:
            blob.create_page_blob(
                size,
                metadata=dict(labels),
                sequence_number=writer.fence,
                match_condition=MatchConditions.IfMissing,
            )
        except (ResourceExistsError, ResourceModifiedError):
            existing = self._writable(blob, writer)
            if existing is None:
                raise  # the container was the problem
            if existing.metadata != labels or existing.size != size:
                raise Unavailable(f"'{blob.blob_name}' is being uploaded by another command", "try again") from None
            # It is ours: the answer was lost, and the request was repeated.

    def _staged(self, disk: SourceDisk, blob: BlobClient, digest: ContentDigest) -> StagedBlob:
        uri = blob.url.partition("?")[0]  # the rest is the signature of the credential in use
        if key := self._own_key():
            uri = f"{uri}?{_signature(blob, key)}"  # nobody else knows the key, and the emulator has to read it
        form = disk.format
        return StagedBlob(
            uri, self._settings.account_id, digest, disk.extent.size, form.virtual_size, form.name, disk.identity
        )


def _signature(blob: BlobClient, key: str) -> str:
    """What lets its holder read a blob, for a day."""
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import BlobSasPermissions, generate_blob_sas

    return generate_blob_sas(
        str(blob.account_name),
        blob.container_name,
        blob.blob_name,
        account_key=key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(days=1),
    )


def _labels(disk: SourceDisk, mark: OwnerMark) -> dict[str, str]:
    """The metadata of an upload that has started."""
    return {
        _LINEAGE: quote(mark.lineage),
        _ADDRESS: quote(str(mark.address)),
        **({_SEAL: mark.seal} if mark.seal else {}),
        _SOURCE: quote(_source(disk)),
        _STATE: "uploading",
    }


def _source(disk: SourceDisk) -> str:
    """One state of a file, or the part of it that is the disk; what was unpacked or downloaded goes by the digest."""
    extent = disk.extent
    return f"{disk.source_sha256 or extent.identity} {extent.offset} {extent.size} {disk.format.name}"


def _completed(labels: Mapping[str, str], digest: ContentDigest) -> dict[str, str]:
    kinds = {_DIGEST: digest.tree, _SHA256: digest.plain}
    return {**labels, _STATE: "complete", **{name: text for name, text in kinds.items() if text}}


def _digest_in(metadata: Mapping[str, str]) -> ContentDigest:
    return ContentDigest(metadata.get(_DIGEST, ""), metadata.get(_SHA256, ""))


def _completed_digest(disk: SourceDisk, known: ContentDigest, *, plain: bool) -> ContentDigest:
    """The digest of a file that was uploaded before, read again if that upload left no digest of a kind that is needed
    now. Raises: SourceError."""
    if known.tree and (known.plain or not plain):
        return known
    return digest_extent(disk.extent, plain=plain)


def _mark_of(blob: BlobProperties) -> OwnerMark:
    """The owner mark of a blob. Raises: ValueError when it has none."""
    metadata = blob.metadata or {}
    address = Address.parse(unquote(metadata.get(_ADDRESS, "")))
    return OwnerMark(unquote(metadata.get(_LINEAGE, "")), address, metadata.get(_SEAL, ""))


def _fence_of(blob: BlobProperties) -> int:
    return int(blob.page_blob_sequence_number or 0)


def _is_ours(blob: BlobProperties, owner: Owner) -> bool:
    try:
        mark = _mark_of(blob)
    except ValueError:
        return False
    return owner.owns(mark, mark.address)


def _written(blob: BlobClient) -> Iterator[tuple[int, int]]:
    """(begin, end) of every range of a blob that has pages, in order."""
    for pages in blob.list_page_ranges():
        if pages.start is not None and pages.end is not None and not pages.cleared:
            yield pages.start, pages.end + 1


def _delete(blob: BlobClient, writer: Writer, existing: BlobProperties) -> None:
    """Removes the blob that was found, unless it has changed since then."""
    writer.require_lease()
    with contextlib.suppress(ResourceNotFoundError):
        blob.delete_blob("include", etag=existing.etag, match_condition=MatchConditions.IfNotModified)

"""The disks of a version that come from files: uploaded before the version is created, and removed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.azure.images.disk_sources import UPLOADED, Sources
from reconciler.providers.bound_sources import BoundSource, bound_to_plain, require_bound, require_same
from reconciler.providers.errors import Unsupported
from reconciler.providers.image_files.source_disks import add_archive_digest
from reconciler.providers.owner import Writer

if TYPE_CHECKING:
    from reconciler.providers.azure.images.staging import Staging

OS_DISK = "os"


@dataclass(frozen=True, slots=True)
class Staged:
    """`blobs`: disk -> URI and storage account of its blob. `facts`: disk -> what is recorded about it."""

    blobs: dict[str, tuple[str, str]]
    facts: Mapping[str, Any]

    def attributes(self, planned: Attributes) -> Attributes:
        """`planned`, with the data disks of an archive added."""
        disks = dict(planned.get("dataDisks", {}))
        for name in self.blobs:
            if name != OS_DISK:
                disks.setdefault(name.removeprefix("data-"), {"source": {"file": name}})
        return {**planned, "dataDisks": disks} if disks else planned


class Uploads:
    """Uploads to the container of the settings. `staging` opens it when first needed; None when there is none."""

    def __init__(self, sources: Sources, staging: Callable[[], Staging] | None) -> None:
        self._sources = sources
        self._staging = staging

    def stage(
        self,
        planned: Attributes,
        writer: Writer,
        version: Address,
        progress: Callable[[int, int], None],
        bound: Sequence[BoundSource] = (),
    ) -> Staged:
        """Uploads every disk that is a file; `bound` are the contents that were planned.

        Raises: SourceError, ProviderError, Unavailable, LeaseLost.
        """
        if self._staging is None:
            raise Unsupported(
                f"{version} comes from a file, but the provider has no storage to upload it to",
                "add `storage: {account: ID, container: NAME}` to the provider in the project file",
            )
        disks = self._sources.disks(planned, progress)
        total, before = sum(disk.extent.size for disk in disks), 0
        blobs, facts = {}, dict(self.named(planned))
        staging, plain = self._staging(), bound_to_plain(bound)
        for disk in disks:
            base = before

            def report(done: int, _total: int, base: int = base) -> None:
                progress(min(base + done, total), total)

            blob = staging.stage(disk, writer, version, report, plain=plain or disk.pinned)
            before += disk.extent.size
            blobs[disk.disk] = (blob.uri, blob.storage_account_id)
            facts[disk.disk] = {
                **blob.digest.facts(),
                "size": blob.size,
                "virtualSize": blob.virtual_size,
                "format": blob.format,
                "source": blob.identity,
            }
        add_archive_digest(disks, facts)
        require_bound(bound, facts)
        return Staged(blobs, facts)

    def named(self, planned: Attributes) -> Mapping[str, Any]:
        """What is recorded about disks whose sources are resources: their identities."""
        return {
            name: {"source": self._sources.identity(source)}
            for name, source in _disk_sources(planned)
            if source and not source.keys() & {*UPLOADED, "version"}
        }

    def require_resources(self, planned: Attributes) -> None:
        """Raises: SourceError when a resource that a version is made from does not exist; Unavailable."""
        self._sources.require_resources(planned)

    def require_planned(self, planned: Attributes, bound: Sequence[BoundSource]) -> None:
        """Checks that resources are still those that were planned. Raises: SourceError, ProviderError, Unavailable."""
        sources = dict(_disk_sources(planned))
        by_identity = [source for source in bound if source.identity and source.disk in sources]
        facts = {source.disk: self._sources.facts(sources[source.disk]) for source in by_identity}
        require_same(by_identity, {disk: found.revision or found.identity for disk, found in facts.items()})

    def remove(self, writer: Writer, version: Address) -> None:
        """Removes the uploads for a version. Raises: ProviderError, Unavailable, LeaseLost."""
        if self._staging is None:
            return
        from reconciler.providers.azure.images.staging import version_prefix

        staging = self._staging()
        for name in staging.names(version_prefix(writer.lineage, version), writer):
            staging.remove(name, writer)


def _disk_sources(planned: Attributes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(disk, source) of a version's attributes; an empty source where a data disk has none."""
    yield OS_DISK, planned["source"]
    for lun, disk in planned.get("dataDisks", {}).items():
        yield f"data-{lun}", disk.get("source", {})

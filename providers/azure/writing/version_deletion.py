"""The deletion of an image version; before one that makes room for a replacement, the sources of that are secured."""

from __future__ import annotations

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.azure.images.disk_sources import names_file, referenced_versions
from reconciler.providers.azure.observation.observed_objects import ServiceObject
from reconciler.providers.azure.observation.scan import fetch
from reconciler.providers.azure.service.failures import explained, from_operation
from reconciler.providers.azure.writing.version_operation import VersionOperation
from reconciler.providers.errors import ObjectConflict, SourceError
from reconciler.providers.protocol import Applied, Done, InProgress


class VersionDeletion(VersionOperation):
    """Advances the deletion of a version by one request."""

    def turn(self, version: ServiceObject | None) -> Done | InProgress | None:
        """Deletes the version that was read; None to read it again immediately. Raises: CallFailed, ProviderError."""
        own = self._handle.own
        makes_room = own is not None and own.makes_room
        if version is None:
            if not makes_room:
                self._clean_up(force=not self._handle.writes or self._is_shallow)
            return Done({step.address: Applied() for step in self._handle.operation.steps})
        if self._handle.failure is not None:
            raise explained(from_operation(self._handle.failure), f"{self._handle.unit} was not deleted")
        self._require_all_ours(version)
        if self._handle.operation.replacement:
            self._secure_sources(self._handle.operation.replacement)
        return self._await_write(self._api.delete_version(self._writer, *self._handle.unit[:3], for_good=makes_room))

    def _require_all_ours(self, version: ServiceObject) -> None:
        """Raises: ObjectConflict when the version has target regions of others."""
        foreign = sorted(version.regions.keys() - version.metadata.regions)
        if foreign:
            named = ", ".join(f"{version.id}@{region}" for region in foreign)
            raise ObjectConflict(
                f"{self._handle.unit} has target regions that are not ours: {named}",
                "remove these regions from the image version by hand if they are not needed",
            )

    def _secure_sources(self, planned: Attributes) -> None:
        """Makes sure that the version can be created again: uploads its files, which verifies them, and reads what else
        it is made from. Raises: SourceError, ProviderError, Unavailable."""
        bound = self._handle.operation.sources
        self._uploads.require_resources(planned)
        self._uploads.require_planned(planned, bound)
        for reference in referenced_versions(planned):
            self._require_copies(reference)
        if names_file(planned):
            self._uploads.stage(planned, self._writer, self._handle.unit, self._progress.uploaded, bound)

    def _require_copies(self, reference: Address) -> None:
        source = fetch(self._api, reference)
        if source is None or not source.any_completed:
            raise SourceError(
                f"{self._handle.unit} could not be created again: no region holds a whole copy of its source, "
                f"{reference}",
                "publish that version first, or choose another source",
            )

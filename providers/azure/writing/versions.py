"""Image versions: read, changed by one write towards the plan, waited for, and read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies import metadata_for, storage_profile, version_body
from reconciler.providers.azure.images.disk_sources import names_file
from reconciler.providers.azure.images.source_uploads import Uploads
from reconciler.providers.azure.observation.observed_objects import FAILED, ServiceObject, applied
from reconciler.providers.azure.observation.scan import fetch
from reconciler.providers.azure.service.api import Api, Json
from reconciler.providers.azure.service.failures import CallFailed, explained, from_operation
from reconciler.providers.azure.service.tag_metadata import from_tags
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.azure.writing.soft_deleted import check_restored, name_taken
from reconciler.providers.azure.writing.target_regions import (
    Target,
    body_of,
    is_reached,
    permits_first,
    retry_remedy,
    target_of,
)
from reconciler.providers.azure.writing.version_deletion import VersionDeletion
from reconciler.providers.azure.writing.version_operation import VersionOperation
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Applied, Done, InProgress, ProgressCallback, Results, Step, Verb

_MOST_WRITES = 12


class VersionWriter(VersionOperation):
    """Advances an operation on a version and its target regions by one write."""

    def __init__(
        self,
        api: Api,
        uploads: Uploads,
        handle: OperationHandle,
        progress: ProgressCallback,
        version_id: Callable[[str], str],
    ) -> None:
        super().__init__(api, uploads, handle, progress)
        self._version_id = version_id

    @property
    def _computed(self) -> Mapping[str, Any]:
        """The values known of the disks: computed in this operation, or recorded when the version was created."""
        if self._handle.disks is not None:
            return {"disks": self._handle.disks}
        return self._handle.operation.computed

    def waiting(self, seconds: float | None) -> InProgress:
        """The answer while the service is copying, with the regions that already have their copies as done."""
        version = fetch(self._api, self._handle.unit) if self._handle.filled_regions else None
        if version is None:
            return self._handle.wait(seconds)
        self._progress.copied(version, self._computed)
        ready = {
            step.address: applied(version, step.address)
            for step in self._handle.filled_regions
            if step.address.region in self._handle.attempted
            and version.completed(step.address.region)
            and canonical_json(version.regions.get(step.address.region, {})) == canonical_json(step.planned)
        }
        return self._handle.wait(seconds, ready)

    def turn(self) -> Done | InProgress | None:
        """Reads the version and makes the next write; None to repeat that immediately.

        Raises: CallFailed, ProviderError.
        """
        version = fetch(self._api, self._handle.unit)
        if version is not None:
            self._require_writable(version)
        if (
            version is not None
            and version.in_flight
            and not (self._handle.deletes_unit and version.state != "deleting")
        ):
            self._handle.polls += 1
            return self.waiting(None)
        if self._handle.deletes_unit:
            return VersionDeletion(self._api, self._uploads, self._handle, self._callback).turn(version)
        if version is None:
            return self._create()
        if self._must_start_over(version):
            return self._await_write(self._api.delete_version(self._writer, *self._handle.unit[:3], for_good=True))
        return self._change(version)

    # Creating.

    def _create(self) -> Done | InProgress | None:
        """Creates the version, which does not exist, unless the steps expect it to exist."""
        own = self._handle.own
        if own is None or own.verb is not Verb.CREATE or own.planned is None:
            self._clean_up(force=True)
            gone = ProviderError(f"{self._handle.unit} is gone", "plan again")
            deletes = {step.address: step.verb is Verb.DELETE for step in self._handle.operation.steps}
            return Done({address: Applied() if is_delete else gone for address, is_delete in deletes.items()})
        self._limit_writes(None)
        if "restore" in own.write_flags and (deleted := self._soft_deleted()):
            return self._restore(deleted, own.planned)
        regions = {step.address.region: step.planned or {} for step in self._handle.filled_regions}
        profile = self._storage_profile(own.planned)
        metadata = metadata_for(
            self._mark,
            own.planned,
            regions,
            canonical_json(self._computed),
            fence=self._writer.fence,
            protected=own.protect,
        )
        body = version_body(own.planned, regions, metadata, profile)
        self._handle.attempted |= regions.keys()
        self._handle.removed |= regions.keys()
        try:
            return self._await_write(self._put(body))
        except CallFailed as failed:
            if failed.status != 409 or failed.busy:
                raise
            if fetch(self._api, self._handle.unit) is not None:
                self._handle.writes += 1
                return None  # another client was faster: the next read shows who
            if deleted := self._soft_deleted():
                raise name_taken(self._handle.unit, deleted) from failed
            raise

    def _storage_profile(self, planned: Attributes) -> dict[str, Any]:
        """The storage profile of a new version. Uploads the disks that come from files."""
        blobs: dict[str, tuple[str, str]] = {}
        attributes, bound = planned, self._handle.operation.sources
        self._uploads.require_planned(planned, bound)
        if names_file(planned):
            self._handle.staged = True
            staged = self._uploads.stage(planned, self._writer, self._handle.unit, self._progress.uploaded, bound)
            self._handle.disks = staged.facts
            blobs, attributes = staged.blobs, staged.attributes(planned)
        elif self._handle.disks is None:
            self._handle.disks = self._uploads.named(planned)
        return storage_profile(attributes, vhd=blobs, version_id=self._version_id)

    def _soft_deleted(self) -> Json | None:
        """The soft-deleted version with the same name; None when there is none."""
        gallery, definition, version, _ = self._handle.unit
        deleted = self._api.deleted_versions(gallery, definition)
        return next((body for body in deleted if body.get("name") == version), None)

    def _restore(self, deleted: Json, planned: Attributes) -> InProgress | None:
        """Restores a soft-deleted version as it was; its mutable attributes are changed afterwards."""
        tags = deleted.get("tags") or {}
        if tags and not self._writer.owner.owns(from_tags(tags)[0].owner, self._handle.unit):
            raise name_taken(self._handle.unit, deleted, "it is not ours")
        self._handle.restored = True
        body = {"location": planned["location"], "properties": {"restore": True}}
        return self._await_write(self._put({**body, "tags": tags} if tags else body))

    def _must_start_over(self, version: ServiceObject) -> bool:
        """Whether to recreate a version from its source: one without any complete copy was never usable."""
        own = self._handle.own
        creating = own is not None and own.verb is Verb.CREATE
        return creating and version.state == "failed" and not version.any_completed and not self._handle.attempted

    # Changing.

    def _change(self, version: ServiceObject) -> Done | InProgress | None:
        if self._handle.restored:
            check_restored(self._handle, version)
        computed = version.metadata.computed if self._handle.disks is None else canonical_json(self._computed)
        target = target_of(self._handle, version)
        self._handle.removed |= {step.address.region for step in self._handle.filled_regions} - version.regions.keys()
        if self._is_over(version, target, computed):
            return self._finished(version, target.refused)
        self._limit_writes(version)
        body = body_of(target, version, self._mark, computed, self._writer.fence)
        if not permits_first(target, version):
            self._handle.attempted |= target.trying
        try:
            return self._await_write(self._put(body))
        except CallFailed as failed:
            if failed.status != 409 or failed.busy or not self._has_more_regions_than(version):
                raise
            self._handle.writes += 1
            return None

    def _is_over(self, version: ServiceObject, target: Target, computed: str) -> bool:
        """Whether no write is left: the version is as planned and did not fail, or only its copying failed."""
        if is_reached(target, version, self._mark, computed):
            return version.state != FAILED or self._handle.writes > 0 or any(map(version.failed, version.regions))
        return not target.trying and not target.leaving and self._only_failed(version)

    def _has_more_regions_than(self, version: ServiceObject) -> bool:
        """Whether another client has added regions since `version` was read, which a write would remove.

        A write names all regions, and the service has no conditional writes. A change between our read and our write is
        therefore lost where regions may be removed; where they may not, the write is refused, and merged again.
        """
        now = fetch(self._api, self._handle.unit)
        return now is not None and bool(now.regions.keys() - version.regions.keys())

    def _only_failed(self, version: ServiceObject) -> bool:
        """Whether the last write was accepted, and only its copying failed."""
        return self._handle.failure is not None and any(version.failed(region) for region in self._handle.attempted)

    def _limit_writes(self, version: ServiceObject | None) -> None:
        """Raises: ProviderError after too many or failed writes; failed copies are reported by region instead."""
        failure = self._handle.failure
        if failure is not None and not (version is not None and any(map(version.failed, version.regions))):
            raise explained(from_operation(failure), f"{self._handle.unit} was not changed", self._styles)
        if self._handle.writes >= _MOST_WRITES:
            raise ProviderError(
                f"{self._handle.unit} was written {self._handle.writes} times and is still not as planned",
                "another client may be changing it at the same time: check the activity log, then apply again",
            )

    def _finished(self, version: ServiceObject, refused: Mapping[Address, ProviderError]) -> Done:
        self._progress.copied(version, self._computed, over=True)
        self._clean_up()
        results: dict[Address, Applied | ProviderError] = dict(refused)
        for step in self._handle.region_steps:
            if step.address not in results:
                results[step.address] = self._region_result(version, step)
        own = self._handle.own
        if own is not None and own.address not in results:
            results[own.address] = self._own_result(version, own, results)
        return Done(results)

    def _region_result(self, version: ServiceObject, step: Step) -> Applied | ProviderError:
        region = step.address.region
        if step.verb is Verb.DELETE:
            return Applied()
        if step.verb is not Verb.UPDATE and not version.completed(region):
            details = (version.replication or {})[region].details if version.failed(region) else "it did not finish"
            return ProviderError(f"{step.address} has no copies: {details}", retry_remedy(version))
        return applied(version, step.address)

    def _own_result(self, version: ServiceObject, own: Step, results: Results) -> Applied | ProviderError:
        errors = [results[step.address] for step in self._handle.filled_regions]
        failed = [error for error in errors if isinstance(error, ProviderError)]
        if own.verb is Verb.CREATE and failed and len(failed) == len(errors):
            return failed[0]
        return applied(version, own.address)

"""Image versions: looked at, brought one move nearer to the plan, waited for, and looked at again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies import marks_for, storage_profile, version_body
from reconciler.providers.azure.images.disk_sources import names_file, styles_of
from reconciler.providers.azure.images.source_uploads import Uploads
from reconciler.providers.azure.observation.observed_objects import Seen, applied, conflict
from reconciler.providers.azure.observation.scan import look
from reconciler.providers.azure.service.api import Api, Begun, Json
from reconciler.providers.azure.service.failures import CallFailed, explained, from_operation
from reconciler.providers.azure.service.marks import from_tags
from reconciler.providers.azure.writing.operation_handle import Work
from reconciler.providers.azure.writing.soft_deleted import check_restored, in_the_way
from reconciler.providers.azure.writing.target_regions import body_of, is_reached, must_allow_first, target_of
from reconciler.providers.errors import ObjectConflict, ProviderError
from reconciler.providers.protocol import Applied, Done, InProgress, OwnerMark, ProgressCallback, Results, Step, Verb

_MOST_WRITES = 12


class VersionRun:
    """One turn of an operation on a version and its target regions."""

    def __init__(
        self,
        api: Api,
        uploads: Uploads,
        work: Work,
        progress: ProgressCallback,
        version_id: Callable[[str], str],
    ) -> None:
        self._api, self._uploads, self._work, self._progress = api, uploads, work, progress
        self._version_id = version_id

    @property
    def _owner(self) -> OwnerMark:
        return OwnerMark(self._work.operation.lineage, self._work.unit)

    @property
    def _computed(self) -> Mapping[str, Any]:
        """What is known of the disks: what was just worked out, or recorded at the first copy."""
        if self._work.disks is not None:
            return {"disks": self._work.disks}
        return self._work.operation.computed

    def waiting(self, seconds: float | None) -> InProgress:
        """While the service copies: the regions that have their copies already are done."""
        found = look(self._api, self._work.unit) if self._filled_regions() else None
        if found is None:
            return self._work.wait(seconds)
        self._tell(found)
        ready = {
            step.address: applied(found, step.address)
            for step in self._filled_regions()
            if step.address.region in self._work.attempted
            and found.completed(step.address.region)
            and canonical_json(found.regions.get(step.address.region, {})) == canonical_json(step.planned)
        }
        return self._work.wait(seconds, ready)

    def turn(self) -> Done | InProgress | None:
        """What came of one look at the version; None to look again at once. Raises: CallFailed, ProviderError."""
        found = look(self._api, self._work.unit)
        if found is not None and found.mark(self._work.unit) != self._owner:
            self._clean_up()
            raise conflict(found, self._work.unit)
        if found is not None and found.in_flight and not (self._work.deletes_unit and found.state != "deleting"):
            self._work.polls += 1
            return self.waiting(None)
        if self._work.deletes_unit:
            return self._delete(found)
        if found is None:
            return self._make()
        if self._must_start_over(found):
            return self._begun(self._api.delete_version(*self._work.unit[:3], for_good=True))
        return self._change(found)

    # Making it.

    def _make(self) -> Done | InProgress | None:
        """The version is not there: it is made, unless the steps are about something that should have been."""
        own = self._work.own
        if own is None or own.verb is not Verb.CREATE or own.planned is None:
            self._clean_up(force=True)
            gone = ProviderError(f"{self._work.unit} is gone", "plan again")
            deletes = {step.address: step.verb is Verb.DELETE for step in self._work.operation.steps}
            return Done({address: Applied() if is_delete else gone for address, is_delete in deletes.items()})
        self._no_endless_writing(None)
        if "restore" in own.write_flags and (deleted := self._soft_deleted()):
            return self._restore(deleted, own.planned)
        regions = {step.address.region: step.planned or {} for step in self._filled_regions()}
        profile = self._storage_profile(own.planned)
        marks = marks_for(self._owner, own.planned, regions, canonical_json(self._computed))
        body = version_body(own.planned, regions, marks, profile)
        self._work.attempted |= regions.keys()
        try:
            return self._begun(self._api.put_version(*self._work.unit[:3], body))
        except CallFailed as failed:
            if failed.status != 409 or failed.busy:
                raise
            if look(self._api, self._work.unit) is not None:
                self._work.writes += 1
                return None  # somebody was faster: the next look tells who
            if deleted := self._soft_deleted():
                raise in_the_way(self._work.unit, deleted) from failed
            raise

    def _storage_profile(self, planned: Attributes) -> dict[str, Any]:
        """Uploads what comes from files, and says where everything is."""
        blobs: dict[str, tuple[str, str]] = {}
        attributes = planned
        if names_file(planned):
            self._work.staged = True
            staged = self._uploads.stage(planned, self._owner, self._tell_upload)
            self._work.disks = staged.facts
            blobs, attributes = staged.blobs, staged.attributes(planned)
        elif self._work.disks is None:
            self._work.disks = self._uploads.named(planned)
        return storage_profile(attributes, vhd=blobs, version_id=self._version_id)

    def _soft_deleted(self) -> Json | None:
        """The soft-deleted version that keeps the name taken; None when there is none."""
        gallery, definition, version, _ = self._work.unit
        deleted = self._api.deleted_versions(gallery, definition)
        return next((body for body in deleted if body.get("name") == version), None)

    def _restore(self, deleted: Json, planned: Attributes) -> InProgress | None:
        """Brings a soft-deleted version back as it was; what of it may change is changed afterwards."""
        tags = deleted.get("tags") or {}
        owner = from_tags(tags)[0].owner
        if tags and owner != self._owner:
            raise in_the_way(self._work.unit, deleted, "it is not ours")
        self._work.restored = True
        body = {"location": planned["location"], "properties": {"restore": True}}
        return self._begun(self._api.put_version(*self._work.unit[:3], {**body, "tags": tags} if tags else body))

    def _must_start_over(self, found: Seen) -> bool:
        """A version without a single whole copy was never usable: it is made anew, from its source."""
        own = self._work.own
        creating = own is not None and own.verb is Verb.CREATE
        return creating and found.state == "failed" and not found.any_completed and not self._work.attempted

    # Changing it.

    def _change(self, found: Seen) -> Done | InProgress | None:
        if self._work.restored:
            check_restored(self._work, found)
        computed = found.marks.computed if self._work.disks is None else canonical_json(self._computed)
        target = target_of(self._work, found)
        self._work.removed |= {
            step.address.region
            for step in self._work.region_steps
            if step.address.region not in found.regions and step.verb is Verb.REPLACE
        }
        if is_reached(target, found, self._owner, computed) or (
            not target.trying and not target.leaving and self._only_failed(found)
        ):
            return self._finished(found, target.refused)
        self._no_endless_writing(found)
        body = body_of(target, found, self._owner, computed)
        if must_allow_first(target, found):
            self._work.lent = True
        else:
            self._work.attempted |= target.trying
        try:
            return self._begun(self._api.put_version(*self._work.unit[:3], body))
        except CallFailed as failed:
            if failed.status != 409 or failed.busy or not self._has_more_regions_than(found):
                raise
            self._work.writes += 1
            return None

    def _has_more_regions_than(self, found: Seen) -> bool:
        """Whether somebody has added regions since `found` was looked at, so that a write would take them away.

        A write names all regions, and the service knows no condition for it. What comes between our look and our write
        is therefore lost wherever regions may be taken away; where they may not, the write is refused, and merged anew.
        """
        now = look(self._api, self._work.unit)
        return now is not None and bool(now.regions.keys() - found.regions.keys())

    def _only_failed(self, found: Seen) -> bool:
        """Whether the last write went through and was refused by the copying alone."""
        return self._work.failure is not None and any(found.failed(region) for region in self._work.attempted)

    def _no_endless_writing(self, found: Seen | None) -> None:
        """Copies that failed, in this operation or before, make every write fail; that is told region by region."""
        failure = self._work.failure
        if failure is not None and not (found is not None and any(map(found.failed, found.regions))):
            raise explained(from_operation(failure), f"{self._work.unit} was not changed", self._styles)
        if self._work.writes >= _MOST_WRITES:
            raise ProviderError(
                f"{self._work.unit} was written {self._work.writes} times and is still not as planned",
                "somebody else may be changing it at the same time: look at the activity log, then apply again",
            )

    def _finished(self, found: Seen, refused: Mapping[Address, ProviderError]) -> Done:
        self._tell(found, over=True)
        self._clean_up()
        results: dict[Address, Applied | ProviderError] = dict(refused)
        for step in self._work.region_steps:
            if step.address not in results:
                results[step.address] = self._region_result(found, step)
        own = self._work.own
        if own is not None:
            results[own.address] = self._own_result(found, own, results)
        return Done(results)

    def _region_result(self, found: Seen, step: Step) -> Applied | ProviderError:
        region = step.address.region
        if step.verb is Verb.DELETE:
            return Applied()
        if step.verb is not Verb.UPDATE and not found.completed(region):
            details = (found.replication or {})[region].details if found.failed(region) else "it did not finish"
            return ProviderError(
                f"{step.address} has no copies: {details}", "apply again: only the regions that failed are tried again"
            )
        return applied(found, step.address)

    def _own_result(self, found: Seen, own: Step, results: Results) -> Applied | ProviderError:
        errors = [results[step.address] for step in self._filled_regions()]
        failed = [error for error in errors if isinstance(error, ProviderError)]
        if own.verb is Verb.CREATE and failed and len(failed) == len(errors):
            return failed[0]
        return applied(found, own.address)

    # Deleting it.

    def _delete(self, found: Seen | None) -> Done | InProgress | None:
        if found is None:
            self._clean_up(force=not self._work.writes or self._is_shallow)
            return Done({step.address: Applied() for step in self._work.operation.steps})
        if self._work.failure is not None:
            raise explained(from_operation(self._work.failure), f"{self._work.unit} was not deleted")
        foreign = sorted(found.regions.keys() - found.marks.regions)
        if foreign:
            named = ", ".join(f"{found.id}@{region}" for region in foreign)
            raise ObjectConflict(
                f"{self._work.unit} has target regions that are not ours: {named}",
                "remove these regions from the image version by hand if nobody needs them",
            )
        own = self._work.own
        makes_room = own is not None and own.makes_room
        return self._begun(self._api.delete_version(*self._work.unit[:3], for_good=makes_room))

    def _clean_up(self, *, force: bool = False) -> None:
        """Removes the uploaded disks: the service has copies of its own, unless the version is Shallow."""
        if force or (self._work.staged and not self._is_shallow):
            self._uploads.remove(self._owner)
            self._work.staged = False

    # What all of them share.

    @property
    def _is_shallow(self) -> bool:
        return (self._work.operation.version or {}).get("replicationMode") == "Shallow"

    @property
    def _styles(self) -> tuple[str, ...]:
        return styles_of(self._work.operation.version)

    def _filled_regions(self) -> Sequence[Step]:
        return [step for step in self._work.region_steps if step.verb in (Verb.CREATE, Verb.REPLACE)]

    def _begun(self, begun: Begun) -> InProgress | None:
        self._work.writes += 1
        self._work.tries = self._work.polls = 0
        self._work.failure = None
        self._work.url = begun.url
        return self._work.wait(begun.retry_after_s or 0.0) if begun.url else None

    # Progress, in bytes of the images.

    def _size(self) -> int:
        disks = self._computed.get("disks", {}).values()
        return sum(int(disk.get("virtualSize", 0)) for disk in disks)

    def _tell_upload(self, done: int, total: int) -> None:
        for step in self._filled_regions():
            self._progress(step.address, done, 2 * total)

    def _tell(self, found: Seen, *, over: bool = False) -> None:
        size = self._size()
        before = size if self._work.staged else 0
        for step in self._filled_regions():
            status = (found.replication or {}).get(step.address.region)
            if size and status is not None and step.address.region in self._work.attempted:
                percent = 100 if over and found.completed(step.address.region) else min(status.percent, 99)
                self._progress(step.address, before + size * percent // 100, before + size)

"""Galleries and definitions: written until they are as planned, deleted when they are empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests.address import Kind
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies import definition_body, gallery_body, groups_of, groups_of_body, metadata_for
from reconciler.providers.azure.observation.observed_objects import (
    FAILED,
    ServiceObject,
    applied,
    require_writable,
    service_object,
)
from reconciler.providers.azure.observation.scan import fetch
from reconciler.providers.azure.service.api import Api, Json, StartedWrite
from reconciler.providers.azure.service.failures import CallFailed, explained, from_operation
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.azure.writing.soft_deleted import DELETE_COMMAND, until
from reconciler.providers.errors import ObjectConflict, ProviderError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Done, InProgress, Step, Verb

_MOST_WRITES = 4
_PROPAGATION_S = 300.0
"""How long the service may take to see that a child no longer exists. Source: reports of 10 to 30 s."""


class ContainerWriter:
    """Advances an operation on a gallery or a definition by one write."""

    def __init__(self, api: Api, handle: OperationHandle, now: float) -> None:
        self._api = api
        self._handle = handle
        self._now = now
        self._step: Step = handle.operation.steps[0]

    def turn(self) -> Done | InProgress | None:
        """Reads the object and makes the next write; None to repeat that immediately.

        Raises: CallFailed, ProviderError.
        """
        obj = fetch(self._api, self._handle.unit)
        if obj is not None:
            require_writable(obj, self._handle.unit, self._writer)
        if obj is not None and obj.in_flight:
            self._handle.polls += 1
            return self._handle.wait(None)
        if self._step.verb is Verb.DELETE:
            return self._delete(obj)
        return self._write(obj)

    @property
    def _writer(self) -> Writer:
        return self._handle.operation.writer

    def _write(self, obj: ServiceObject | None) -> Done | InProgress | None:
        planned: Attributes = self._step.planned or {}
        if obj is None and self._step.verb is Verb.UPDATE:
            raise ProviderError(f"{self._handle.unit} is gone", "plan again")
        if obj is not None and self._as_planned(obj, planned):
            return Done({self._handle.unit: applied(obj, self._handle.unit)})
        self._limit_writes(obj, planned)
        started = self._share(obj, planned) if obj is not None else None
        return self._await_write(started or self._put(obj, planned))

    def _as_planned(self, obj: ServiceObject, planned: Attributes) -> bool:
        same = canonical_json(obj.attributes) == canonical_json(planned)
        return same and self._as_marked(obj) and obj.state != FAILED and not self._community_pending(obj)

    def _as_marked(self, obj: ServiceObject) -> bool:
        """Whether the tags name the owner, this run and the protection: a step of this run is not to be undone by an
        earlier one, even if there is nothing else to write."""
        found, writer = obj.metadata, self._writer
        marked = found.owner == writer.owner.mark(self._handle.unit) and found.fence == writer.fence
        return marked and found.protected == self._step.protect

    def _put(self, obj: ServiceObject | None, planned: Attributes) -> StartedWrite:
        unit, writer = self._handle.unit, self._writer
        metadata = metadata_for(writer.owner.mark(unit), planned, fence=writer.fence, protected=self._step.protect)
        if unit.kind is Kind.GALLERY:
            return self._api.put_gallery(writer, unit.gallery, gallery_body(planned, metadata))
        body = definition_body(planned, metadata, obj.body if obj else None)
        if obj is not None and "allowUpdateImage" in self._step.write_flags:
            body["properties"]["allowUpdateImage"] = True
        return self._api.put_definition(writer, unit.gallery, unit.definition, body)

    def _limit_writes(self, obj: ServiceObject | None, planned: Attributes) -> None:
        if self._handle.failure is not None:
            raise explained(from_operation(self._handle.failure), f"{self._handle.unit} was not created")
        if self._handle.writes >= _MOST_WRITES:
            shown = obj.attributes if obj else {}
            names = sorted(name for name in planned.keys() | shown.keys() if planned.get(name) != shown.get(name))
            raise ProviderError(
                f"{self._handle.unit} was written {self._handle.writes} times and is still not as planned: "
                f"{', '.join(names) or 'provisioning failed'}",
                "another client may be changing it at the same time: check the activity log, then apply again",
            )

    def _await_write(self, started: StartedWrite) -> InProgress | None:
        self._handle.writes += 1
        self._handle.tries = self._handle.polls = 0
        self._handle.url = started.url
        return self._handle.wait(started.retry_after_s or 0.0) if started.url else None

    # Sharing, which has its own call.

    def _community_pending(self, obj: ServiceObject) -> bool:
        info = obj.body.get("properties", {}).get("sharingProfile", {}).get("communityGalleryInfo")
        return bool(info) and not info.get("communityGalleryEnabled")

    def _share(self, obj: ServiceObject, planned: Attributes) -> StartedWrite | None:
        """The next call that changes the groups that the gallery is shared with; None when other attributes differ."""
        if self._handle.unit.kind is not Kind.GALLERY:
            return None
        rest = {name: value for name, value in obj.attributes.items() if name != "sharing"}
        if canonical_json(rest) != canonical_json({k: v for k, v in planned.items() if k != "sharing"}):
            return None
        if not self._as_marked(obj):
            return None
        if self._community_pending(obj) and planned["sharing"]["permissions"] == "Community":
            return self._send_share({"operationType": "EnableCommunity"})
        for operation, groups in _group_changes(groups_of_body(obj.body), groups_of(planned)):
            return self._send_share({"operationType": operation, "groups": groups})
        return None

    def _send_share(self, body: Json) -> StartedWrite:
        return self._api.share(self._writer, self._handle.unit.gallery, body)

    # Deleting.

    def _delete(self, obj: ServiceObject | None) -> Done | InProgress | None:
        if obj is None:
            return Done({self._handle.unit: Applied()})
        if self._handle.failure is not None:
            raise explained(from_operation(self._handle.failure), f"{self._handle.unit} was not deleted")
        info = obj.body.get("properties", {}).get("sharingProfile", {}).get("communityGalleryInfo", {})
        unit = self._handle.unit
        try:
            if info.get("communityGalleryEnabled"):
                return self._await_write(self._send_share({"operationType": "Reset"}))
            if unit.kind is Kind.GALLERY:
                started = self._api.delete_gallery(self._writer, unit.gallery)
            else:
                started = self._api.delete_definition(self._writer, unit.gallery, unit.definition)
        except CallFailed as failed:
            if not failed.not_empty:
                raise
            return self._wait_until_empty(failed)
        return self._await_write(started)

    def _wait_until_empty(self, failed: CallFailed) -> InProgress:
        """Waits while the service still sees deleted children. Raises: ObjectConflict when children exist."""
        inside = list(self._inside())
        if inside or self._now - self._handle.since > _PROPAGATION_S:
            named = f": {', '.join(inside[:5])}" if inside else f" ({failed.message})"
            raise ObjectConflict(
                f"{self._handle.unit} is not empty{named}",
                f"remove what is in it (soft-deleted versions with: {DELETE_COMMAND}) or wait until it is gone, then "
                "apply again",
            )
        self._handle.tries += 1
        return self._handle.wait(failed.retry_after_s)

    def _inside(self) -> Iterator[str]:
        """The children of the object that are not being deleted."""
        unit = self._handle.unit
        if unit.kind is Kind.GALLERY:
            bodies = self._api.definitions(unit.gallery)
        else:
            bodies = self._api.versions(unit.gallery, unit.definition)
        yield from (str(body["id"]) for body in bodies if not service_object(Kind.IMAGE_DEFINITION, body).in_flight)
        if unit.definition:
            deleted = self._api.deleted_versions(unit.gallery, unit.definition)
            yield from (f"{body['name']} ({until(body)})" for body in deleted)


def _group_changes(
    before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The share operations that change one set of groups to another: removals first, because there are limits."""
    for operation, groups, others in (("Remove", before, after), ("Add", after, before)):
        changes = [
            {"type": group_type, "ids": sorted(ids - others.get(group_type, frozenset()))}
            for group_type, ids in sorted(groups.items())
            if ids - others.get(group_type, frozenset())
        ]
        if changes:
            yield operation, changes

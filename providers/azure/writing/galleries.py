"""Galleries and definitions: written until they are what was planned, deleted once they are empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests.address import Kind
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies import definition_body, gallery_body, groups_of, groups_of_body, marks_for
from reconciler.providers.azure.observation.observed_objects import FAILED, Seen, applied, conflict, seen
from reconciler.providers.azure.observation.scan import look
from reconciler.providers.azure.service.api import Api, Begun, Json
from reconciler.providers.azure.service.failures import CallFailed, explained, from_operation
from reconciler.providers.azure.writing.operation_handle import Work
from reconciler.providers.azure.writing.soft_deleted import END_IT, until
from reconciler.providers.errors import ObjectConflict, ProviderError
from reconciler.providers.protocol import Applied, Done, InProgress, OwnerMark, Step, Verb

_MOST_WRITES = 4
_SETTLING_S = 300.0
"""How long the service may take to notice that a child is gone, or a parent is there. Source: reports of 10 to 30 s."""


class ContainerRun:
    """One turn of an operation on a gallery or a definition."""

    def __init__(self, api: Api, work: Work, now: float) -> None:
        self._api = api
        self._work = work
        self._now = now
        self._step: Step = work.operation.steps[0]

    def turn(self) -> Done | InProgress | None:
        """What came of one look at the object; None to look again at once. Raises: CallFailed, ProviderError."""
        found = look(self._api, self._work.unit)
        if found is not None and found.mark(self._work.unit) != self._mark:
            raise conflict(found, self._work.unit)
        if found is not None and found.in_flight:
            self._work.polls += 1
            return self._work.wait(None)
        if self._step.verb is Verb.DELETE:
            return self._delete(found)
        return self._write(found)

    @property
    def _mark(self) -> OwnerMark:
        return OwnerMark(self._work.operation.lineage, self._work.unit)

    def _write(self, found: Seen | None) -> Done | InProgress | None:
        planned: Attributes = self._step.planned or {}
        if found is None and self._step.verb is Verb.UPDATE:
            raise ProviderError(f"{self._work.unit} is gone", "plan again")
        if found is not None and self._as_planned(found, planned):
            return Done({self._work.unit: applied(found, self._work.unit)})
        self._no_endless_writing(found, planned)
        begun = self._share(found, planned) if found is not None else None
        return self._begun(begun or self._put(found, planned))

    def _as_planned(self, found: Seen, planned: Attributes) -> bool:
        same = canonical_json(found.attributes) == canonical_json(planned)
        return same and found.state != FAILED and not self._community_pending(found)

    def _put(self, found: Seen | None, planned: Attributes) -> Begun:
        unit, marks = self._work.unit, marks_for(self._mark, planned)
        if unit.kind is Kind.GALLERY:
            return self._api.put_gallery(unit.gallery, gallery_body(planned, marks))
        body = definition_body(planned, marks, found.body if found else None)
        if found is not None and "allowUpdateImage" in self._step.write_flags:
            body["properties"]["allowUpdateImage"] = True
        return self._api.put_definition(unit.gallery, unit.definition, body)

    def _no_endless_writing(self, found: Seen | None, planned: Attributes) -> None:
        if self._work.failure is not None:
            raise explained(from_operation(self._work.failure), f"{self._work.unit} was not made")
        if self._work.writes >= _MOST_WRITES:
            shown = found.attributes if found else {}
            names = sorted(name for name in planned.keys() | shown.keys() if planned.get(name) != shown.get(name))
            raise ProviderError(
                f"{self._work.unit} was written {self._work.writes} times and is still not as planned: "
                f"{', '.join(names) or 'provisioning failed'}",
                "somebody else may be changing it at the same time: look at the activity log, then apply again",
            )

    def _begun(self, begun: Begun) -> InProgress | None:
        self._work.writes += 1
        self._work.tries = self._work.polls = 0
        self._work.url = begun.url
        return self._work.wait(begun.retry_after_s or 0.0) if begun.url else None

    # Sharing, which has a call of its own.

    def _community_pending(self, found: Seen) -> bool:
        info = found.body.get("properties", {}).get("sharingProfile", {}).get("communityGalleryInfo")
        return bool(info) and not info.get("communityGalleryEnabled")

    def _share(self, found: Seen, planned: Attributes) -> Begun | None:
        """The next call that brings whom the gallery is shared with to the plan; None when that is not at fault."""
        if self._work.unit.kind is not Kind.GALLERY:
            return None
        rest = {name: value for name, value in found.attributes.items() if name != "sharing"}
        if canonical_json(rest) != canonical_json({k: v for k, v in planned.items() if k != "sharing"}):
            return None
        if self._community_pending(found) and planned["sharing"]["permissions"] == "Community":
            return self._api.share(self._work.unit.gallery, {"operationType": "EnableCommunity"})
        for operation, groups in _group_changes(groups_of_body(found.body), groups_of(planned)):
            body: Json = {"operationType": operation, "groups": groups}
            return self._api.share(self._work.unit.gallery, body)
        return None

    # Deleting.

    def _delete(self, found: Seen | None) -> Done | InProgress | None:
        if found is None:
            return Done({self._work.unit: Applied()})
        if self._work.failure is not None:
            raise explained(from_operation(self._work.failure), f"{self._work.unit} was not deleted")
        info = found.body.get("properties", {}).get("sharingProfile", {}).get("communityGalleryInfo", {})
        unit = self._work.unit
        try:
            if info.get("communityGalleryEnabled"):
                return self._begun(self._api.share(unit.gallery, {"operationType": "Reset"}))
            if unit.kind is Kind.GALLERY:
                begun = self._api.delete_gallery(unit.gallery)
            else:
                begun = self._api.delete_definition(unit.gallery, unit.definition)
        except CallFailed as failed:
            if not failed.not_empty:
                raise
            return self._wait_until_empty(failed)
        return self._begun(begun)

    def _wait_until_empty(self, failed: CallFailed) -> InProgress:
        """The service may take a while to notice that what was inside is gone; what is inside still is told."""
        inside = list(self._inside())
        if inside or self._now - self._work.since > _SETTLING_S:
            named = f": {', '.join(inside[:5])}" if inside else f" ({failed.message})"
            raise ObjectConflict(
                f"{self._work.unit} is not empty{named}",
                f"remove what is in it (the soft-deleted with: {END_IT}) or wait until it is gone, then apply again",
            )
        self._work.tries += 1
        return self._work.wait(failed.retry_after_s)

    def _inside(self) -> Iterator[str]:
        """What is in the object and not going already."""
        unit = self._work.unit
        if unit.kind is Kind.GALLERY:
            bodies = self._api.definitions(unit.gallery)
        else:
            bodies = self._api.versions(unit.gallery, unit.definition)
        yield from (str(body["id"]) for body in bodies if not seen(Kind.IMAGE_DEFINITION, body).in_flight)
        if unit.definition:
            deleted = self._api.deleted_versions(unit.gallery, unit.definition)
            yield from (f"{body['name']} ({until(body)})" for body in deleted)


def _group_changes(
    before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The share operations that lead from one set of groups to another: removing first, as there are limits."""
    for operation, one, other in (("Remove", before, after), ("Add", after, before)):
        groups = [
            {"type": kind, "ids": sorted(ids - other.get(kind, frozenset()))}
            for kind, ids in sorted(one.items())
            if ids - other.get(kind, frozenset())
        ]
        if groups:
            yield operation, groups

"""Calls to the service: Microsoft's client for one resource group, with plain JSON in and out, and one exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.manifests.identifiers.arm_ids import ArmId
from reconciler.providers.azure.clouds import is_on_loopback
from reconciler.providers.azure.service.answers import (
    failures,
    json_object,
    list_of_objects,
    objects,
    own_host_policy,
    require_own_host,
    seconds,
)
from reconciler.providers.azure.service.credentials import Credential, RenewingCredential
from reconciler.providers.azure.service.failures import CallFailed
from reconciler.providers.owner import Writer

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse
    from azure.mgmt.compute import ComputeManagementClient

Json = dict[str, Any]
API_VERSION = "2026-03-03"
_LOCATIONS_VERSION = "2022-12-01"
_METADATA_VERSION = "2022-09-01"
_CONNECT_S, _READ_S = 20, 120
_READ_RETRIES = {"retry_total": 4, "retry_backoff_factor": 0.3}
"""The retries of the client for reads; writes are repeated by us."""


@dataclass(frozen=True, slots=True)
class StartedWrite:
    """The first answer to a write: the URL to poll (empty: it is done), and after how many seconds."""

    url: str
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class WriteProgress:
    """The progress of a write: whether it is over, its error if it failed, and when to poll again."""

    over: bool
    error: Mapping[str, Any] | None
    retry_after_s: float | None


class Api:
    """Galleries, definitions and versions of one resource group, and their sources. Threads may share it."""

    def __init__(
        self, endpoint: str, subscription: str, group: str, credential: Credential, scope: str, ca: Path | None
    ) -> None:
        from azure.mgmt.compute import ComputeManagementClient

        self._endpoint, self._subscription, self._group = endpoint, subscription, group
        self._credential = RenewingCredential(credential, endpoint)
        trust: dict[str, Any] = {"connection_verify": str(ca)} if ca else {}
        loopback = is_on_loopback(endpoint)
        self._client: ComputeManagementClient = ComputeManagementClient(
            self._credential,
            subscription,
            base_url=endpoint,
            credential_scopes=[scope],
            retry_total=0,
            connection_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            use_env_settings=not loopback,
            permit_redirects=False,
            per_retry_policies=[own_host_policy(endpoint)],
            **trust,
        )

    def close(self) -> None:
        self._client.close()

    def renew(self) -> None:
        """Makes the next call sign in again."""
        self._credential.forget()

    # Reads. Lists are retried by the client when the service is busy.

    def locations(self) -> list[Json]:
        """The regions of the subscription."""
        path = f"/subscriptions/{self._subscription}/locations?api-version={_LOCATIONS_VERSION}"
        return objects(self._object("GET", self._endpoint + path, **_READ_RETRIES), "value")

    def emulator(self) -> str:
        """The id of the emulator that answers; empty if it has none."""
        url = f"{self._endpoint}/metadata/endpoints?api-version={_METADATA_VERSION}"
        return str(self._object("GET", url, **_READ_RETRIES).get("emulator", ""))

    def galleries(self) -> list[Json]:
        return self._listed(self._client.galleries.list_by_resource_group, self._group)

    def definitions(self, gallery: str) -> list[Json]:
        return self._listed(self._client.gallery_images.list_by_gallery, self._group, gallery)

    def versions(self, gallery: str, definition: str) -> list[Json]:
        call = self._client.gallery_image_versions.list_by_gallery_image
        return self._listed(call, self._group, gallery, definition)

    def deleted_versions(self, gallery: str, definition: str) -> list[Json]:
        """The soft-deleted versions of a definition."""
        call = self._client.soft_deleted_resource.list_by_artifact_name
        return self._listed(call, self._group, gallery, "Images", definition)

    def gallery(self, name: str) -> Json | None:
        """The gallery with the groups that it is shared with; None when it does not exist."""
        call = self._client.galleries.get
        return self._read(call, self._group, name, expand="SharingProfile/Groups")

    def definition(self, gallery: str, name: str) -> Json | None:
        return self._read(self._client.gallery_images.get, self._group, gallery, name)

    def version(self, gallery: str, definition: str, name: str, expand: str = "ReplicationStatus") -> Json | None:
        call = self._client.gallery_image_versions.get
        return self._read(call, self._group, gallery, definition, name, expand=expand)

    def resource(self, resource_id: str, api_version: str, expand: str = "") -> Json | None:
        """Any resource by its id; None when it does not exist. Raises: CallFailed; ValueError for what is no ARM id."""
        more = f"&$expand={expand}" if expand else ""
        path = ArmId.parse(resource_id).path
        try:
            return self._object("GET", f"{self._endpoint}{path}?api-version={api_version}{more}")
        except CallFailed as failed:
            if failed.missing:
                return None
            raise

    # Writes, for a run. Never retried here.

    def put_gallery(self, writer: Writer, name: str, body: Json) -> StartedWrite:
        return self._start(writer, self._client.galleries.begin_create_or_update, self._group, name, body)

    def put_definition(self, writer: Writer, gallery: str, name: str, body: Json) -> StartedWrite:
        call = self._client.gallery_images.begin_create_or_update
        return self._start(writer, call, self._group, gallery, name, body)

    def put_version(self, writer: Writer, gallery: str, definition: str, name: str, body: Json) -> StartedWrite:
        call = self._client.gallery_image_versions.begin_create_or_update
        return self._start(writer, call, self._group, gallery, definition, name, body)

    def share(self, writer: Writer, gallery: str, body: Json) -> StartedWrite:
        return self._start(writer, self._client.gallery_sharing_profile.begin_update, self._group, gallery, body)

    def delete_gallery(self, writer: Writer, name: str) -> StartedWrite:
        return self._start(writer, self._client.galleries.begin_delete, self._group, name)

    def delete_definition(self, writer: Writer, gallery: str, name: str) -> StartedWrite:
        return self._start(writer, self._client.gallery_images.begin_delete, self._group, gallery, name)

    def delete_version(
        self, writer: Writer, gallery: str, definition: str, name: str, *, for_good: bool = False
    ) -> StartedWrite:
        """`for_good`: bypasses the soft delete of its gallery."""
        call = self._client.gallery_image_versions.begin_delete
        more = {"bypass_soft_delete": True} if for_good else {}
        return self._start(writer, call, self._group, gallery, definition, name, **more)

    def progress(self, url: str) -> WriteProgress:
        """The progress of the write with this URL. Raises: CallFailed, `missing` when the service has dropped it."""
        response = self._send("GET", url)
        body = json_object(response)
        status = str(body.get("status", "")).lower()
        over = status in ("succeeded", "failed", "canceled")
        error = None if status in _NOT_FAILED else _error_in(body) or {"message": f"the operation was {status}"}
        return WriteProgress(over, error, seconds(response.headers))

    # Common to all calls.

    def _object(self, method: str, url: str, **options: Any) -> Json:
        """The JSON object that the service answers with."""
        return json_object(self._send(method, url, **options))

    def _send(self, method: str, url: str, **options: Any) -> HttpResponse:
        """Raises: CallFailed, also for a URL of another host than the service's."""
        from azure.core.rest import HttpRequest

        with failures(self._endpoint):
            require_own_host(url, self._endpoint)
            response = self._client.send_request(HttpRequest(method, url), **options)
            response.raise_for_status()
        return response

    def _listed(self, call: Callable[..., Any], *names: str) -> list[Json]:
        with failures(self._endpoint):
            return list_of_objects(item.as_dict() for item in call(*names, **_READ_RETRIES))

    def _read(self, call: Callable[..., Any], *names: str, **options: Any) -> Json | None:
        try:
            with failures(self._endpoint):
                body: Json = call(*names, **options).as_dict()
        except CallFailed as failed:
            if failed.missing:
                return None
            raise
        return body

    def _start(self, writer: Writer, call: Callable[..., Any], *arguments: Any, **options: Any) -> StartedWrite:
        """Sends the first request of a write, unless the run has lost its lease; the caller polls.

        The lease is checked when the request is about to be sent: signing in, which comes first, may take long.
        """
        answers: list[Mapping[str, str]] = []
        with failures(self._endpoint):
            call(
                *arguments,
                polling=False,
                raw_request_hook=lambda _: writer.require_lease(),
                raw_response_hook=lambda answer: answers.append(answer.http_response.headers),
                **options,
            )
        headers = answers[-1]
        return StartedWrite(headers.get("Azure-AsyncOperation", ""), seconds(headers))


_NOT_FAILED = ("succeeded", "inprogress", "running", "creating", "updating", "deleting", "accepted", "")


def _error_in(body: Json) -> Mapping[str, Any]:
    shown = body.get("error")
    return shown if isinstance(shown, Mapping) else {}

"""Types of resources without parents or children: how they are written, read, listed and deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.providers.emulator.core.arm import (
    COMPUTE,
    GROUP_COMPUTE,
    SUBSCRIPTION_COMPUTE,
    ArmAnswer,
    ArmRequest,
    Body,
)
from reconciler.providers.emulator.core.async_operations import written
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.json_schema import Schema
from reconciler.providers.emulator.core.resources import (
    CREATING,
    SUCCEEDED,
    UPDATING,
    ResourceType,
    begin_delete,
    check_name,
    listing,
    location_of,
    not_busy,
    require,
    resource_id,
)
from reconciler.providers.emulator.core.service import Finisher, Handler, Handlers, Route, Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource
from reconciler.providers.emulator.core.subscriptions import require_group


def nothing(_service: Service, _resource: Resource) -> None:
    """For types that have nothing to add."""


def ended(_service: Service, _operation: AsyncOperation, resource: Resource) -> None:
    """The usual end of a write."""
    resource.properties["provisioningState"] = SUCCEEDED


@dataclass(frozen=True, slots=True)
class SimpleResourceType:
    """One type. `collection` is its name in paths; `seconds` is how long a write takes, and `first_status`, unless 0,
    the status of the first answer to it.

    `make` fills in a new resource (which has its id, location and tags), `change` applies a PUT (its last argument is
    True) or a PATCH to an existing one, `before_delete` may refuse, `after_delete` cleans up; `end` ends a write.
    """

    type: ResourceType
    collection: str
    body: Schema
    make: Callable[[Service, ArmRequest, Resource, Fields], None]
    change: Callable[[Service, Resource, Fields, bool], None]
    seconds: float
    first_status: int = 0
    before_delete: Callable[[Service, Resource], None] = nothing
    after_delete: Callable[[Service, Resource], None] = nothing
    end: Finisher = ended
    get: Handler | None = None

    @property
    def path(self) -> str:
        return f"{GROUP_COMPUTE}/{self.collection}/{{name}}"

    def id_of(self, request: ArmRequest) -> str:
        return resource_id(request, self.collection, request.params["name"])

    def routes(self) -> tuple[Route, ...]:
        """Reads, writes, deletes and lists."""
        word, in_group = self.type.label, f"{GROUP_COMPUTE}/{self.collection}"
        return (
            Route("PUT", self.path, self._put, f"write {word}", body=self.body),
            Route("PATCH", self.path, self._patch, f"patch {word}", body=self.body),
            Route("GET", self.path, self.get or self.read, f"read {word}", query=("$expand",)),
            Route("DELETE", self.path, self._delete, f"delete {word}", query=("forcedeletion",)),
            Route("GET", in_group, self._list_in_group, f"list {word} of group", query=("$expand", "$filter")),
            Route("GET", f"{SUBSCRIPTION_COMPUTE}/{self.collection}", self._list, f"list {word} of subscription"),
        )

    def handlers(self) -> Handlers:
        """The usual requests, and the end of every operation."""
        return Handlers(self.routes(), {self.type.name: self.finish})

    def finish(self, service: Service, operation: AsyncOperation, resource: Resource) -> None:
        """Ends an operation on a resource of this type."""
        if operation.verb == "delete":
            service.store.remove(resource.id)
            self.after_delete(service, resource)
            return
        self.end(service, operation, resource)
        service.store.put(resource)

    def read(self, service: Service, request: ArmRequest) -> ArmAnswer:
        require_group(service, request)
        return ArmAnswer(200, require(service, self.id_of(request)).body)

    def _put(self, service: Service, request: ArmRequest) -> ArmAnswer:
        group = require_group(service, request)
        check_name(self.type, request.params["name"])
        fields = Fields.of(request.body, self.type.label)
        existing = service.store.get(self.id_of(request))
        location = location_of(fields, existing)
        if existing is not None:
            return self._rewrite(service, request, existing, fields, replaced=True)
        identity, name = self.id_of(request), request.params["name"]
        body: Body = {"id": identity, "name": name, "type": f"{COMPUTE}/{self.collection}", "location": location.name}
        resource = Resource(identity, self.type.name, group.id, body, {"region": location.name})
        _take_tags(resource, fields, replaced=False)
        self.make(service, request, resource, fields)
        return self.begin(service, request, resource, "create")

    def _patch(self, service: Service, request: ArmRequest) -> ArmAnswer:
        require_group(service, request)
        existing = require(service, self.id_of(request))
        return self._rewrite(service, request, existing, Fields.of(request.body, self.type.label), replaced=False)

    def _rewrite(
        self, service: Service, request: ArmRequest, existing: Resource, fields: Fields, *, replaced: bool
    ) -> ArmAnswer:
        not_busy(service, existing)
        _take_tags(existing, fields, replaced=replaced)
        self.change(service, existing, fields, replaced)
        return self.begin(service, request, existing, "update")

    def begin(self, service: Service, request: ArmRequest, resource: Resource, verb: str) -> ArmAnswer:
        """Stores what was written, and starts the operation that ends the write."""
        new = verb == "create"
        resource.properties["provisioningState"] = CREATING if new else UPDATING
        service.store.put(resource)
        operation = service.start(request, resource, verb, self.seconds)
        answer = written(service, request, resource, operation, new=new, poll_s=self.seconds)
        return replace(answer, status=self.first_status or answer.status)

    def _delete(self, service: Service, request: ArmRequest) -> ArmAnswer:
        require_group(service, request)
        resource = service.store.get(self.id_of(request))
        if resource is None:
            return ArmAnswer(204)
        self.before_delete(service, resource)
        return begin_delete(service, request, resource, self.seconds, poll_s=self.seconds)

    def _list_in_group(self, service: Service, request: ArmRequest) -> ArmAnswer:
        group = require_group(service, request)
        return listing(service, request, service.store.inside(group.id, self.type.name), _body)

    def _list(self, service: Service, request: ArmRequest) -> ArmAnswer:
        return listing(service, request, service.store.of_type(self.type.name), _body)


def _body(resource: Resource) -> Body:
    return resource.body


def _take_tags(resource: Resource, fields: Fields, *, replaced: bool) -> None:
    tags = fields.tags()
    if tags is not None:
        resource.body["tags"] = tags
    elif replaced:
        resource.body.pop("tags", None)

"""The values that handlers take and give: a request of the Resource Manager API, its answer, its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

Body = dict[str, Any]

COMPUTE = "Microsoft.Compute"
GROUP_PATH = "/subscriptions/{sub}/resourceGroups/{rg}"
SUBSCRIPTION_COMPUTE = f"/subscriptions/{{sub}}/providers/{COMPUTE}"
GROUP_COMPUTE = f"{GROUP_PATH}/providers/{COMPUTE}"


@dataclass(frozen=True, slots=True)
class ArmRequest:
    """One authenticated request. `path` and `params` are decoded, `query` has its names in lower case; `base_url` is
    how the client reached us, without a slash at its end."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    base_url: str = "https://localhost"
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")

    def with_params(self, params: Mapping[str, str]) -> ArmRequest:
        return replace(self, params=params)

    def url(self, path: str, **query: str) -> str:
        """An absolute URL of this service, with the request's own api-version."""
        pairs = [("api-version", self.api_version), *query.items()]
        encoded = "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in pairs)
        return f"{self.base_url}{quote(path)}?{encoded}"


@dataclass(frozen=True, slots=True)
class ArmAnswer:
    """A status, a JSON body (None for an empty one) and headers beside the usual ones."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ArmError(Exception):
    """An answer in the shape of Azure's errors. Source: Resource Manager common API contract, error response."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        target: str = "",
        *,
        details: Sequence[Body] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.target = status, code, message, target
        self.details, self.headers = tuple(details), headers or {}

    @property
    def body(self) -> Body:
        inner: Body = {"code": self.code, "message": self.message}
        if self.target:
            inner["target"] = self.target
        if self.details:
            inner["details"] = list(self.details)
        return {"error": inner}

    def answer(self) -> ArmAnswer:
        return ArmAnswer(self.status, self.body, self.headers)


def invalid(target: str, message: str) -> ArmError:
    """What most refusals are: 400 InvalidParameter, with the property at fault as its target."""
    return ArmError(400, "InvalidParameter", message, target)


def not_found(resource_id: str) -> ArmError:
    """404 for a resource that is not there."""
    parts = resource_id.strip("/").split("/")
    group = parts[3] if len(parts) > 3 else ""
    kind = "/".join([*parts[5:7], *parts[8::2]]) if len(parts) > 6 else ""
    names = "/".join(parts[7::2])
    message = f"The Resource '{kind}/{names}' under resource group '{group}' was not found."
    return ArmError(404, "ResourceNotFound", message)


def group_not_found(name: str) -> ArmError:
    """404 for what would be in a resource group that is not there."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def page(request: ArmRequest, items: Sequence[Body], size: int) -> Body:
    """One page of a list, in the order of the ids, and, unless it is the last, the absolute URL of the next.

    The token of the next page is the last id of this one, so that nothing is missed or seen twice when others write
    meanwhile. Source: Resource Manager common API contract, paging with nextLink and $skiptoken.
    """
    after = request.query.get("$skiptoken", "")
    left = sorted((one for one in items if _identity(one) > after), key=_identity)
    body: Body = {"value": left[:size]}
    if len(left) > size:
        kept = {name: value for name, value in request.query.items() if name not in ("api-version", "$skiptoken")}
        body["nextLink"] = request.url(request.path, **kept, **{"$skiptoken": _identity(left[size - 1])})
    return body


def _identity(one: Body) -> str:
    """What tells one entry of a list from the others: its id, or how others know what is shared with them."""
    return str(one.get("id") or one["identifier"]["uniqueId"]).lower()

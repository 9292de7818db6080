"""What handlers receive and return: requests to the Resource Manager API, answers and errors."""

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
    """One authenticated request. `path` and `params` are decoded, the names in `query` are in lower case; `base_url` is
    the address under which the client reached us, without a trailing slash."""

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
    """A status, a JSON body (None for an empty one), and headers in addition to the usual ones."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ArmError(Exception):
    """An answer in the form of Azure's errors. Source: Resource Manager common API contract, error response."""

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
    """The most common refusal: 400 InvalidParameter, with the offending property as its target."""
    return ArmError(400, "InvalidParameter", message, target)


def not_found(resource_id: str) -> ArmError:
    """404 for a resource that does not exist."""
    parts = resource_id.strip("/").split("/")
    group = parts[3] if len(parts) > 3 else ""
    kind = "/".join([*parts[5:7], *parts[8::2]]) if len(parts) > 6 else ""
    names = "/".join(parts[7::2])
    message = f"The Resource '{kind}/{names}' under resource group '{group}' was not found."
    return ArmError(404, "ResourceNotFound", message)


def group_not_found(name: str) -> ArmError:
    """404 for anything in a resource group that does not exist."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def page(request: ArmRequest, items: Sequence[Body], size: int) -> Body:
    """One page of a list, sorted by id, and the absolute URL of the next page unless this is the last.

    The token of the next page is the last id of this one, so that no entry is missed or listed twice when others write
    in the meantime. Source: Resource Manager common API contract, paging with nextLink and $skiptoken.
    """
    after = request.query.get("$skiptoken", "")
    left = sorted((entry for entry in items if _identity(entry) > after), key=_identity)
    body: Body = {"value": left[:size]}
    if len(left) > size:
        kept = {name: value for name, value in request.query.items() if name not in ("api-version", "$skiptoken")}
        body["nextLink"] = request.url(request.path, **kept, **{"$skiptoken": _identity(left[size - 1])})
    return body


def _identity(entry: Body) -> str:
    """The identity of an entry in its list: its id, or the unique id of an object that was shared."""
    return str(entry.get("id") or entry["identifier"]["uniqueId"]).lower()

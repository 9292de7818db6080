"""What the service answers: only its own host is asked, and an answer that its API does not describe is its error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reconciler.providers.azure.clouds import origin
from reconciler.providers.azure.service.failures import UNEXPECTED_ANSWER, CallFailed

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest
    from azure.core.rest import HttpRequest, HttpResponse

Json = dict[str, Any]
_ODD = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)
"""What the client raises when it reads an answer of another shape."""


class _NotTheService(Exception):
    """A URL, from an answer of the service, of another host."""


def require_own_host(url: str, endpoint: str) -> None:
    """Raises, in a block of `failures`, for a URL of another host than the endpoint's."""
    if origin(url) != origin(endpoint):
        raise _NotTheService(origin(url) or "what is no address of a service")


def own_host_policy(endpoint: str) -> Any:
    """A policy of a client that sends nothing to another host than its endpoint's, whatever the service answered: the
    next page of a list and the progress of an operation are URLs that it chooses."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class OwnHost(SansIOHTTPPolicy[Any, Any]):
        def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
            require_own_host(request.http_request.url, endpoint)

    return OwnHost()


@contextmanager
def failures(endpoint: str) -> Iterator[None]:
    """Turns what the client of the service at `endpoint` raises into CallFailed."""
    from azure.core.exceptions import AzureError, DecodeError, HttpResponseError

    try:
        yield
    except DecodeError as error:
        raise _odd("it did not answer with JSON") from error
    except HttpResponseError as error:
        raise _refused(error) from error
    except AzureError as error:
        raise CallFailed(0, "", f"the service did not answer: {_first_line(error)}") from error
    except _NotTheService as error:
        raise _odd(f"it refers to {error}, and only {endpoint} is asked") from error
    except _ODD as error:
        raise _odd("what it answered cannot be read") from error


def json_object(response: HttpResponse) -> Json:
    """The JSON object in an answer. Raises: CallFailed when there is none."""
    if response.status_code >= 300:
        raise _odd(f"it answered with status {response.status_code}")
    try:
        body = response.json()
    except _ODD as error:
        raise _odd("it did not answer with JSON") from error
    if not isinstance(body, dict):
        raise _odd("it did not answer with a JSON object")
    return body


def objects(body: Mapping[str, Any], name: str) -> list[Json]:
    """The list of objects with this name in an answer. Raises: CallFailed when there is none."""
    listed = body.get(name)
    if not isinstance(listed, list):
        raise _odd(f"its answer has no list `{name}`")
    return list_of_objects(listed)


def list_of_objects(listed: Iterable[Any]) -> list[Json]:
    """Raises: CallFailed when one of them is no object."""
    found = list(listed)
    if not all(isinstance(one, dict) for one in found):
        raise _odd("its list has members that are no objects")
    return found


def seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; None when it is absent or a date."""
    text = headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else None


def _odd(why: str) -> CallFailed:
    return CallFailed(200, UNEXPECTED_ANSWER, f"the service does not speak Azure's API: {why}")


def _refused(error: Any) -> CallFailed:
    headers = error.response.headers if error.response is not None else {}
    model = getattr(error, "error", None)
    code = str(getattr(model, "code", "") or "")
    message = str(getattr(model, "message", "") or _first_line(error))
    return CallFailed(error.status_code or 0, code, message, seconds(headers))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

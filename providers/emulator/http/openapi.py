"""An OpenAPI description of the service, made from its routes.

Source: OpenAPI Specification 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reconciler.providers.emulator.core.api_versions import GALLERY_VERSIONS
from reconciler.providers.emulator.core.arm import Body
from reconciler.providers.emulator.core.service import Route

_PARAMETER = re.compile(r"\{(\w+)\}")
_ERROR: Body = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "target": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}


def describe(routes: Iterable[Route]) -> Body:
    """The description of every path and method."""
    paths: dict[str, Body] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Emulated Azure Resource Manager", "version": GALLERY_VERSIONS[-1]},
        "paths": paths,
        "security": [{"token": []}],
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: Route) -> Body:
    parameters = [_parameter(name, "path", required=True) for name in _PARAMETER.findall(route.path)]
    parameters.append(_parameter("api-version", "query", required=True, example=GALLERY_VERSIONS[-1]))
    parameters += [_parameter(name, "query", required=False) for name in route.query]
    operation: Body = {
        "operationId": "_".join((route.method.lower(), *route.name.split())),
        "summary": route.name,
        "parameters": parameters,
        "responses": {
            "2XX": {"description": "Done, or started."},
            "default": {
                "description": "Refused.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": dict(route.body)}}}
    return operation


def _parameter(name: str, place: str, *, required: bool, example: str = "") -> Body:
    parameter: Body = {"name": name, "in": place, "required": required, "schema": {"type": "string"}}
    if example:
        parameter["example"] = example
    return parameter

"""The whole service, from what every module handles.

A type of resource is one module of `gallery` or `compute` that ends with `HANDLERS`; nothing else names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from importlib import import_module
from itertools import combinations
from operator import add
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from reconciler.providers.emulator import compute, gallery, resource_groups
from reconciler.providers.emulator.core import async_operations, subscriptions
from reconciler.providers.emulator.core.service import Blobs, Handlers, Route, Service
from reconciler.providers.emulator.core.store import Store

_FOUNDATION = (async_operations, resource_groups, subscriptions)
_WINGS = (compute, gallery)
_PARAMETER = re.compile(r"\{\w+\}")


def create_service(store: Store, subscription: str, tenant: str, blobs: Blobs, **more: Any) -> Service:
    """The service on a store; `more` are the other fields of `Service`: clock, durations, faults, page_size."""
    return Service(store, subscription, tenant, blobs, all_handlers(), **more)


def all_handlers() -> Handlers:
    """What all modules handle, sorted by the names of the modules. Raises: ValueError as `joined` does."""
    modules = sorted((*_FOUNDATION, *_wing_modules()), key=lambda module: module.__name__)
    return joined({module.__name__: module.HANDLERS for module in modules if hasattr(module, "HANDLERS")})


def _wing_modules() -> Iterator[ModuleType]:
    for wing in _WINGS:
        for module in iter_modules(wing.__path__):
            yield import_module(f"{wing.__name__}.{module.name}")


def joined(handlers: Mapping[str, Handlers]) -> Handlers:
    """The handlers of several modules, by the modules' names, as one.

    Raises: ValueError when two routes could serve the same request, so that their order would decide, or two modules
    end the operations on one type of resource.
    """
    _check_routes([(name, route) for name, module in handlers.items() for route in module.routes])
    _check_finishers([(name, resource_type) for name, module in handlers.items() for resource_type in module.finishers])
    return reduce(add, handlers.values(), Handlers())


def _check_routes(claims: Iterable[tuple[str, Route]]) -> None:
    for (module, route), (other_module, other) in combinations(claims, 2):
        if route.method == other.method and _overlap(route.path, other.path):
            raise ValueError(
                f"{module} and {other_module} both serve {route.method} {route.path} ({route.name}, {other.name})"
            )


def _overlap(path: str, other: str) -> bool:
    """Whether one request could match both paths."""
    segments, other_segments = path.lower().split("/"), other.lower().split("/")
    return len(segments) == len(other_segments) and all(
        one == two or _PARAMETER.fullmatch(one) or _PARAMETER.fullmatch(two)
        for one, two in zip(segments, other_segments, strict=True)
    )


def _check_finishers(claims: Iterable[tuple[str, str]]) -> None:
    owners: dict[str, str] = {}
    for module, resource_type in claims:
        owner = owners.setdefault(resource_type, module)
        if owner != module:
            raise ValueError(f"{owner} and {module} both end the operations on {resource_type}")

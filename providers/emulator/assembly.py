"""The whole service put together: every module's routes, and what ends an operation on each type of resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.emulator import (
    definitions,
    disks,
    galleries,
    groups,
    images,
    machines,
    operations,
    shared_reads,
    sharing,
    soft_delete,
    subscriptions,
    tracked,
    versions,
)
from providers.emulator.service import Blobs, Finisher, Route, Service
from providers.emulator.store import Store

ROUTES: tuple[Route, ...] = (
    *galleries.ROUTES,
    *sharing.ROUTES,
    *definitions.ROUTES,
    *versions.ROUTES,
    *soft_delete.ROUTES,
    *shared_reads.ROUTES,
    *operations.ROUTES,
    *groups.ROUTES,
    *subscriptions.ROUTES,
    *disks.ROUTES,
    *images.ROUTES,
    *machines.ROUTES,
)

FINISHERS: Mapping[str, Finisher] = {
    tracked.GALLERY: sharing.finish,
    tracked.DEFINITION: tracked.finish_container,
    tracked.VERSION: versions.finish,
    tracked.SOFT_DELETED: versions.finish_deleted,
    **groups.FINISHERS,
    **disks.FINISHERS,
    **images.FINISHERS,
    **machines.FINISHERS,
}


def create_service(store: Store, subscription: str, tenant: str, blobs: Blobs, **more: Any) -> Service:
    """The service on a store; `more` are the other fields of `Service`: clock, durations, faults, page_size."""
    return Service(store, subscription, tenant, blobs, ROUTES, FINISHERS, **more)

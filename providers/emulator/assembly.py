"""The whole service put together: every module's routes, and what ends an operation on each type of resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.providers.emulator import resource_groups
from reconciler.providers.emulator.compute import disks, managed_images, virtual_machines
from reconciler.providers.emulator.core import async_operations, resources, subscriptions
from reconciler.providers.emulator.core.service import Blobs, Finisher, Route, Service
from reconciler.providers.emulator.core.store import Store
from reconciler.providers.emulator.gallery import definitions, galleries, shared_reads, sharing, soft_delete, versions

ROUTES: tuple[Route, ...] = (
    *galleries.ROUTES,
    *sharing.ROUTES,
    *definitions.ROUTES,
    *versions.ROUTES,
    *soft_delete.ROUTES,
    *shared_reads.ROUTES,
    *async_operations.ROUTES,
    *resource_groups.ROUTES,
    *subscriptions.ROUTES,
    *disks.ROUTES,
    *managed_images.ROUTES,
    *virtual_machines.ROUTES,
)

FINISHERS: Mapping[str, Finisher] = {
    resources.GALLERY: sharing.finish,
    resources.DEFINITION: resources.finish_container,
    resources.VERSION: versions.finish,
    resources.SOFT_DELETED: versions.finish_deleted,
    **resource_groups.FINISHERS,
    **disks.FINISHERS,
    **managed_images.FINISHERS,
    **virtual_machines.FINISHERS,
}


def create_service(store: Store, subscription: str, tenant: str, blobs: Blobs, **more: Any) -> Service:
    """The service on a store; `more` are the other fields of `Service`: clock, durations, faults, page_size."""
    return Service(store, subscription, tenant, blobs, ROUTES, FINISHERS, **more)

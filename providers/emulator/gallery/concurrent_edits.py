"""Injected writes by another client, between a client's read of an image version and its own write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from reconciler.providers.emulator.core.arm import ArmRequest
from reconciler.providers.emulator.core.locations import display_name
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.publishing_profile import region_of


@contextlib.contextmanager
def edited_before(service: Service, request: ArmRequest) -> Iterator[None]:
    """Takes an `edit-regions` fault before the request is handled; the edit remains when the request is refused."""
    with service.store.transaction():
        service.advance()
        version = service.store.get(request.path)
        if version is not None and not service.store.running_operations(version.key):
            _edit_regions(service, request, version)
    yield


def _edit_regions(service: Service, request: ArmRequest, version: Resource) -> None:
    """Sets the target regions to those of the fault, if there is one."""
    fault = service.faults.take("edit-regions", request.method, request.path)
    if fault is None:
        return
    entries = {region_of(entry): entry for entry in version.properties["publishingProfile"]["targetRegions"]}
    now = service.clock.now()
    target_regions, copies = [], {}
    for region in fault.regions:
        added = {"name": display_name(region), "regionalReplicaCount": 1, "storageAccountType": "Standard_LRS"}
        target_regions.append(entries.get(region, added))
        copies[region] = version.hidden["regions"].get(region, {"started": now, "due": now, "fails": ""})
    version.properties["publishingProfile"]["targetRegions"] = target_regions
    version.hidden["regions"] = copies
    service.store.put(version)

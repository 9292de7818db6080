"""Who uses the content of disks: images and disks share it, and the last one to go takes it along."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.providers.emulator.core.ids import DISK, IMAGE, SNAPSHOT
from reconciler.providers.emulator.core.resources import SOFT_DELETED, VERSION
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource, Store

_BEARERS = (DISK, SNAPSHOT, IMAGE, VERSION, SOFT_DELETED)


def content_of(resource: Resource) -> set[str]:
    """The names of the content that a resource bears: one for a disk, one for each disk of an image."""
    disks: Iterable[dict[str, str]] = resource.hidden.get("disks", {}).values()
    return {name for name in (resource.hidden.get("content", ""), *(disk["content"] for disk in disks)) if name}


def used_content(store: Store) -> set[str]:
    """The names of all content that something bears."""
    return {name for kind in _BEARERS for resource in store.of_type(kind) for name in content_of(resource)}


def drop_content(service: Service, *gone: Resource) -> None:
    """Removes the content of resources that are no longer in the store, unless something else bears it."""
    names = {name for resource in gone for name in content_of(resource)}
    if names:
        for name in sorted(names - used_content(service.store)):
            service.blobs.remove(name)

"""Which resources use the content of disks: disks and images share it, and it is removed with its last user."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource, Store


def content_of(resource: Resource) -> set[str]:
    """The names of the content that a resource uses: one for a disk, one for each disk of an image, else none."""
    disks: Iterable[dict[str, str]] = resource.hidden.get("disks", {}).values()
    return {name for name in (resource.hidden.get("content", ""), *(disk["content"] for disk in disks)) if name}


def used_content(store: Store) -> set[str]:
    """The names of all content that some resource uses."""
    return {name for resource in store.all() for name in content_of(resource)}


def drop_content(service: Service, *gone: Resource) -> None:
    """Removes the content of resources that are no longer in the store, unless another resource uses it."""
    names = {name for resource in gone for name in content_of(resource)}
    if names:
        for name in sorted(names - used_content(service.store)):
            service.blobs.remove(name)

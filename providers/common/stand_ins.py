"""Sources of a published version that are gone: the copies in its regions stand in for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reconciler.providers.errors import ProviderError

Disk = TypeVar("Disk")
StandIn = TypeVar("StandIn")


def disks_or_stand_ins(
    find: Callable[[], list[Disk]],
    recorded: Mapping[str, Mapping[str, Any]],
    stand_in: Callable[[str, Mapping[str, Any], str], StandIn],
) -> list[Disk] | list[StandIn]:
    """The disks that `find` returns. If it fails for a version with `recorded` disks, a stand-in for each of them,
    made from its name, its facts and the reason why its source is unavailable. Raises: ProviderError."""
    try:
        return find()
    except ProviderError as error:
        if not recorded:
            raise
        return [stand_in(disk, facts, error.message) for disk, facts in recorded.items()]

"""Answers of libvirt that its bindings declare as texts and that are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import libvirt


def state_of(domain: libvirt.virDomain) -> tuple[int, int]:
    """A machine's state and the reason for it. Source: virDomainGetState."""
    answer: Any = domain.state()
    return int(answer[0]), int(answer[1])


def job_of(domain: libvirt.virDomain, flags: int = 0) -> Mapping[str, Any]:
    """A machine's job by the names of virDomainGetJobStats; its `type` is 0 when there is none."""
    answer: Any = domain.jobStats(flags)
    return dict(answer)


def disk_sizes(domain: libvirt.virDomain, device: str) -> tuple[int, int]:
    """The bytes of a machine's disk: what it sees, and what of it is allocated. Source: virDomainGetBlockInfo."""
    answer: Any = domain.blockInfo(device)
    return int(answer[0]), int(answer[1])


def volume_sizes(volume: libvirt.virStorageVol) -> tuple[int, int]:
    """The bytes of a volume: what a machine sees, and what is allocated. Source: virStorageVolGetInfo."""
    answer: Any = volume.info()
    return int(answer[1]), int(answer[2])

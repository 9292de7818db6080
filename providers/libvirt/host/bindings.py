"""Results of libvirt whose types its Python bindings declare wrongly as strings."""

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
    """The statistics of a machine's job by the names of virDomainGetJobStats; `type` is 0 if there is no job."""
    answer: Any = domain.jobStats(flags)
    return dict(answer)


def disk_sizes(domain: libvirt.virDomain, device: str) -> tuple[int, int]:
    """The capacity and the allocated bytes of a machine's disk. Source: virDomainGetBlockInfo."""
    answer: Any = domain.blockInfo(device)
    return int(answer[0]), int(answer[1])


def volume_sizes(volume: libvirt.virStorageVol) -> tuple[int, int]:
    """The capacity and the allocated bytes of a volume. Source: virStorageVolGetInfo."""
    answer: Any = volume.info()
    return int(answer[1]), int(answer[2])

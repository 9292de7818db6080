"""Copies the disks of a running machine as of one moment, while it keeps running: libvirt's backup job."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.providers.errors import SourceError, Unavailable
from reconciler.providers.libvirt.host.bindings import job_of
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.host.domains import parse

if TYPE_CHECKING:
    import libvirt

_AGENT = "org.qemu.guest_agent.0"
_NO_CHECKPOINT: Any = None  # the bindings declare a string, but libvirt accepts null
_FIRST_INTERVAL_S, _LONGEST_INTERVAL_S = 0.02, 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """The target of one disk: an existing file on the machine's host, with the disk's capacity, in this format."""

    path: str
    format: str


def back_up(
    domain: libvirt.virDomain,
    targets: Mapping[str, Target],
    progress: Callable[[int, int], None],
    require_lease: Callable[[], None] = lambda: None,
) -> bool:
    """Fills the targets (by the machine's devices, such as `vda`); whether its file systems were frozen meanwhile.
    `require_lease` is called before the machine is touched.

    They are if its guest agent answers; else the copies are crash-consistent, as after a power cut.

    Raises: SourceError if the machine stops meanwhile; Unavailable if its agent does; libvirt.libvirtError.
    """
    import libvirt

    require_lease()
    with _quiesced(domain) as frozen:
        require_lease()
        domain.backupBegin(_job(domain, targets), _NO_CHECKPOINT, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
    try:
        _wait(domain, progress)
    except BaseException:
        require_lease()
        abandon(domain, {target.path for target in targets.values()})
        raise
    return frozen


def abandon(domain: libvirt.virDomain, paths: Collection[str]) -> None:
    """Aborts the backup that fills one of these files, if the machine has such a job; never another one."""
    import libvirt

    try:
        job = parse(domain.backupGetXMLDesc())
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_BACKUP, libvirt.VIR_ERR_NO_DOMAIN):
            return
        raise
    files = {target.get("file") for target in job.iterfind("./disks/disk/target")}
    if not files.isdisjoint(paths):
        try:
            domain.abortJob()
        except libvirt.libvirtError as error:  # it has just ended, or someone else aborted it
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise
        while domain.isActive() and job_of(domain)["type"]:
            time.sleep(_FIRST_INTERVAL_S)


def _job(domain: libvirt.virDomain, targets: Mapping[str, Target]) -> str:
    """The XML of the job; it excludes every disk that is not a target explicitly."""
    job = ElementTree.Element("domainbackup", mode="push")
    disks = ElementTree.SubElement(job, "disks")
    for device in parse(domain.XMLDesc()).iterfind("./devices/disk/target"):
        name = device.get("dev", "")
        disk = ElementTree.SubElement(disks, "disk", name=name, backup="yes" if name in targets else "no")
        if name in targets:
            disk.set("type", "file")
            ElementTree.SubElement(disk, "driver", type=targets[name].format)
            ElementTree.SubElement(disk, "target", file=targets[name].path)
    return ElementTree.tostring(job, encoding="unicode")


def _wait(domain: libvirt.virDomain, progress: Callable[[int, int], None]) -> None:
    import libvirt

    pause = _FIRST_INTERVAL_S
    while True:
        job = job_of(domain)
        if not job["type"]:
            break
        progress(int(job.get("disk_processed", 0)), int(job.get("disk_total", 0)))
        time.sleep(pause)
        pause = min(_LONGEST_INTERVAL_S, pause * 1.5)
    done = job_of(domain, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if not done.get("success"):
        why = done.get("errmsg") or "it ended early"
        raise SourceError(
            f"the disks of the machine '{domain.name()}' could not be copied: {why}",
            "make sure that it keeps running and that the pool has space, then try again",
        )
    progress(int(done.get("disk_processed", 0)), int(done.get("disk_total", 0)))


@contextmanager
def _quiesced(domain: libvirt.virDomain) -> Iterator[bool]:
    """Freezes the machine's file systems for the block, if its agent answers; yields whether it did."""
    frozen = _freeze(domain)
    try:
        yield frozen
    finally:
        if frozen:
            thaw(domain)


def _freeze(domain: libvirt.virDomain) -> bool:
    import libvirt

    if not agent_answers(domain):
        return False
    try:
        domain.fsFreeze()
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED):
            thaw(domain)  # it may have frozen them and answered too late
        if not domain.isActive():
            raise
        return False  # the agent refuses, which its configuration may demand
    return True


def thaw(domain: libvirt.virDomain) -> None:
    """Thaws the machine's file systems; it is fine if none is frozen. Raises: Unavailable if that is unknown."""
    import libvirt

    try:
        domain.fsThaw()
    except libvirt.libvirtError as cause:
        if not domain.isActive():
            return
        raise Unavailable(
            f"the agent in the machine '{domain.name()}' stopped answering: its file systems may still be frozen",
            virsh("domfsthaw", domain.name()),
        ) from cause


def agent_answers(domain: libvirt.virDomain) -> bool:
    """Whether QEMU's guest agent runs in the machine."""
    channels = parse(domain.XMLDesc()).iterfind("./devices/channel/target")
    return any(channel.get("name") == _AGENT and channel.get("state") == "connected" for channel in channels)

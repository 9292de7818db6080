"""Machines as their host describes them: their disks, and whether their state allows a capture."""

from __future__ import annotations

import shlex
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.providers.errors import SourceError
from reconciler.providers.libvirt.host.bindings import job_of, state_of
from reconciler.providers.libvirt.host.commands import virsh

if TYPE_CHECKING:
    import libvirt

CACHE_OF_CACHING = {"None": "none", "ReadOnly": "writethrough", "ReadWrite": "writeback"}
"""Host caching -> the cache mode of a machine's disk. ReadOnly means that the host's memory caches reads while writes
wait for the disk, which is what writethrough does."""
CACHING_OF_CACHE = {
    "none": "None",
    "directsync": "None",
    "writethrough": "ReadOnly",
    "writeback": "ReadWrite",
    "unsafe": "ReadWrite",
}
DEFAULT_CACHING = "ReadWrite"  # QEMU's default is writeback

_RUNNING, _BLOCKED, _PAUSED, _SHUTDOWN, _SHUTOFF, _CRASHED, _SUSPENDED = 1, 2, 3, 4, 5, 6, 7
_TRANSIENT_PAUSES = {2: "is moving to another host", 3: "is being saved", 4: "is being dumped", 11: "is starting"}
"""Reasons for a pause that ends by itself. Source: virDomainState and virDomainPausedReason of libvirt."""


@dataclass(frozen=True, slots=True)
class DomainDisk:
    """One disk of a machine: its device (`vda`), `kind` and `source` of its content (a path, or POOL/VOLUME if the kind
    is `volume`), the format it is opened as, and its host caching as manifests write it. `unsupported`: why it cannot
    be captured; empty if it can."""

    target: str
    kind: str
    source: str
    format: str
    caching: str
    boot: int = 0
    unsupported: str = ""


def parse(text: str) -> ElementTree.Element:
    """The root of an XML document that libvirt wrote."""
    return ElementTree.fromstring(text)  # noqa: S314  written by libvirt, and the parser resolves no external entities


def disks_of(description: str) -> tuple[DomainDisk, ...]:
    """The writable disks of a machine, the boot disk first, the others in the machine's order; no optical media."""
    root = parse(description)
    disks = [
        _disk(element)
        for element in root.iterfind("./devices/disk")
        if element.get("device", "disk") in ("disk", "lun") and element.find("readonly") is None
    ]
    first = min((disk.boot for disk in disks if disk.boot), default=0)
    return tuple(sorted(disks, key=lambda disk: disk.boot != first))


def has_uefi(description: str) -> bool | None:
    """Whether a machine has UEFI firmware rather than a BIOS; None if its description leaves that open: it boots a
    given kernel, or firmware that may be either."""
    root = parse(description)
    loader, kind = root.find("./os/loader"), root.find("./os/type")
    if root.find("./os/kernel") is not None or kind is None or kind.text != "hvm":
        return None
    chosen = root.find("./os[@firmware]")
    if chosen is not None:
        return chosen.get("firmware") == "efi"
    if loader is not None:
        return True if loader.get("type") == "pflash" else None
    return False if kind.get("arch") in ("x86_64", "i686") else None


def _disk(element: ElementTree.Element) -> DomainDisk:
    kind = element.get("type", "")
    source = element.find("source")
    driver, boot, target = element.find("driver"), element.find("boot"), element.find("target")
    cache = driver.get("cache", "default") if driver is not None else "default"
    return DomainDisk(
        target=target.get("dev", "") if target is not None else "",
        kind=kind,
        source=_source(kind, source) if source is not None else "",
        format=driver.get("type", "raw") if driver is not None else "raw",
        caching=CACHING_OF_CACHE.get(cache, DEFAULT_CACHING),
        boot=int(boot.get("order", "0")) if boot is not None else 0,
        unsupported=_unsupported(element, kind, source),
    )


def _source(kind: str, source: ElementTree.Element) -> str:
    if kind == "volume":
        return f"{source.get('pool', '')}/{source.get('volume', '')}"
    return source.get("file") or source.get("dev") or ""


def _unsupported(element: ElementTree.Element, kind: str, source: ElementTree.Element | None) -> str:
    """Why the content of a disk cannot be captured; empty if it can."""
    if element.get("device") == "lun":
        return "is a passed-through device"
    if kind not in ("file", "block", "volume") or source is None:
        return f"has a source of type '{kind}'"
    if element.find("shareable") is not None:
        return "is shared with other machines"
    if element.find("encryption") is not None or source.find("encryption") is not None:
        return "is encrypted by the host"
    return ""


def find(handle: libvirt.virConnect, name: str) -> libvirt.virDomain | None:
    """The machine of that name, on or off; None if there is none. Raises: libvirt.libvirtError."""
    import libvirt

    try:
        return handle.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def machine_id(domain: libvirt.virDomain) -> str:
    """An identity that stays the same as long as it is the same machine, whatever it writes."""
    return f"machine:{domain.UUIDString()}"


def is_running(domain: libvirt.virDomain) -> bool:
    """Whether its processors run, or wait for a device."""
    return state_of(domain)[0] in (_RUNNING, _BLOCKED)


def is_off(domain: libvirt.virDomain) -> bool:
    """Whether it is shut off and would start from its disks alone, without saved memory."""
    return state_of(domain)[0] == _SHUTOFF and not domain.hasManagedSaveImage()


def state_word(domain: libvirt.virDomain) -> str:
    """Its state in one or two words, or a phrase if unknown."""
    state, _ = state_of(domain)
    if state == _SHUTOFF and domain.hasManagedSaveImage():
        return "saved"
    return _STATES.get(state, "in an unknown state")


_STATES: Mapping[int, str] = {
    _RUNNING: "running",
    _BLOCKED: "running",
    _PAUSED: "paused",
    _SHUTDOWN: "shutting down",
    _SHUTOFF: "shut off",
    _CRASHED: "crashed",
    _SUSPENDED: "suspended",
}


def check_state(domain: libvirt.virDomain, *, generalized: bool) -> None:
    """Raises: SourceError, with the remedy, for a machine whose disks cannot be captured in its present state."""
    name, label = domain.name(), f"the machine '{domain.name()}'"
    if is_off(domain):
        return
    if is_running(domain):
        if generalized:
            raise SourceError(
                f"{label} is running; a generalized image can only be captured from a machine that is shut off",
                f"{virsh('shutdown', name)}, then virt-sysprep -d {shlex.quote(name)}, and leave it off",
            )
        _check_busy(domain)
        return
    state, reason = state_of(domain)
    if state == _PAUSED and reason in _TRANSIENT_PAUSES:
        raise SourceError(f"{label} {_TRANSIENT_PAUSES[reason]}", "try again when that is over")
    raise SourceError(
        f"{label} is {state_word(domain)}; its disks may be inconsistent",
        _REMEDIES[state].format(name=shlex.quote(name)),
    )


_REMEDIES: Mapping[int, str] = {
    0: "shut it down; for details: virsh dominfo {name}",
    _PAUSED: "virsh resume {name}, or shut it down: virsh destroy {name}",
    _SHUTDOWN: "try again when it is off",
    _SHUTOFF: "virsh start {name} and shut it down, or discard its saved memory: virsh managedsave-remove {name}",
    _CRASHED: "virsh destroy {name}, and check that it starts and shuts down cleanly",
    _SUSPENDED: "virsh dompmwakeup {name}, or shut it down",
}


def _check_busy(domain: libvirt.virDomain) -> None:
    """Raises: SourceError if it has a job: it can do only one migration, backup or save at a time."""
    if job_of(domain)["type"]:
        raise SourceError(
            f"the machine '{domain.name()}' is busy: it is being migrated, saved or backed up",
            f"try again when that is over ({virsh('domjobinfo', domain.name())})",
        )

"""Whether a host can accelerate machines with KVM, and what else it offers them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any

from reconciler.providers.errors import Unsupported
from reconciler.providers.libvirt.host.domains import parse

if TYPE_CHECKING:
    import libvirt

_SUPPORT = frozenset({"vmx", "svm"})
_PACKAGES = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm and qemu-efi-aarch64"}


def can_accelerate(handle: libvirt.virConnect, architecture: str) -> bool:
    """Whether the host offers KVM for an architecture and its processor has the features that KVM needs.

    /dev/kvm alone proves little: inside some virtual machines it opens, and machines started on it hang. Even if this
    returns true, only starting a machine shows whether KVM works. Raises: Unsupported if the host cannot even emulate
    the architecture.
    """
    root = parse(handle.getCapabilities())
    guest = root.find(f"./guest/arch[@name='{architecture}']")
    if guest is None:
        raise Unsupported(
            f"the host has no QEMU for {architecture}",
            f"install it there (Debian and Ubuntu: {_PACKAGES[architecture]})",
        )
    if guest.find("./domain[@type='kvm']") is None:
        return False
    return architecture != "x86_64" or not _SUPPORT.isdisjoint(_features(handle, root.find("./host/cpu")))


def _features(handle: libvirt.virConnect, cpu: ElementTree.Element | None) -> set[str]:
    """All features of the host's processor, those implied by its model included."""
    import libvirt

    if cpu is None or cpu.find("model") is None:
        return set()
    described = ElementTree.tostring(cpu, encoding="unicode")
    expanded = handle.baselineCPU([described], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES)
    return {feature.get("name", "") for feature in parse(expanded).iterfind("./feature")}


def require_tpm(handle: libvirt.virConnect, architecture: str, board: str, host: str) -> None:
    """Raises: Unsupported if the host has no program that emulates a TPM 2.0."""
    offered = parse(handle.getDomainCapabilities(None, architecture, board, None, 0))
    backends = offered.iterfind("./devices/tpm/enum[@name='backendModel']/value")
    if "emulator" not in {backend.text for backend in backends}:
        raise Unsupported(
            f"the image needs machines with a TPM (SecurityType TrustedLaunch), and {host} cannot emulate one",
            f"install swtpm on {host} (Debian and Ubuntu: swtpm and swtpm-tools), or declare TrustedLaunchSupported",
        )


def capacity_of(handle: libvirt.virConnect) -> tuple[int, int]:
    """The most processors that a machine can have there, and the host's memory in MiB."""
    info: Any = handle.getInfo()
    return int(handle.getMaxVcpus("qemu")), int(info[1])

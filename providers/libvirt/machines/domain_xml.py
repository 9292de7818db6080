"""The domain XML of the machines that images are tried in: disks, firmware, console and owner mark."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from reconciler.manifests.address import Address
from reconciler.providers.errors import Unsupported
from reconciler.providers.libvirt.host.domains import CACHE_OF_CACHING, parse
from reconciler.providers.owner import OwnerMark

NAMESPACE = "urn:reconciler:machine:1"
_MARK = f"{{{NAMESPACE}}}machine"
_ARCHITECTURES = {"x64": "x86_64", "Arm64": "aarch64"}
_BOARDS = {"x86_64": "q35", "aarch64": "virt"}
_TPMS = {"x86_64": "tpm-crb", "aarch64": "tpm-tis"}


@dataclass(frozen=True, slots=True)
class Hardware:
    """What an image needs from a machine according to its definition: architecture, firmware, drivers."""

    architecture: str = "x86_64"
    efi: bool = False
    secure: bool = False
    windows: bool = False

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> Hardware:
        """From a definition's attributes. Raises: Unsupported for hardware that this backend does not offer."""
        features = definition.get("features") or {}
        security = str(features.get("SecurityType", {}).get("value", ""))
        if security == "ConfidentialVM":
            raise Unsupported("the image needs confidential machines, which this backend does not offer", "")
        return cls(
            architecture=_ARCHITECTURES[str(definition.get("architecture", "x64"))],
            efi=definition.get("hyperVGeneration") == "V2" or definition.get("architecture") == "Arm64",
            secure=security == "TrustedLaunch",
            windows=definition.get("osType") == "Windows",
        )

    @property
    def board(self) -> str:
        """QEMU's machine type."""
        return _BOARDS[self.architecture]


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """The domain of a machine. `disks` are (path of a qcow2 on the host, host caching or empty), the OS disk first.
    Files on the host: `seed` is the seed ISO or empty, `console` the log of the serial port, `variables` the UEFI
    variables, which the first start creates from the firmware's template. `network`: the name of a libvirt network, or
    empty."""

    name: str
    uuid: str
    mark: OwnerMark
    hardware: Hardware
    cpus: int
    memory_mib: int
    disks: Sequence[tuple[str, str]]
    seed: str
    console: str
    variables: str
    network: str

    def xml(self, *, accelerated: bool) -> str:
        """The domain in libvirt's XML. `accelerated`: with KVM, else emulated."""
        domain = Element("domain", type="kvm" if accelerated else "qemu")
        _leaf(domain, "name", self.name)
        _leaf(domain, "uuid", self.uuid)
        _mark(SubElement(domain, "metadata"), self.mark)
        _leaf(domain, "memory", str(self.memory_mib), unit="MiB")
        _leaf(domain, "vcpu", str(self.cpus))
        _firmware(domain, self.hardware, self.variables)
        _leaf(domain, "cpu", "", mode="host-model" if accelerated else "maximum")
        _leaf(domain, "on_poweroff", "destroy")
        _leaf(domain, "on_reboot", "restart")
        _leaf(domain, "on_crash", "destroy")
        self._devices(SubElement(domain, "devices"))
        return ElementTree.tostring(domain, encoding="unicode")

    def _devices(self, devices: Element) -> None:
        for number, (path, caching) in enumerate(self.disks):
            _disk(devices, number, path, caching, self.hardware)
        if self.seed:
            _seed_disk(devices, self.seed, len(self.disks), self.hardware)
        if self.network:
            interface = SubElement(devices, "interface", type="network")
            SubElement(interface, "source", network=self.network)
            SubElement(interface, "model", type="e1000e" if self.hardware.windows else "virtio")
        serial = SubElement(devices, "serial", type="pty")
        SubElement(serial, "log", file=self.console, append="on")
        agent = SubElement(devices, "channel", type="unix")
        SubElement(agent, "target", type="virtio", name="org.qemu.guest_agent.0")
        rng = SubElement(devices, "rng", model="virtio")
        _leaf(rng, "backend", "/dev/urandom", model="random")
        if self.hardware.secure:
            tpm = SubElement(devices, "tpm", model=_TPMS[self.hardware.architecture])
            SubElement(tpm, "backend", type="emulator", version="2.0")


def mark_of(description: str) -> tuple[OwnerMark | None, str]:
    """The owner mark of a machine and the region it is in; (None, "") if it has no mark, so is not ours."""
    element = parse(description).find(f"./metadata/{_MARK}")
    if element is None:
        return None, ""
    try:
        image = Address.parse(element.get("image", ""))
    except ValueError:
        return None, ""
    return OwnerMark(element.get("lineage", ""), image, element.get("seal", "")), image.region


def _mark(metadata: Element, mark: OwnerMark) -> None:
    SubElement(metadata, _MARK, lineage=mark.lineage, image=str(mark.address), seal=mark.seal)


def _firmware(domain: Element, hardware: Hardware, variables: str) -> None:
    """UEFI firmware is selected by its features, and these are always given: otherwise libvirt takes the first of its
    list, which on Debian only boots what Microsoft signed."""
    os = SubElement(domain, "os", {"firmware": "efi"} if hardware.efi else {})
    _leaf(os, "type", "hvm", arch=hardware.architecture, machine=hardware.board)
    domain_features = SubElement(domain, "features")
    SubElement(domain_features, "acpi")
    if not hardware.efi:
        return
    features = SubElement(os, "firmware")
    for name in ("secure-boot", "enrolled-keys"):
        SubElement(features, "feature", enabled="yes" if hardware.secure else "no", name=name)
    _leaf(os, "nvram", variables)
    if hardware.secure and hardware.architecture == "x86_64":
        SubElement(domain_features, "smm", state="on")  # protects the variables from the guest


def _disk(devices: Element, number: int, path: str, caching: str, hardware: Hardware) -> None:
    disk = SubElement(devices, "disk", type="file", device="disk")
    driver = SubElement(disk, "driver", name="qemu", type="qcow2", discard="unmap")
    if caching:
        driver.set("cache", CACHE_OF_CACHING[caching])
    SubElement(disk, "source", file=path)
    _attach(disk, number, hardware)
    if number == 0:
        SubElement(disk, "boot", order="1")


def _seed_disk(devices: Element, path: str, number: int, hardware: Hardware) -> None:
    """The seed on the bus of the disks: kernels built for virtual machines may support no other (Debian's has no
    SATA), and virtio has no optical drives."""
    disk = SubElement(devices, "disk", type="file", device="cdrom" if hardware.windows else "disk")
    SubElement(disk, "driver", name="qemu", type="raw")
    SubElement(disk, "source", file=path)
    _attach(disk, number, hardware)
    SubElement(disk, "readonly")


def _attach(disk: Element, number: int, hardware: Hardware) -> None:
    """Windows has no virtio driver of its own, every Linux has."""
    bus, prefix = ("sata", "sd") if hardware.windows else ("virtio", "vd")
    SubElement(disk, "target", dev=f"{prefix}{_letters(number)}", bus=bus)


def _letters(number: int) -> str:
    """a to z, then aa: as the kernel names disks."""
    letters = ""
    while True:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
        if number < 0:
            return letters


def _leaf(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = text or None

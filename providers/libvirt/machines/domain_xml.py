"""The machines that images are tried in, as libvirt is told of them: disks, firmware, console, and whose they are."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from reconciler.manifests.address import Address
from reconciler.providers.errors import Unsupported
from reconciler.providers.libvirt.host.domains import CACHE_OF_CACHING, parse
from reconciler.providers.protocol import OwnerMark

NAMESPACE = "urn:reconciler:machine:1"
_MARK = f"{{{NAMESPACE}}}machine"
_ARCHITECTURES = {"x64": "x86_64", "Arm64": "aarch64"}
_BOARDS = {"x86_64": "q35", "aarch64": "virt"}
_TPMS = {"x86_64": "tpm-crb", "aarch64": "tpm-tis"}


@dataclass(frozen=True, slots=True)
class Nature:
    """What an image asks of a machine, by its definition: processor family, firmware, operating system."""

    architecture: str = "x86_64"
    efi: bool = False
    secure: bool = False
    windows: bool = False

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> Nature:
        """As a definition's attributes say. Raises: Unsupported for what needs hardware that is not looked for."""
        features = definition.get("features") or {}
        security = str(features.get("SecurityType", {}).get("value", ""))
        if security == "ConfidentialVM":
            raise Unsupported("the image is for confidential machines, which this backend does not make", "")
        return cls(
            architecture=_ARCHITECTURES[str(definition.get("architecture", "x64"))],
            efi=definition.get("hyperVGeneration") == "V2" or definition.get("architecture") == "Arm64",
            secure=security == "TrustedLaunch",
            windows=definition.get("osType") == "Windows",
        )

    @property
    def board(self) -> str:
        """The machine type, in QEMU's words."""
        return _BOARDS[self.architecture]


@dataclass(frozen=True, slots=True)
class Guest:
    """A machine. `disks` are (path of a qcow2 on the host, host caching or empty), the OS disk first; `console` is the
    file on the host that keeps what it says on its serial port; `variables` the one that UEFI firmware keeps its
    settings in, made from those it comes with when the machine first starts; `network` the name of a libvirt network,
    or empty."""

    name: str
    uuid: str
    mark: OwnerMark
    nature: Nature
    cpus: int
    memory_mib: int
    disks: Sequence[tuple[str, str]]
    seed: str
    console: str
    variables: str
    network: str

    def description(self, *, accelerated: bool) -> str:
        """The domain in libvirt's XML. `accelerated`: with the processor's own support, else emulated."""
        domain = Element("domain", type="kvm" if accelerated else "qemu")
        _leaf(domain, "name", self.name)
        _leaf(domain, "uuid", self.uuid)
        _mark(SubElement(domain, "metadata"), self.mark)
        _leaf(domain, "memory", str(self.memory_mib), unit="MiB")
        _leaf(domain, "vcpu", str(self.cpus))
        _firmware(domain, self.nature, self.variables)
        _leaf(domain, "cpu", "", mode="host-model" if accelerated else "maximum")
        _leaf(domain, "on_poweroff", "destroy")
        _leaf(domain, "on_reboot", "restart")
        _leaf(domain, "on_crash", "destroy")
        self._devices(SubElement(domain, "devices"))
        return ElementTree.tostring(domain, encoding="unicode")

    def _devices(self, devices: Element) -> None:
        for number, (path, caching) in enumerate(self.disks):
            _disk(devices, number, path, caching, self.nature)
        if self.seed:
            _disc(devices, self.seed, len(self.disks), self.nature)
        if self.network:
            interface = SubElement(devices, "interface", type="network")
            SubElement(interface, "source", network=self.network)
            SubElement(interface, "model", type="e1000e" if self.nature.windows else "virtio")
        serial = SubElement(devices, "serial", type="pty")
        SubElement(serial, "log", file=self.console, append="on")
        agent = SubElement(devices, "channel", type="unix")
        SubElement(agent, "target", type="virtio", name="org.qemu.guest_agent.0")
        rng = SubElement(devices, "rng", model="virtio")
        _leaf(rng, "backend", "/dev/urandom", model="random")
        if self.nature.secure:
            tpm = SubElement(devices, "tpm", model=_TPMS[self.nature.architecture])
            SubElement(tpm, "backend", type="emulator", version="2.0")


def mark_of(description: str) -> tuple[OwnerMark | None, str]:
    """Whose a machine is and the region it is in; (None, "") where it does not say, as it is not ours."""
    found = parse(description).find(f"./metadata/{_MARK}")
    if found is None:
        return None, ""
    try:
        image = Address.parse(found.get("image", ""))
    except ValueError:
        return None, ""
    return OwnerMark(found.get("lineage", ""), image), image.region


def _mark(metadata: Element, mark: OwnerMark) -> None:
    SubElement(metadata, _MARK, lineage=mark.lineage, image=str(mark.address))


def _firmware(domain: Element, nature: Nature, variables: str) -> None:
    """UEFI firmware is chosen by its features, and they are always asked for: without, libvirt takes the first of its
    list, which on Debian starts nothing that Microsoft did not sign."""
    os = SubElement(domain, "os", {"firmware": "efi"} if nature.efi else {})
    _leaf(os, "type", "hvm", arch=nature.architecture, machine=nature.board)
    hardware = SubElement(domain, "features")
    SubElement(hardware, "acpi")
    if not nature.efi:
        return
    features = SubElement(os, "firmware")
    for name in ("secure-boot", "enrolled-keys"):
        SubElement(features, "feature", enabled="yes" if nature.secure else "no", name=name)
    _leaf(os, "nvram", variables)
    if nature.secure and nature.architecture == "x86_64":
        SubElement(hardware, "smm", state="on")  # keeps the variables from what runs in the machine


def _disk(devices: Element, number: int, path: str, caching: str, nature: Nature) -> None:
    disk = SubElement(devices, "disk", type="file", device="disk")
    driver = SubElement(disk, "driver", name="qemu", type="qcow2", discard="unmap")
    if caching:
        driver.set("cache", CACHE_OF_CACHING[caching])
    SubElement(disk, "source", file=path)
    _attach(disk, number, nature)
    if number == 0:
        SubElement(disk, "boot", order="1")


def _disc(devices: Element, path: str, number: int, nature: Nature) -> None:
    """The seed, where the disks are: kernels made for virtual machines know no other way (Debian's has no SATA), and
    virtio has no optical drives."""
    disc = SubElement(devices, "disk", type="file", device="cdrom" if nature.windows else "disk")
    SubElement(disc, "driver", name="qemu", type="raw")
    SubElement(disc, "source", file=path)
    _attach(disc, number, nature)
    SubElement(disc, "readonly")


def _attach(disk: Element, number: int, nature: Nature) -> None:
    """Windows brings no driver for virtio, every Linux does."""
    bus, prefix = ("sata", "sd") if nature.windows else ("virtio", "vd")
    SubElement(disk, "target", dev=f"{prefix}{_letters(number)}", bus=bus)


def _letters(number: int) -> str:
    """a to z, then aa: how the kernel counts disks."""
    letters = ""
    while True:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
        if number < 0:
            return letters


def _leaf(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = text or None

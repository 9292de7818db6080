"""The domain XML of machines, validated with libvirt's own schema, and read back."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from reconciler.manifests.address import Address
from reconciler.providers.errors import Unsupported
from reconciler.providers.libvirt.host.domains import disks_of, has_uefi, parse
from reconciler.providers.libvirt.host.library import prepare
from reconciler.providers.libvirt.machines.domain_xml import DomainSpec, Hardware, mark_of
from reconciler.providers.owner import OwnerMark

MARK = OwnerMark("lineage", Address("corp", "web", "1.0.0", "eastus"))
V2: dict[str, Any] = {"osType": "Linux", "hyperVGeneration": "V2", "architecture": "x64"}
WINDOWS = {**V2, "osType": "Windows"}
TRUSTED = {**V2, "features": {"SecurityType": {"value": "TrustedLaunch"}}}
V1 = {**V2, "hyperVGeneration": "V1"}
ARM = {**V2, "architecture": "Arm64"}


def guest(definition: dict[str, Any], disks: int = 2, network: str = "") -> DomainSpec:
    return DomainSpec(
        name="try-1",
        uuid="6f0d1b0e-6e0a-4d8c-9f4b-0d8b7c1a2b3c",
        mark=MARK,
        hardware=Hardware.of(definition),
        cpus=2,
        memory_mib=1024,
        disks=[(f"/pool/{number}.qcow2", "ReadOnly" if number == 0 else "") for number in range(disks)],
        seed="/pool/seed.iso",
        console="/pool/console.log",
        variables="/pool/variables.fd",
        network=network,
    )


@pytest.mark.parametrize(
    "definition",
    [V2, TRUSTED, V1, ARM, {**TRUSTED, "architecture": "Arm64"}, WINDOWS],
    ids=["efi", "secure", "bios", "arm", "secure-arm", "windows"],
)
@pytest.mark.parametrize("accelerated", [True, False])
def test_a_domain_is_valid_by_libvirts_schema(definition: dict[str, Any], accelerated: bool) -> None:
    text = guest(definition, network="default").xml(accelerated=accelerated)
    assert fits_the_schema(text)
    assert not fits_the_schema(text.replace("<vcpu>", "<cpus>").replace("</vcpu>", "</cpus>"))


def fits_the_schema(text: str) -> bool:
    """Validated by libvirt's test driver, which runs nothing; later errors are about that driver."""
    prepare()
    connection = libvirt.open("test:///default")
    try:
        connection.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE).undefine()
    except libvirt.libvirtError as error:
        return bool(error.get_error_code() != libvirt.VIR_ERR_XML_INVALID_SCHEMA)
    finally:
        connection.close()
    return True


def test_a_machine_has_an_owner_mark() -> None:
    assert mark_of(guest(V2).xml(accelerated=True)) == (MARK, "eastus")
    assert mark_of("<domain><metadata/></domain>") == (None, "")
    damaged = guest(V2).xml(accelerated=True).replace("corp/web/1.0.0@eastus", "//")
    assert mark_of(damaged) == (None, "")


def test_firmware_follows_the_generation() -> None:
    def secure(definition: dict[str, Any]) -> list[str | None]:
        root = parse(guest(definition).xml(accelerated=True))
        return [feature.get("enabled") for feature in root.iterfind("./os/firmware/feature")]

    assert secure(V1) == []
    assert secure(V2) == secure(ARM) == ["no", "no"]
    assert secure(TRUSTED) == secure({**TRUSTED, "architecture": "Arm64"}) == ["yes", "yes"]
    with pytest.raises(Unsupported, match="confidential"):
        Hardware.of({**V2, "features": {"SecurityType": {"value": "ConfidentialVM"}}})


def test_trusted_launch_has_a_tpm_and_protects_its_variables() -> None:
    """As far as each architecture supports it: only x86 has a processor mode for it."""

    def found(definition: dict[str, Any], path: str) -> list[str | None]:
        root = parse(guest(definition).xml(accelerated=True))
        return [element.get("model") or element.get("state") or element.text for element in root.iterfind(path)]

    arm = {**TRUSTED, "architecture": "Arm64"}
    assert (found(TRUSTED, "./devices/tpm"), found(TRUSTED, "./features/smm")) == (["tpm-crb"], ["on"])
    assert (found(arm, "./devices/tpm"), found(arm, "./features/smm")) == (["tpm-tis"], [])
    assert (found(V2, "./devices/tpm"), found(V2, "./features/smm")) == ([], [])
    assert found(V2, "./os/nvram") == ["/pool/variables.fd"]
    assert found(V1, "./os/nvram") == []


@pytest.mark.parametrize(
    ("os", "uefi"),
    [
        ("<os firmware='efi'><type arch='x86_64'>hvm</type></os>", True),
        ("<os firmware='bios'><type arch='x86_64'>hvm</type></os>", False),
        ("<os><type arch='x86_64'>hvm</type><loader type='pflash'>/f</loader></os>", True),
        ("<os><type arch='x86_64'>hvm</type><loader type='rom'>/f</loader></os>", None),
        ("<os><type arch='x86_64'>hvm</type><boot dev='hd'/></os>", False),
        ("<os><type arch='x86_64'>hvm</type><kernel>/k</kernel></os>", None),
        ("<os><type arch='aarch64'>hvm</type></os>", None),
        ("<os><type>exe</type></os>", None),
    ],
)
def test_the_firmware_of_a_machine(os: str, uefi: bool | None) -> None:
    assert has_uefi(f"<domain>{os}</domain>") is uefi


def test_disks_are_parsed_back_as_they_were_given() -> None:
    """30 disks: the letters continue after z; the seed is not one of them."""
    found = disks_of(guest(V2, disks=30).xml(accelerated=False))
    assert [disk.source for disk in found] == [f"/pool/{number}.qcow2" for number in range(30)]
    assert [found[number].target for number in (0, 25, 26, 29)] == ["vda", "vdz", "vdaa", "vdad"]
    assert (found[0].caching, found[1].caching) == ("ReadOnly", "ReadWrite")


@pytest.mark.parametrize(
    ("definition", "device", "bus"),
    [(V2, "disk", "virtio"), (ARM, "disk", "virtio"), (WINDOWS, "cdrom", "sata")],
    ids=["linux", "arm", "windows"],
)
def test_the_seed_is_where_the_disks_are(definition: dict[str, Any], device: str, bus: str) -> None:
    """The system on the disk has that driver, and may have no other."""
    disks = parse(guest(definition).xml(accelerated=True)).findall("./devices/disk")
    (seed,) = (disk for disk in disks if disk.find("source[@file='/pool/seed.iso']") is not None)
    assert (seed.get("device"), seed.find("readonly") is not None) == (device, True)
    targets = [disk.find("target") for disk in disks]
    assert {target.get("bus") for target in targets if target is not None} == {bus}
    assert len({target.get("dev") for target in targets if target is not None}) == 3


DISKS = """<domain><devices>
<disk type='file' device='disk'><source file='/a'/><target dev='vda'/></disk>
<disk type='file' device='disk'><driver type='qcow2' cache='{cache}'/><source file='/b'/><target dev='vdb'/>
  <boot order='2'/></disk>
<disk type='file' device='cdrom'><source file='/c'/><target dev='sda'/><boot order='1'/></disk>
<disk type='file' device='disk'><source file='/d'/><target dev='vdd'/><readonly/></disk>
</devices></domain>"""


@pytest.mark.parametrize(
    ("cache", "caching"),
    [
        ("none", "None"),
        ("directsync", "None"),
        ("writethrough", "ReadOnly"),
        ("writeback", "ReadWrite"),
        ("unsafe", "ReadWrite"),
        ("default", "ReadWrite"),
    ],
)
def test_the_boot_disk_is_the_first(cache: str, caching: str) -> None:
    """Optical and read-only media are not disks of an image."""
    found = disks_of(DISKS.format(cache=cache))
    assert [(disk.target, disk.format) for disk in found] == [("vdb", "qcow2"), ("vda", "raw")]
    assert found[0].caching == caching


@pytest.mark.parametrize(
    ("disk", "why"),
    [
        (
            "<disk type='network' device='disk'><source protocol='rbd' name='a/b'/><target dev='vda'/></disk>",
            "'network'",
        ),
        ("<disk type='block' device='lun'><source dev='/dev/sg0'/><target dev='sda'/></disk>", "passed-through"),
        ("<disk type='file'><source file='/a'/><target dev='vda'/><shareable/></disk>", "shared"),
        (
            "<disk type='file'><source file='/a'><encryption format='luks'/></source><target dev='a'/></disk>",
            "encrypted",
        ),
    ],
)
def test_disks_that_cannot_be_captured_say_why(disk: str, why: str) -> None:
    (found,) = disks_of(f"<domain><devices>{disk}</devices></domain>")
    assert why in found.unsupported

"""Which disks of an archive become the OS disk and the data disks: the order of the hardware, machines, blank disks."""

from __future__ import annotations

import pytest
from support.image_files.archives import IDE, SATA, SCSI, controller, drive, envelope, item, machine

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.archives.descriptor import described
from reconciler.providers.image_files.archives.selection import Selection, selected

ABC = {"a": "a.img", "b": "b.img", "c": "c.img"}


def selection(text: str, machine_name: str = "") -> Selection:
    return selected(described(text.encode(), "'x.ova'"), machine_name, "'x.ova'")


def order(*items: str, more: str = "", **named: str) -> str:
    """The disks of a machine with these items, as one string."""
    return "".join(disk.id for disk in selection(envelope(ABC, machine("vm", *items), more=more)).disks)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([controller(3), drive(10, "b", at=0), drive(11, "a", at=1)], "ba"),
        ([drive(11, "a", at=1), drive(10, "b", at=0), controller(3)], "ba"),  # the order in the document is nothing
        ([controller(3), drive(10, "b", at=10), drive(11, "a", at=9)], "ab"),  # numbers, not text
        ([controller(3), drive(10, "b", at="0:1"), drive(11, "a", at="0:0")], "ab"),
        ([controller(3), drive(10, "b", at=""), drive(9, "a", at="")], "ab"),  # InstanceID where there is no address
        ([controller(4, address=1), controller(3, address=0), drive(10, "a", 4), drive(11, "b", 3)], "ba"),
        # vSphere lists IDE 1 before IDE 0
        ([controller(4, IDE, 1), controller(5, IDE, 0), drive(10, "a", 4), drive(11, "b", 5)], "ba"),
        # VirtualBox lists IDE, then SATA
        ([controller(3, IDE), controller(5, SATA), drive(8, "a", 5), drive(9, "b", 3)], "ba"),
        # two controllers of one type and address, NVMe and SATA: in the order of the document
        (
            [
                controller(3, SATA, subtype="vmware.nvme.controller"),
                controller(4, SATA, subtype="vmware.sata.ahci"),
                drive(10, "a", 4),
                drive(11, "b", 3),
            ],
            "ba",
        ),
        ([drive(10, "b", 99, 1), drive(11, "a", 99, 0)], "ab"),  # a controller that is not there
        ([controller(3), drive(10, "/disk/b"), drive(11, "disk/a", at=1)], "ba"),
        ([controller(3), drive(10, "ovf://disk/b"), drive(11, "ovf:/file/file-c", at=1)], "bfile-c"),
        ([controller(3), drive(10, "ovf:/disk/b"), item(12, 15, HostResource="ovf:/file/file-a", Parent=3)], "b"),
    ],
)
def test_disks_are_in_the_order_of_the_hardware(items: list[str], expected: str) -> None:
    assert order(*items) == expected


def test_only_items_of_the_default_configuration_count() -> None:
    options = (
        '<DeploymentOptionSection><Configuration ovf:id="large"/><Configuration ovf:id="small" ovf:default="true"/>'
        "</DeploymentOptionSection>"
    )
    items = [
        controller(3),
        drive(10, "a"),
        drive(11, "b", at=1, more=' ovf:configuration="large"'),
        drive(12, "c", at=2, more=' ovf:configuration="small other"'),
        drive(10, "b", more=' ovf:bound="min"'),
    ]
    assert order(*items, more=options) == "ac"


def test_a_logical_disk_in_a_storage_item_of_ovf_2_is_a_disk() -> None:
    storage = (
        "<StorageItem><sasd:AddressOnParent>{at}</sasd:AddressOnParent><sasd:HostResource>ovf:/disk/{disk}"
        "</sasd:HostResource><sasd:InstanceID>{at}9</sasd:InstanceID><sasd:Parent>3</sasd:Parent>"
        "<sasd:ResourceType>31</sasd:ResourceType></StorageItem>"
    )
    items = (controller(3), storage.format(at=1, disk="a"), storage.format(at=0, disk="b"))
    text = envelope(ABC, machine("vm", *items)).replace("envelope/1", "envelope/2")
    text = text.replace("<Envelope", '<Envelope xmlns:sasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_S"')
    assert [disk.id for disk in selection(text).disks] == ["b", "a"]


def test_ovirt_names_disks_by_their_files_and_marks_the_one_that_boots() -> None:
    items = "".join(
        f"<Item><rasd:InstanceId>{name}</rasd:InstanceId><rasd:ResourceType>17</rasd:ResourceType>"
        f"<rasd:HostResource>g/{name}</rasd:HostResource><rasd:Parent>0</rasd:Parent></Item>"
        for name in "ab"
    )
    text = (
        '<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/" xmlns:rasd="http://rasd" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<References><File ovf:href="a" ovf:id="g/a"/><File ovf:href="b" ovf:id="g/b"/></References>'
        '<Section xsi:type="ovf:DiskSection_Type"><Disk ovf:diskId="a" ovf:fileRef="g/a"/>'
        '<Disk ovf:diskId="b" ovf:fileRef="g/b" ovf:boot="true"/></Section>'
        '<Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Name>vm</Name><BiosType>4</BiosType>'
        f'<Section xsi:type="ovf:VirtualHardwareSection_Type">{items}</Section></Content></ovf:Envelope>'
    )
    found = selection(text)
    assert [disk.id for disk in found.disks] == ["b", "a"]
    assert found.firmware == "efi"


@pytest.mark.parametrize(
    ("settings", "firmware"),
    [
        ('<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>', "efi"),
        ('<vmw:Config vmw:key="firmware" vmw:value="bios"/>', "bios"),
        ('<vmw:ExtraConfig vmw:key="firmware" vmw:value="EFI"/>', "efi"),
        ('<vbox:Machine><Hardware><Firmware type="EFI"/></Hardware></vbox:Machine>', "efi"),
        ('<vbox:Machine><Hardware><Firmware type="BIOS"/></Hardware></vbox:Machine>', "bios"),
        ("<BiosType>2</BiosType>", "bios"),
        ("<BiosType>0</BiosType>", ""),
        ('<vmw:Config vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="false"/>', ""),
        ('<vmw:Config vmw:key="firmware" vmw:value="coreboot"/>', ""),
        ("<vmw:A/>", ""),
        ('<vmw:Config vmw:key="firmware" vmw:value="efi"/><vbox:M><Firmware type="BIOS"/></vbox:M>', ""),
    ],
)
def test_firmware_is_what_the_machine_says(settings: str, firmware: str) -> None:
    text = envelope(ABC, machine("vm", controller(3), drive(10, "a"), settings=settings))
    assert selection(text).firmware == firmware
    other = machine("other", controller(3), drive(10, "b"))
    assert selection(text.replace("</Envelope>", f"{other}</Envelope>"), "other").firmware == ""


@pytest.mark.parametrize(
    ("capacity", "units", "expected"),
    [
        ("16", "", 16),
        ("16", "byte", 16),
        ("16", "byte * 2^30", 16 << 30),
        ("16", "byte*2^20", 16 << 20),
        ("16", "byte * 10^9", 16 * 10**9),
        ("16", "GigaBytes", 16 << 30),
        ("16", "furlong", 0),
        ("${size}", "byte", 0),
        ("-1", "byte", 0),
        ("9" * 400, "byte", 0),
        ("1", "byte * 2^99", 1 << 99),
    ],
)
def test_capacity_is_read_in_its_units(capacity: str, units: str, expected: int) -> None:
    attributes = {"a": f'ovf:capacity="{capacity}" ovf:capacityAllocationUnits="{units}"'}
    text = envelope({"a": "a.img"}, machine("vm", controller(3), drive(10, "a")), attributes=attributes)
    assert selection(text).disks[0].capacity == expected


def test_a_machine_is_found_by_its_id_before_its_name() -> None:
    machines = [machine("vm1", controller(3), drive(10, "a")), machine("vm2", controller(3), drive(10, "b"))]
    text = envelope(ABC, machines[0].replace("<Name>vm1", "<Name>vm2"), machines[1].replace("<Name>vm2", "<Name>web"))
    assert [disk.id for disk in selection(text, "vm2").disks] == ["b"]
    assert [disk.id for disk in selection(text, "web").disks] == ["b"]
    assert selection(text, "vm1").warnings == ("no machine in it has the disk 'c', which is left out",)


def test_the_only_machine_needs_no_name_and_may_have_one() -> None:
    text = envelope(ABC, machine("vm", controller(3), drive(10, "a")))
    assert selection(text).disks == selection(text, "vm").disks


def test_controllers_of_several_kinds_leave_a_doubt_that_is_a_warning() -> None:
    items = (controller(3, IDE), controller(4, SCSI), drive(10, "a", 4), drive(11, "b", 3), drive(12, "c", 3, 1))
    found = selection(envelope(ABC, machine("vm", *items)))
    assert [disk.id for disk in found.disks] == ["b", "c", "a"]
    assert [text for text in found.warnings if "controllers of several kinds: 'b'" in text]


@pytest.mark.parametrize(
    ("text", "named", "why"),
    [
        (envelope(ABC, machine("vm", controller(3))), "", "is unknown which of its 3 disks is the OS disk"),
        (envelope(ABC, machine("vm", controller(3), drive(10, "z"))), "", "a drive with the disk 'z', which is not"),
        (envelope(ABC, machine("vm", drive(10, "a"), drive(11, "a", at=1))), "", "have the same disk 'a'"),
        (envelope({"a": ""}, machine("vm", drive(10, "a"))), "", "its disk 'a', the OS disk, is blank"),
        (envelope(ABC, machine("vm", item(10, 17))), "", "the OS disk of its machine is blank"),
        (envelope(ABC, machine("vm", drive(10, "a"))), "x", "it has no machine 'x'; it has 'vm'"),
        (envelope(ABC), "x", "it names no machine at all"),
        (envelope(ABC, machine("v", drive(1, "a")), machine("v", drive(1, "b"))), "v", "it has 2 machines 'v'"),
        (envelope(ABC, machine("v"), machine("w", drive(1, "b"))), "v", "names no disk"),
        (envelope(ABC, *(machine(f"m{number}") for number in range(30))), "", "'m9' and 20 more"),
        (envelope(ABC, machine("vm", *(drive(n, "a") for n in range(70)))), "", "same disk"),
    ],
)
def test_what_is_not_clear_is_refused(text: str, named: str, why: str) -> None:
    with pytest.raises(SourceError, match=why) as caught:
        selection(text, named)
    assert caught.value.remedy


def test_names_without_end_are_cut_in_messages() -> None:
    long = "x" * 100_000
    for text in (envelope(ABC, machine(long), machine("b")), envelope({long: ""}, machine("vm", drive(1, long)))):
        with pytest.raises(SourceError) as caught:
            selection(text)
        assert len(caught.value.message) < 500

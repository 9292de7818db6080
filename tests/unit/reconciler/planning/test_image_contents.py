"""What a plan makes of the disk in an image: warnings where it contradicts the definition, errors of size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.estates import Estate, definition, gallery, version
from support.image_files import disks
from support.worlds import CAPABILITIES, inputs_of

from reconciler.manifests.address import Address
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.sources import SourceCheck, SourceStatus
from reconciler.providers.image_contents import ImageContents, Partition, Table
from reconciler.providers.image_files.contents import reading
from reconciler.providers.protocol import SourceFacts

WORLD: dict[str, dict[str, Any]] = {
    "corp": {},
    "corp/ubuntu": {},
    "corp/ubuntu/1.0.0": {},
    "corp/ubuntu/1.0.0@eastus": {},
}
VERSION = Address.parse("corp/ubuntu/1.0.0")
EFI = ImageContents(Table.GPT, 512, has_esp=True, efi=("x64",))
BIOS = ImageContents(Table.MBR, 512, bios=True)
BOTH = replace(EFI, bios=True)
SECRET = Partition(1, 1 << 20, 1 << 20, "Linux", "LUKS")


def planned(attributes: dict[str, Any], facts: SourceFacts, status: SourceStatus = SourceStatus.NEW) -> Plan:
    check = SourceCheck(status, facts) if status is SourceStatus.NEW else SourceCheck(status, seen=facts)
    world = {**WORLD, "corp/ubuntu": attributes}
    return make_plan(inputs_of(world, {}, {}, sources={str(VERSION): {"os": check}}))


@pytest.mark.parametrize(
    ("contents", "v1", "v2"),
    [
        (EFI, ["boots with UEFI only"], []),
        (BIOS, [], ["boots from a BIOS only"]),
        (BOTH, [], []),
        (replace(EFI, efi=()), ["boots with UEFI only"], ["has no EFI/BOOT/BOOTX64.EFI"]),
        (replace(EFI, efi=("Arm64",)), ["boots with UEFI only"], ["has an EFI loader for Arm64"]),
        (replace(BIOS, bios=False), ["has no boot code"], ["has no EFI system partition"]),
        (replace(BOTH, sector_size=4096), ["sectors of 4096"], ["sectors of 4096"]),
        (replace(BOTH, partitions=(SECRET,)), ["encrypted with LUKS"], ["encrypted with LUKS"]),
        (replace(BOTH, problems=("its GPT is damaged",)), ["its GPT is damaged"], ["its GPT is damaged"]),
        (ImageContents(), ["no partition table, and no boot code"], ["no partition table, and no boot code"]),
        (ImageContents(content="ext4"), ["the whole disk is ext4"], ["the whole disk is ext4"]),
        (ImageContents(bios=True), [], ["boots from a BIOS only"]),
        (ImageContents(unread="it is compressed"), [], []),
        (None, [], []),
    ],
)
@pytest.mark.parametrize("status", [SourceStatus.NEW, SourceStatus.CHANGED])
def test_what_contradicts_a_generation(
    contents: ImageContents | None, v1: list[str], v2: list[str], status: SourceStatus
) -> None:
    for generation, wanted in (("V1", v1), ("V2", v2)):
        plan = planned({"hyperVGeneration": generation}, SourceFacts(512, 512, "raw", "i", contents=contents), status)
        assert not plan.errors
        assert len(plan.warnings) == len(wanted), plan.warnings
        for warning, words in zip(plan.warnings, wanted, strict=True):
            assert words in warning.summary
            assert (warning.address, warning.path, bool(warning.detail)) == (VERSION, ("source",), True)


def test_an_image_for_another_processor() -> None:
    facts = SourceFacts(512, 512, "raw", "i", contents=EFI)
    (warning,) = planned({"hyperVGeneration": "V2", "architecture": "Arm64"}, facts).warnings
    assert "has an EFI loader for x64, but architecture of corp/ubuntu is Arm64" in warning.summary


@pytest.mark.parametrize(
    ("mode", "size", "refused"),
    [
        ("Full", 2 << 40, False),
        ("Full", (2 << 40) + 1, True),
        ("Shallow", 32 << 40, False),
        ("Shallow", (32 << 40) + 1, True),
    ],
)
@pytest.mark.parametrize("status", [SourceStatus.NEW, SourceStatus.CHANGED])
def test_disks_that_are_too_large(mode: str, size: int, refused: bool, status: SourceStatus) -> None:
    facts = SourceFacts(512, 2 * size, "qcow2", "i", largest_disk=size)
    check = SourceCheck(status, facts) if status is SourceStatus.NEW else SourceCheck(status, seen=facts)
    limits = {"Full": 2 << 40, "Shallow": 32 << 40}
    capable = replace(CAPABILITIES, largest_disk_bytes=limits, replication_modes=frozenset(limits))
    world = {**WORLD, "corp/ubuntu/1.0.0": {"replicationMode": mode}}
    inputs = inputs_of(world, {}, {}, sources={str(VERSION): {"os": check}})
    plan = make_plan(replace(inputs, capabilities=dict.fromkeys(inputs.capabilities, capable)))
    found = [problem for problem in plan.errors if "takes at most" in problem.summary]
    assert bool(found) is refused
    assert all(f"with replicationMode {mode}" in problem.summary for problem in found)


def test_a_plan_without_changes_reads_no_contents(tmp_path: Path) -> None:
    estate = Estate(tmp_path)
    source = {"file": "../images/disk.raw"}
    (tmp_path / "images" / "disk.raw").write_bytes(disks.efi_disk())
    estate.write([gallery(), definition(hyperVGeneration="V1"), version(source)])
    (warning,) = estate.plan().warnings
    assert "boots with UEFI only" in warning.summary
    assert warning.position
    assert "source" in (tmp_path / "manifests/all.yaml").read_text().splitlines()[warning.position.line - 1]
    estate.apply()
    with patch.object(reading, "read_contents", side_effect=AssertionError):
        assert not estate.plan().warnings
    (tmp_path / "images" / "disk.raw").write_bytes(disks.disk({0: disks.BITLOCKER}))
    changed = [warning.summary for warning in estate.plan().warnings]
    assert any("encrypted with BitLocker" in summary for summary in changed)

"""Archives with bytes changed at random: each is read, or refused with a reason."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from support.image_files.archives import controller, drive, envelope, machine, manifest_of, write_ova

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.image_sources import FileSources

DISK = b"disk".ljust(1024, b"\0")
OVF = envelope(
    {"a": "a.img", "b": "a very long name of a disk in a folder/" + "b" * 120 + ".img"},
    machine("vm", controller(3), drive(10, "a"), drive(11, "b", at=1)),
    attributes={"a": 'ovf:capacity="2" ovf:capacityAllocationUnits="byte * 2^9"'},
).encode()
MEMBERS = {"x.ovf": OVF, "a.img": DISK, "a very long name of a disk in a folder/" + "b" * 120 + ".img": DISK}
MUTANTS = int(os.environ.get("ARCHIVE_MUTANTS", "300"))


def mutant(content: bytes, chance: random.Random) -> bytes:
    """The content with a few bytes replaced, removed, doubled or cut off."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(changed) + 1), chance.choice((1, 1, 2, 8, 512))
        match chance.randrange(5):
            case 0:
                changed[at : at + length] = chance.randbytes(length)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at : at + 1] = bytes([chance.choice(b"0179<>&\"'=()./%:\0\xff\n ")])
            case _:
                changed[at : at + 12] = chance.choice((b"\x80" + b"\xff" * 11, b"\xff" * 12, b"7" * 11 + b"\0"))
    return bytes(changed[: chance.randrange(len(changed) + 1)] if chance.random() < 0.05 else changed)


def problem(folder: Path) -> SourceError | None:
    """Why not all of an archive can be read; None if it can. Raises whatever is no SourceError."""
    try:
        for disk in FileSources(str(folder)).disks({"file": "x.ova"}, None):
            digest_extent(disk.extent)
    except SourceError as error:
        return error
    return None


@pytest.mark.parametrize("part", ["archive", "descriptor", "manifest"])
def test_whatever_an_archive_says_is_read_or_refused(tmp_path: Path, part: str) -> None:
    chance = random.Random(part)
    manifest, problems = manifest_of(MEMBERS.items()), []
    for _ in range(MUTANTS):
        members = {**MEMBERS, "x.mf": manifest}
        if part == "descriptor":
            members = {**MEMBERS, "x.ovf": mutant(OVF, chance)}
        elif part == "manifest":
            members["x.mf"] = mutant(manifest, chance)
        path = write_ova(tmp_path / "x.ova", *members.items())
        if part == "archive":
            path.write_bytes(mutant(path.read_bytes(), chance))
        problems.append(problem(tmp_path))
    found = [error for error in problems if error is not None]
    assert found
    assert [error.message for error in found if not error.remedy or len(error.message) > 600] == []

"""Changes images the way an attacker or a broken disk would: numbers, texts, lengths, and sums made right again."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fuzz_images.seeds import Seed

from reconciler.providers.image_files.formats.vhd import vhd_checksum
from reconciler.providers.image_files.formats.vhdx import crc32c

_LINES = (
    b'parentFileNameHint="CANARY"\n',
    b'RW 2 FLAT "CANARY" 0\n',
    b'RW 4096 SPARSE "CANARY"\n',
    b'RW 4096 SPARSE "other.vmdk"\n',
    b"parentCID=12345678\n",
    b'createType="monolithicFlat"\n',
    b"#\n",
    b"\0",
)


@dataclass(slots=True)
class Mutant:
    """A seed with some of its bytes replaced, and cut or extended to `size`."""

    seed: Seed
    size: int
    edits: dict[int, bytes] = field(default_factory=dict)
    largest_read: int = 0
    bytes_read: int = 0

    def read(self, offset: int, length: int) -> bytes:
        """As `pread`; counts what is read."""
        if offset < 0 or length < 0 or offset >= 1 << 63:
            raise OverflowError(f"read of {length} bytes at {offset}")
        length = max(0, min(length, self.size - offset))
        self.largest_read, self.bytes_read = max(self.largest_read, length), self.bytes_read + length
        part = bytearray(self.seed.content[offset : offset + length].ljust(length, b"\0"))
        for start, new in self.edits.items():
            low, high = max(start, offset), min(start + len(new), offset + length)
            if low < high:
                part[low - offset : high - offset] = new[low - start : high - start]
        return bytes(part)

    def write(self, path: Path) -> None:
        """As a file, with a hole where the seed has ended."""
        with path.open("wb") as file:
            file.write(self.seed.content[: self.size])
            for start, new in self.edits.items():
                file.seek(start)
                file.write(new[: max(0, self.size - start)])
            file.truncate(self.size)


def mutant(seed: Seed, chance: random.Random) -> Mutant:
    """One of the images that are close to `seed`."""
    made = Mutant(seed, len(seed.content))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        chance.choices(_WAYS, _WEIGHTS)[0](made, chance)
    if chance.random() < 0.8:
        _make_sums_right(made)
    return made


def _number(made: Mutant, chance: random.Random) -> None:
    width = chance.choice((1, 2, 4, 4, 8, 8))
    at = chance.choice(made.seed.words) + chance.choice((0, 0, 0, 4, -4, 1, 2, 3))
    at = max(0, at)
    order = chance.choice(("big", "little"))
    old = int.from_bytes(made.read(at, width).ljust(width, b"\0"), order)  # type: ignore[arg-type]
    size = made.size
    values = (
        0, 1, 2, 3, 7, 8, 16, 511, 512, 513, 4096, 1 << 16, 1 << 20, 1 << 31, 1 << 32, (1 << 32) - 1, 1 << 40, 1 << 51,
        1 << 54, 1 << 62, 1 << 63, (1 << 64) - 1, (1 << 64) - 512, size, size - 1, size - 512, size // 512,
        size // 512 - 1, old + 1, old - 1, old * 2, old // 2, old ^ (1 << chance.randrange(64)), chance.getrandbits(64),
    )  # fmt: skip
    value = chance.choice(values) % (1 << 8 * width)
    made.edits[at] = value.to_bytes(width, order)  # type: ignore[arg-type]


def _bit(made: Mutant, chance: random.Random) -> None:
    at = chance.choice(made.seed.words) + chance.randrange(4)
    made.edits[at] = bytes([made.read(at, 1).ljust(1, b"\0")[0] ^ 1 << chance.randrange(8)])


def _line(made: Mutant, chance: random.Random) -> None:
    """Puts a line into the text of a VMDK, if the seed has one."""
    start = made.seed.content.find(b"# Disk DescriptorFile")
    if start < 0:
        _bit(made, chance)
        return
    text = made.read(start, 4096).rstrip(b"\0")
    at = chance.choice([0, *(at + 1 for at, byte in enumerate(text) if byte == ord("\n"))])
    made.edits[start] = (text[:at] + chance.choice(_LINES) + text[at:])[: made.size - start]


def _copied(made: Mutant, chance: random.Random) -> None:
    """Overwrites one part with another."""
    length = chance.choice((4, 8, 16, 64, 512))
    made.edits[chance.choice(made.seed.words)] = made.read(chance.choice(made.seed.words), length)


def _length(made: Mutant, chance: random.Random) -> None:
    lengths = (made.size - 512, made.size + 512, made.size // 2, chance.randrange(made.size + 1), 511, 1 << 42)
    made.size = max(0, chance.choice(lengths))


def _random(made: Mutant, chance: random.Random) -> None:
    made.edits[chance.choice(made.seed.words)] = chance.randbytes(chance.choice((1, 4, 8, 32)))


_WAYS: tuple[Callable[[Mutant, random.Random], None], ...] = (_number, _bit, _line, _copied, _length, _random)
_WEIGHTS = (10, 5, 2, 2, 1, 2)


def _make_sums_right(made: Mutant) -> None:
    """Of VHD and VHDX, so that what is behind them is looked at."""
    for at in (0, made.size - 512):
        if at >= 0 and made.read(at, 8) == b"conectix":
            _sum_vhd(made, at, 512, 64)
    if made.read(0, 8) == b"conectix":
        header = int.from_bytes(made.read(16, 8), "big")
        if header < made.size - 1024:
            _sum_vhd(made, header, 1024, 36)
        made.edits[made.size - 512] = made.read(0, 512)
    if made.read(0, 8) == b"vhdxfile" and made.edits:
        for at, length in ((65536, 4096), (131072, 4096), (196608, 65536)):
            if any(at <= start < at + length for start in made.edits):
                block = made.read(at, length)
                made.edits[at + 4] = struct.pack("<I", crc32c(block[:4] + bytes(4) + block[8:]))


def _sum_vhd(made: Mutant, at: int, length: int, place: int) -> None:
    made.edits[at + place] = vhd_checksum(made.read(at, length), place).to_bytes(4, "big")

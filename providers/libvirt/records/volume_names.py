"""How volumes are called: `GALLERY-DEFINITION-VERSION-os-YYYY-MM-DD[-ZZ]` and `...-datadisk-LUN-YYYY-MM-DD[-ZZ]`.

The number ZZ only stands where the name without it is taken. A name can be read back without doubt: a gallery's has no
hyphen, and a version's begins with a digit and has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError

OS = "os"
_DATA = "data-"
_VOLUME = re.compile(
    r"(?P<gallery>[^-~]+)-(?P<definition>[^~]+)-(?P<version>\d+\.\d+\.\d+)"
    r"-(?:os|datadisk-(?P<lun>\d+))-(?P<day>\d{4}-\d{2}-\d{2})(?:-(?P<number>\d{2,}))?"
)


@dataclass(frozen=True, slots=True)
class VolumeName:
    """What a volume's name says: the version it is of, which disk (`os`, `data-LUN`), the day, and the number that sets
    it apart (0: none)."""

    version: Address
    disk: str
    day: date
    number: int = 0

    def __str__(self) -> str:
        version = self.version
        disk = OS if self.disk == OS else f"datadisk-{self.disk.removeprefix(_DATA)}"
        apart = f"-{self.number:02}" if self.number else ""
        return f"{version.gallery}-{version.definition}-{version.version}-{disk}-{self.day.isoformat()}{apart}"

    @classmethod
    def parse(cls, name: str) -> VolumeName | None:
        """None when the name is not of this kind."""
        found = _VOLUME.fullmatch(name)
        if found is None:
            return None
        try:
            day = date.fromisoformat(found["day"])
        except ValueError:
            return None
        disk = OS if found["lun"] is None else f"{_DATA}{found['lun']}"
        version = Address(found["gallery"], found["definition"], found["version"])
        return cls(version, disk, day, int(found["number"] or 0))


def choose(version: Address, disk: str, day: date, taken: Collection[str]) -> str:
    """A name for a new volume of a disk that is none of `taken`. Raises: ProviderError when such a name cannot be."""
    chosen = VolumeName(version.unit, disk, day)
    if VolumeName.parse(str(chosen)) != chosen:
        raise ProviderError(
            f"'{chosen}' cannot be the name of a volume that is told from others",
            "give the gallery a name without '-' and '~', and the definition one without '~' and '/'",
        )
    number = 0
    while str(chosen) in taken:
        number += 1
        chosen = VolumeName(version.unit, disk, day, number)
    return str(chosen)

"""The names of volumes: `GALLERY-DEFINITION-VERSION-os-YYYY-MM-DD[-ZZ]` and `...-datadisk-LUN-YYYY-MM-DD[-ZZ]`.

The number ZZ is added only if the name without it is taken. Names parse unambiguously: a gallery's name has no hyphen,
and a version's starts with a digit and has none.
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
    """A parsed volume name: the version, the disk (`os`, `data-LUN`), the day of creation, and the number that makes it
    unique (0: none)."""

    version: Address
    disk: str
    day: date
    number: int = 0

    def __str__(self) -> str:
        version = self.version
        disk = OS if self.disk == OS else f"datadisk-{self.disk.removeprefix(_DATA)}"
        suffix = f"-{self.number:02}" if self.number else ""
        return f"{version.gallery}-{version.definition}-{version.version}-{disk}-{self.day.isoformat()}{suffix}"

    @classmethod
    def parse(cls, name: str) -> VolumeName | None:
        """None if it is not such a name."""
        parsed = _VOLUME.fullmatch(name)
        if parsed is None:
            return None
        try:
            day = date.fromisoformat(parsed["day"])
        except ValueError:
            return None
        disk = OS if parsed["lun"] is None else f"{_DATA}{parsed['lun']}"
        version = Address(parsed["gallery"], parsed["definition"], parsed["version"])
        return cls(version, disk, day, int(parsed["number"] or 0))


def choose_name(version: Address, disk: str, day: date, taken: Collection[str]) -> str:
    """A name for a new volume of a disk that is not in `taken`. Raises: ProviderError if names would be ambiguous."""
    chosen = VolumeName(version.unit, disk, day)
    if VolumeName.parse(str(chosen)) != chosen:
        raise ProviderError(
            f"'{chosen}' is ambiguous as the name of a volume",
            "choose a gallery name without '-' and '~', and a definition name without '~' and '/'",
        )
    number = 0
    while str(chosen) in taken:
        number += 1
        chosen = VolumeName(version.unit, disk, day, number)
    return str(chosen)

"""The sidecars of one pool, read and written as descriptions and as lists of pending volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Damaged, Unreadable
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.records import sidecars
from reconciler.providers.libvirt.records.descriptions import Description, PendingVolumes, stamp
from reconciler.providers.libvirt.records.volume_names import VolumeName

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool

_PENDING = "making"
"""The note in the name of a sidecar that lists pending volumes, followed by the fence of the run: `making-17`. Pools
contain it, so it never changes."""


class BrokenDescription(ProviderError):
    """A description exists and cannot be read. `lost`: nothing of it is left that writing it again could lose."""

    def __init__(self, message: str, remedy: str = "", *, lost: bool = False) -> None:
        super().__init__(message, remedy)
        self.lost = lost


@dataclass(frozen=True, slots=True)
class StoredDescription:
    """A description, the name of its sidecar, and the stamp of that volume. `restored`: it was lost, and has just been
    written again."""

    description: Description
    volume: str
    stamp: str
    restored: bool = False

    @property
    def entry(self) -> tuple[str, str]:
        """Its (name, stamp) pair in a fingerprint."""
        return self.volume, self.stamp


class DescriptionStore:
    """The descriptions in `pool`. Every call may raise Unavailable."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def description(self, address: Address) -> StoredDescription | None:
        """An object's description; None if there is none. Raises: BrokenDescription."""
        try:
            read = sidecars.read(self.pool, address)
            if read is None:
                return None
            sidecar, value = read
            description = Description.decode(value)
        except Unreadable as error:
            lost = isinstance(error, Damaged)
            message = f"the description of {address} {error}"
            raise BrokenDescription(message, f"check the {self.pool}", lost=lost) from error
        volume = self.pool.volume(sidecar.volume)
        return StoredDescription(description, sidecar.volume, stamp(volume)) if volume else None

    def is_lost(self, address: Address) -> bool:
        """Whether an object has a description of which nothing is left."""
        try:
            self.description(address)
        except BrokenDescription as error:
            return error.lost
        return False

    def pending(self, address: Address) -> tuple[PendingVolumes, ...]:
        """The pending volumes of a region, one list for each run that left one, by fence. A list that was cut short
        while it was written counts as none: no volume is touched before the list is complete."""
        notes = {note for about, note in sidecars.listed(self.pool.names()) if about == address and is_pending(note)}
        found = (self._pending(address, note) for note in notes)
        return tuple(sorted(filter(None, found), key=lambda pending: pending.fence))

    def _pending(self, address: Address, note: str) -> PendingVolumes | None:
        try:
            read = sidecars.read(self.pool, address, note)
            return PendingVolumes.decode(read[1]) if read else None
        except Unreadable:
            return None

    def write(self, address: Address, description: Description) -> tuple[str, str]:
        """Makes this the description of an object; its (name, stamp) pair. Raises: ProviderError."""
        sidecar = sidecars.write(self.pool, address, description.encode())
        volume = self.pool.volume(sidecar.volume)
        if volume is None:
            raise ProviderError(f"{self.pool}: '{sidecar.volume}' was removed while it was written", "apply again")
        return volume.name, stamp(volume)

    def write_pending(self, address: Address, pending: PendingVolumes) -> None:
        """Raises: ProviderError."""
        sidecars.write(self.pool, address, pending.encode(), _note(pending.fence))

    def remove(self, address: Address) -> None:
        """Removes an object's description, if there is one. Raises: ProviderError."""
        sidecars.remove(self.pool, address)

    def remove_pending(self, address: Address, fence: int) -> None:
        """Removes the list of the run with this fence. Raises: ProviderError."""
        sidecars.remove(self.pool, address, _note(fence))

    def discard_cut_short(self, address: Address, fence: int) -> None:
        """Removes sidecars of an address whose writing was cut off: libvirt creates a volume of zeros, then fills it.
        Lists of runs with a greater fence stay.

        Raises: ProviderError.
        """
        for (about, note), versions in sidecars.listed(self.pool.names()).items():
            for sidecar in versions if about == address and _fence(note) <= fence else ():
                content = self.pool.read(sidecar.volume)
                if content is not None and not content.rstrip(b"\0").endswith(b"\n"):
                    self.pool.delete(sidecar.volume)

    def volumes_named(self, address: Address) -> list[str]:
        """The volumes whose names are those of this version, sorted."""
        return [name for name in self.pool.names() if _version(name) == address.unit]


def is_pending(note: str) -> bool:
    """Whether the note in the name of a sidecar says that it lists pending volumes."""
    return note == _PENDING or note.startswith(f"{_PENDING}-")


def _note(fence: int) -> str:
    return f"{_PENDING}-{fence}" if fence else _PENDING


def _fence(note: str) -> int:
    """The fence in the note of a list of pending volumes; 0 without one."""
    number = note.removeprefix(f"{_PENDING}-")
    return int(number) if is_pending(note) and number.isdecimal() else 0


def _version(name: str) -> Address | None:
    parsed = VolumeName.parse(name)
    return parsed.version if parsed else None

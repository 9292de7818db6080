"""The descriptions in one pool, read and written as what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.records import sidecars
from reconciler.providers.libvirt.records.descriptions import Description, Making, Unreadable, stamp
from reconciler.providers.libvirt.records.volume_names import VolumeName

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool

MAKING = "making"
"""The note that says which volumes of a region are being made or removed."""


class Broken(ProviderError):
    """A description is there and cannot be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """A description, the name of its volume, and that volume's stamp."""

    description: Description
    volume: str
    stamp: str

    @property
    def entry(self) -> tuple[str, str]:
        """Its part of a fingerprint."""
        return self.volume, self.stamp


class Shelf:
    """What stands in `pool`. Every call may raise Unavailable."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def description(self, address: Address) -> Found | None:
        """An object's description; None when there is none. Raises: Broken."""
        try:
            found = sidecars.read(self.pool, address)
            if found is None:
                return None
            sidecar, value = found
            description = Description.decode(value)
        except (sidecars.Unreadable, Unreadable) as error:
            raise Broken(f"{address}: its description: {error}", f"look at the {self.pool}") from error
        volume = self.pool.volume(sidecar.volume)
        return Found(description, sidecar.volume, stamp(volume)) if volume else None

    def making(self, address: Address) -> Making | None:
        """What is being made of a region. A note that was cut short while it was written counts as none: no volume is
        touched before it is whole."""
        try:
            found = sidecars.read(self.pool, address, MAKING)
            return Making.decode(found[1]) if found else None
        except (sidecars.Unreadable, Unreadable):
            return None

    def write(self, address: Address, description: Description) -> tuple[str, str]:
        """Makes this the description of an object; its part of a fingerprint. Raises: ProviderError."""
        sidecar = sidecars.write(self.pool, address, description.encode())
        volume = self.pool.volume(sidecar.volume)
        if volume is None:
            raise ProviderError(f"{self.pool}: '{sidecar.volume}' was removed while it was written", "apply again")
        return volume.name, stamp(volume)

    def write_making(self, address: Address, making: Making) -> None:
        """Raises: ProviderError."""
        sidecars.write(self.pool, address, making.encode(), MAKING)

    def remove(self, address: Address) -> None:
        """Removes an object's description, if there is one. Raises: ProviderError."""
        sidecars.remove(self.pool, address)

    def remove_making(self, address: Address) -> None:
        """Raises: ProviderError."""
        sidecars.remove(self.pool, address, MAKING)

    def discard_cut_short(self, address: Address) -> None:
        """Removes sidecars of an address whose writing was cut off: libvirt makes a volume of zeros, and fills it.

        Raises: ProviderError.
        """
        for (about, _), found in sidecars.listed(self.pool.names()).items():
            for sidecar in found if about == address else ():
                content = self.pool.read(sidecar.volume)
                if content is not None and not content.rstrip(b"\0").endswith(b"\n"):
                    self.pool.delete(sidecar.volume)

    def volumes_named(self, address: Address) -> list[str]:
        """The volumes with names of this version, sorted."""
        return [name for name in self.pool.names() if _version(name) == address.unit]


def _version(name: str) -> Address | None:
    parsed = VolumeName.parse(name)
    return parsed.version if parsed else None

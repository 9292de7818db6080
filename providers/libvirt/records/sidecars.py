"""Small volumes beside the images that say what those are: libvirt keeps no tags on volumes.

    .reconciler~GALLERY.SERIAL.json                               in the pool of the gallery's home region
    .reconciler~GALLERY~DEFINITION.SERIAL.json                    in the definition's
    .reconciler~GALLERY~DEFINITION~VERSION.SERIAL.json            in the version's
    .reconciler~GALLERY~DEFINITION~VERSION~REGION.SERIAL.json     in the region's own
    .reconciler~GALLERY~DEFINITION~VERSION~REGION~NOTE.SERIAL.json    another note about the same address

A sidecar is never changed. A new one, with the next serial and a checksum, is written whole; then those before it are
removed. The one that counts is the newest that is whole: a write that was cut short has not happened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json, digest
from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable, Unsupported
from reconciler.providers.libvirt.host.pools import Pool

_BEGINNING = ".reconciler~"
_NAME = re.compile(r"\.reconciler~(?P<parts>[^~/]+(?:~[^~/]*){0,4})\.(?P<serial>\d{6,})\.json", re.DOTALL)
_LOOKS = 5
"""How often a sidecar is looked for that others replace while it is read."""
_LONGEST = 255
"""Bytes in the name of a file. Source: NAME_MAX of Linux's file systems."""


class Unreadable(ValueError):
    """A sidecar is there and cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, order=True)
class Sidecar:
    """One sidecar by what its name says. `note` is empty for the description of `address` itself."""

    address: Address
    note: str
    serial: int

    @property
    def volume(self) -> str:
        """The name of its volume."""
        parts = [*self.address, self.note]
        while not parts[-1]:
            parts.pop()
        return f"{_BEGINNING}{'~'.join(parts)}.{self.serial:06}.json"

    @classmethod
    def parse(cls, volume: str) -> Sidecar | None:
        """None when no sidecar is called so."""
        found = _NAME.fullmatch(volume)
        if found is None:
            return None
        gallery, definition, version, region, note = (*found["parts"].split("~"), "", "", "", "", "")[:5]
        sidecar = cls(Address(gallery, definition, version, region), note, int(found["serial"]))
        return sidecar if sidecar.volume == volume else None


def is_ours(volume: str) -> bool:
    """Whether a volume has a name that only we give to what is no image: it is nobody's foreign volume."""
    return volume.startswith(_BEGINNING)


def listed(volumes: Iterable[str]) -> Mapping[tuple[Address, str], Sequence[Sidecar]]:
    """The sidecars among the names of a pool's volumes, by address and note, newest first."""
    found: dict[tuple[Address, str], list[Sidecar]] = {}
    for sidecar in sorted(filter(None, map(Sidecar.parse, volumes)), reverse=True):
        found.setdefault((sidecar.address, sidecar.note), []).append(sidecar)
    return found


def read(pool: Pool, address: Address, note: str = "") -> tuple[Sidecar, Any] | None:
    """The sidecar that counts and its JSON value; None when there is none, or only what a cut write left.

    Raises: Unreadable when there are some and all are damaged; ProviderError, Unavailable among them.
    """
    for _ in range(_LOOKS):
        present = listed(pool.names()).get((address, note), ())
        damaged = []
        for sidecar in present:
            content = pool.read(sidecar.volume)
            if content is None:
                break  # it was replaced by a newer one: look again
            value = _value(content)
            if value is not None:
                return sidecar, value
            if not _is_unfinished(content):
                damaged.append(sidecar.volume)
        else:
            if damaged:
                raise Unreadable(f"{pool}: the description '{damaged[0]}' cannot be read: it is damaged")
            return None
    raise Unavailable(f"{pool}: the description of {address} changed each time it was looked at", "try again")


def write(pool: Pool, address: Address, value: Any, note: str = "") -> Sidecar:
    """Makes `value`, JSON-shaped, what the sidecar of this address says, and returns the new one.

    Raises: Unsupported when the address cannot be in a name, or is too long for one; ProviderError: then what counted
    before still counts.
    """
    present = listed(pool.names()).get((address, note), ())
    sidecar = Sidecar(address, note, present[0].serial + 1 if present else 1)
    if Sidecar.parse(sidecar.volume) != sidecar:
        raise Unsupported(f"'{address}' cannot be part of a volume's name", "choose names without '~' and '/'")
    if len(sidecar.volume.encode()) > _LONGEST:
        raise Unsupported(
            f"'{address}' is too long: a file beside its volumes has it in its name, and {_LONGEST} bytes are the most",
            "choose shorter names for the gallery, the definition or the region",
        )
    try:
        pool.write(sidecar.volume, _content(value))
    except ObjectConflict:  # somebody else's, of the same moment
        raise
    except ProviderError:
        with suppress(ProviderError):  # a host that is down keeps it: it is not whole, so it does not count
            pool.delete(sidecar.volume)
        raise
    _remove(pool, present)
    return sidecar


def remove(pool: Pool, address: Address, note: str = "") -> None:
    """Removes all sidecars of an address that bear this note, what counts last. None being there is fine."""
    _remove(pool, listed(pool.names()).get((address, note), ()))


def _remove(pool: Pool, sidecars: Sequence[Sidecar]) -> None:
    for sidecar in reversed(sidecars):
        pool.delete(sidecar.volume)


def _content(value: Any) -> bytes:
    """Two lines: the value, and the digest of the first."""
    text = canonical_json(value)
    return f"{text}\n{digest(text)}\n".encode()


def _is_unfinished(content: bytes) -> bool:
    """Whether a write was cut: a volume has its length from the beginning, and zeros where nothing was written yet."""
    return not content or content.endswith(b"\0")


def _value(content: bytes) -> Any:
    """None when the content is not whole."""
    try:
        text, check, rest = content.decode().split("\n")
        return json.loads(text) if check == digest(text) and not rest else None
    except ValueError:
        return None

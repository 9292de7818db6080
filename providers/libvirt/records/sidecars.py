"""Small volumes beside the images that describe them, because libvirt keeps no tags on volumes.

    .reconciler~GALLERY.SERIAL.json                               in the pool of the gallery's home region
    .reconciler~GALLERY~DEFINITION.SERIAL.json                    in the definition's
    .reconciler~GALLERY~DEFINITION~VERSION.SERIAL.json            in the version's
    .reconciler~GALLERY~DEFINITION~VERSION~REGION.SERIAL.json     in the region's own
    .reconciler~GALLERY~DEFINITION~VERSION~REGION~NOTE.SERIAL.json    another note about the same address

A sidecar is never changed. A new one, with the next serial and a digest, is written completely; then its predecessors
are removed. The newest complete one counts: a write that was cut short has not happened.
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
from reconciler.providers.common.descriptions import Damaged
from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable, Unsupported
from reconciler.providers.libvirt.host.pools import Pool

_BEGINNING = ".reconciler~"
_NAME = re.compile(r"\.reconciler~(?P<parts>[^~/]+(?:~[^~/]*){0,4})\.(?P<serial>\d{6,})\.json", re.DOTALL)
_ATTEMPTS = 5
"""How often to read a sidecar that others replace at the same time."""
_LONGEST = 255
"""Bytes in a file name. Source: NAME_MAX of Linux's file systems."""


@dataclass(frozen=True, slots=True, order=True)
class Sidecar:
    """The parsed name of one sidecar. `note` is empty for the description of `address` itself."""

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
        """None if it is not the name of a sidecar."""
        parsed = _NAME.fullmatch(volume)
        if parsed is None:
            return None
        gallery, definition, version, region, note = (*parsed["parts"].split("~"), "", "", "", "", "")[:5]
        sidecar = cls(Address(gallery, definition, version, region), note, int(parsed["serial"]))
        return sidecar if sidecar.volume == volume else None


def is_ours(volume: str) -> bool:
    """Whether a volume has a name that only we use, for anything but images; so it is not foreign."""
    return volume.startswith(_BEGINNING)


def listed(volumes: Iterable[str]) -> Mapping[tuple[Address, str], Sequence[Sidecar]]:
    """The sidecars among the names of a pool's volumes, by address and note, newest first."""
    versions: dict[tuple[Address, str], list[Sidecar]] = {}
    for sidecar in sorted(filter(None, map(Sidecar.parse, volumes)), reverse=True):
        versions.setdefault((sidecar.address, sidecar.note), []).append(sidecar)
    return versions


def read(pool: Pool, address: Address, note: str = "") -> tuple[Sidecar, Any] | None:
    """The sidecar that counts and its JSON value; None if there is none, or only what an interrupted write left.

    Raises: Damaged if there are some and all are damaged; ProviderError, Unavailable among them.
    """
    for _ in range(_ATTEMPTS):
        present = listed(pool.names()).get((address, note), ())
        damaged = []
        for sidecar in present:
            content = pool.read(sidecar.volume)
            if content is None:
                break  # replaced by a newer one: list again
            value = _value(content)
            if value is not None:
                return sidecar, value
            if not _is_unfinished(content):
                damaged.append(sidecar.volume)
        else:
            if damaged:
                raise Damaged(f"cannot be read: '{damaged[0]}' in the {pool} is damaged")
            return None
    raise Unavailable(f"{pool}: the description of {address} changed each time it was read", "try again")


def write(pool: Pool, address: Address, value: Any, note: str = "") -> Sidecar:
    """Makes `value`, JSON-shaped, the content of an address's sidecar, and returns the new sidecar.

    Raises: Unsupported if the address cannot be part of a name, or is too long for one; ProviderError: then the
    previous sidecar still counts.
    """
    present = listed(pool.names()).get((address, note), ())
    sidecar = Sidecar(address, note, present[0].serial + 1 if present else 1)
    if Sidecar.parse(sidecar.volume) != sidecar:
        raise Unsupported(f"'{address}' cannot be part of a volume's name", "choose names without '~' and '/'")
    if len(sidecar.volume.encode()) > _LONGEST:
        raise Unsupported(
            f"'{address}' is too long: it is part of a file name, and those are limited to {_LONGEST} bytes",
            "choose shorter names for the gallery, the definition or the region",
        )
    try:
        pool.write(sidecar.volume, _content(value))
    except ObjectConflict:  # written by someone else at the same time
        raise
    except ProviderError:
        with suppress(ProviderError):  # a host that is down keeps it; incomplete, it does not count
            pool.delete(sidecar.volume)
        raise
    _remove(pool, present)
    return sidecar


def remove(pool: Pool, address: Address, note: str = "") -> None:
    """Removes all sidecars of an address with this note, the one that counts last. It is fine if there are none."""
    _remove(pool, listed(pool.names()).get((address, note), ()))


def _remove(pool: Pool, sidecars: Sequence[Sidecar]) -> None:
    for sidecar in reversed(sidecars):
        pool.delete(sidecar.volume)


def _content(value: Any) -> bytes:
    """Two lines: the value, and the digest of the first line."""
    text = canonical_json(value)
    return f"{text}\n{digest(text)}\n".encode()


def _is_unfinished(content: bytes) -> bool:
    """Whether a write was interrupted: a volume has its full length from the start, and zeros where it is unwritten."""
    return not content or content.endswith(b"\0")


def _value(content: bytes) -> Any:
    """The JSON value; None if the content is incomplete or damaged."""
    try:
        text, check, rest = content.decode().split("\n")
        return json.loads(text) if check == digest(text) and not rest else None
    except ValueError:
        return None

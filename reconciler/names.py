"""`Names`: what objects are called, where a move has given the resource another address.

Objects cannot be renamed: an object keeps the address it was made under, and what is made in it later follows.
Providers only ever hear the names of objects; everybody else uses addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.manifests.address import Address
from reconciler.state.records import Record


class Names:
    """Both directions between addresses and the names of objects; costs nothing where nothing was moved."""

    def __init__(self, moved: Mapping[Address, Address]) -> None:
        self._names = dict(moved)
        self._addresses = {name: address for address, name in moved.items()}

    @classmethod
    def of(cls, records: Iterable[Record]) -> Names:
        return cls({record.address: record.named for record in records if record.named is not None})

    def __bool__(self) -> bool:
        return bool(self._names)

    def name(self, address: Address) -> Address:
        """What the object at an address is called, or would be."""
        return _translated(address, self._names)

    def address(self, name: Address) -> Address:
        """The address of the object that is called so."""
        return _translated(name, self._addresses)


def within(address: Address, container: Address) -> bool:
    """Whether an address is `container` or lies in it."""
    return all(not part or part == own for part, own in zip(container, address, strict=True))


def containers(address: Address) -> tuple[Address, ...]:
    """What an address lies in, the outermost first."""
    above: list[Address] = []
    here = address.parent
    while here is not None:
        above.append(here)
        here = here.parent
    return tuple(reversed(above))


def renamed(address: Address, source: Address, target: Address) -> Address:
    """The address of what lies at `address` once its container `source` is called `target`."""
    return Address(*(new if old else own for own, old, new in zip(address, source, target, strict=True)))


def _translated(address: Address, table: Mapping[Address, Address]) -> Address:
    here: Address | None = address if table else None
    while here is not None:
        if here in table:
            return renamed(address, here, table[here])
        here = here.parent
    return address

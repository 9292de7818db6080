"""`ObjectNames`: what a provider calls the object of an address; the two differ once a resource has been moved.

Objects cannot be renamed: an object keeps the address it was created under as its name, and so does everything that is
created in it later. Providers see only the names of objects; everything else uses addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.manifests.address import Address
from reconciler.state.records import Intent, Record, State


class ObjectNames:
    """Translates addresses to names and names to addresses; costs nothing where nothing was moved."""

    def __init__(self, moved: Mapping[Address, Address]) -> None:
        self._names = dict(moved)
        self._addresses = {name: address for address, name in moved.items()}

    @classmethod
    def of(cls, state: State) -> ObjectNames:
        """Those of everything recorded or in the journal."""
        known: Iterable[Record | Intent] = (*state.intents.values(), *state.records.values())
        return cls({entry.address: entry.named for entry in known if entry.named is not None})

    def __bool__(self) -> bool:
        return bool(self._names)

    def name(self, address: Address) -> Address:
        """The name that the object of this address has, or would be created under."""
        return _translated(address, self._names)

    def address(self, name: Address) -> Address:
        """The address of the object with this name."""
        return _translated(name, self._addresses)


def within(address: Address, container: Address) -> bool:
    """Whether an address is `container` or is inside it."""
    return all(not part or part == own for part, own in zip(container, address, strict=True))


def containers(address: Address) -> tuple[Address, ...]:
    """Everything that contains an address, the outermost first."""
    above: list[Address] = []
    here = address.parent
    while here is not None:
        above.append(here)
        here = here.parent
    return tuple(reversed(above))


def renamed(address: Address, source: Address, target: Address) -> Address:
    """What an address in `source`, or `source` itself, becomes when `source` is renamed to `target`."""
    return Address(*(new if old else own for own, old, new in zip(address, source, target, strict=True)))


def _translated(address: Address, table: Mapping[Address, Address]) -> Address:
    here: Address | None = address if table else None
    while here is not None:
        if here in table:
            return renamed(address, here, table[here])
        here = here.parent
    return address

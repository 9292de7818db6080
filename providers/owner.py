"""Who owns an object: owner marks, the state that makes and recognises them, and the run that writes on its behalf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.manifests.address import Address

_SEAL_LENGTH = 32  # hexadecimal digits: 128 bits


@dataclass(frozen=True, slots=True)
class OwnerMark:
    """Who owns an object: the lineage of a state, and the address that the object was created for.

    `seal` proves that the state itself made the mark: nobody can compute it without the state's key. It is empty in
    marks of releases that had no seals, and in marks that somebody typed.
    """

    lineage: str
    address: Address
    seal: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """A state as the owner of objects. `key` is the one that its marks are sealed with.

    `accepts_unsealed`: marks without a seal, or with that of another key, are its own as well. That is so in a state
    that an earlier release made, or that was rebuilt without its key, until an apply has renewed all marks.
    """

    lineage: str
    key: bytes = field(default=b"", repr=False)
    accepts_unsealed: bool = False

    def mark(self, address: Address) -> OwnerMark:
        """The mark for the object of this name."""
        return OwnerMark(self.lineage, address, self._seal(address))

    def owns(self, mark: OwnerMark | None, address: Address) -> bool:
        """Whether a mark, found at an object of this name, makes the object ours."""
        if mark is None or (mark.lineage, mark.address) != (self.lineage, address):
            return False
        if self.accepts_unsealed:
            return True
        import hmac

        return bool(mark.seal) and hmac.compare_digest(mark.seal, self._seal(address))

    def _seal(self, address: Address) -> str:
        """That of the unit: backends without marks for target regions derive them from the version's."""
        import hashlib
        import hmac

        text = f"owner mark\0{self.lineage}\0{address.unit}".encode()
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:_SEAL_LENGTH]


def _no_lease() -> None:
    """For writers without a lease, as in tests of a provider alone."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The run that a provider writes for: the `owner` of what it creates, and the `fence` of its lease, which is
    greater than that of every earlier run.

    `require_lease` is called right before every effect (a rename, a delete, a request): it raises LeaseLost when the
    run may no longer change anything, and costs nothing otherwise. Any thread may call it.
    """

    owner: Owner
    fence: int = 0
    require_lease: Callable[[], None] = field(default=_no_lease, compare=False)

    @property
    def lineage(self) -> str:
        return self.owner.lineage

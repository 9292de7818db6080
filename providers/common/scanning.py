"""The answer to a scan: what still matches its fingerprint, what was found by looking, and what could not be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.common.descriptions import ObjectDescription
from reconciler.providers.errors import Unavailable
from reconciler.providers.owner import OwnerMark
from reconciler.providers.protocol import Condition, Observed, ProgressCallback, Scan, Scope


class NotFoundButPossible(Unavailable):
    """An object was not found, and one of `regions`, which cannot be asked, may have it."""

    def __init__(self, message: str, remedy: str = "", regions: Iterable[str] = ()) -> None:
        super().__init__(message, remedy)
        self.regions = frozenset(regions)


def scan(
    scope: Scope,
    still_matches: Callable[[Address, str], bool],
    look: Callable[[Address, str], Observed | None],
    unmanaged: Callable[[], Iterable[Observed]],
) -> Scan:
    """The answer to a scope; see `Reader.scan`.

    `still_matches` compares a recorded fingerprint without reading content. `look` returns one object, given its
    recorded fingerprint or an empty string; None if it is certainly absent; it raises Unavailable in doubt. `unmanaged`
    returns the objects outside the scope, in any order.
    """
    observed: dict[Address, Observed] = {}
    matching: list[Address] = []
    unreachable: dict[Address, str] = {}
    perhaps_in: dict[Address, frozenset[str]] = {}
    for address, fingerprint in scope.wanted.items():
        if fingerprint and not scope.deep and still_matches(address, fingerprint):
            matching.append(address)
            continue
        try:
            seen = look(address, fingerprint or "")
        except Unavailable as error:
            unreachable[address] = error.message
            if isinstance(error, NotFoundButPossible) and not address.region and not fingerprint:
                perhaps_in[address] = error.regions
            continue
        if seen is not None:
            observed[address] = seen
    others = sorted(unmanaged(), key=lambda seen: (seen.address, seen.object_id)) if scope.unmanaged else ()
    return Scan(observed, frozenset(matching), unreachable, tuple(others), perhaps_in)


def described(
    address: Address, object_id: str, description: ObjectDescription, fingerprint: str, defects: Sequence[str] = ()
) -> Observed:
    """An object as its description and the look at its content show it."""
    return Observed(
        address=address,
        object_id=object_id,
        mark=description.mark,
        fingerprint=fingerprint,
        canonical=canonical_json(description.attributes),
        condition=Condition.DAMAGED if defects else Condition.READY,
        defects=tuple(defects),
        computed=canonical_json(description.computed),
        protected=description.protect,
        fence=description.fence,
    )


def without_description(
    address: Address, object_id: str, defect: str, mark: OwnerMark | None = None, *, mark_lost: bool = False
) -> Observed:
    """An object whose description is missing or cannot be read; `mark` if its owner is known even so, `mark_lost` if it
    can only be the one who has a record of it."""
    return Observed(address, object_id, mark, "", "{}", Condition.DAMAGED, (defect,), mark_lost=mark_lost)


def unmarked(address: Address, object_id: str, defect: str = "") -> Observed:
    """An object that no description belongs to: not ours."""
    return Observed(address, object_id, None, "", "{}", Condition.READY, (defect,) if defect else ())


def counting(address: Address, total: int, progress: ProgressCallback | None) -> Callable[[int], None]:
    """Adds up bytes and reports the sum to `progress`, if there is one."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done = min(done + more, total)
        if progress:
            progress(address, done, total)

    return advance

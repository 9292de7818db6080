"""`Moved` and `Removed` against what is declared."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.moved import Moved
from reconciler.manifests.problems import Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.validation.desired import Desired


def moves_make_sense(desired: Desired) -> Iterator[Problem]:
    """From something no longer declared to something declared, each address once."""
    sources: dict[Address, Origin] = {}
    targets: dict[Address, Origin] = {}
    all_sources = {moved.source for moved, _ in desired.declarations.moves}
    for moved, origin in desired.declarations.moves:
        problem = _problem(desired, moved, all_sources)
        if problem:
            yield Problem(origin, (problem[0],), *problem[1:], moved.source)
        for address, key, seen in ((moved.source, "from", sources), (moved.target, "to", targets)):
            earlier = seen.setdefault(address, origin)
            if earlier is not origin:
                yield Problem(
                    origin,
                    (key,),
                    f"{address} is moved {key} twice",
                    f"the first time at {earlier.file}:{earlier.line}: keep one of the two",
                    moved.source,
                )


def removals_make_sense(desired: Desired) -> Iterator[Problem]:
    """Nothing that is still declared, and nothing twice."""
    seen: dict[Address, Origin] = {}
    moved_from = {moved.source for moved, _ in desired.declarations.moves}
    for removed, origin in desired.declarations.removals:
        address = removed.address
        earlier = seen.setdefault(address, origin)
        if is_declared(desired, address):
            yield Problem(
                origin, ("address",), f"{address} is still declared", "remove its entry, or this document", address
            )
        elif address in moved_from:
            yield Problem(
                origin,
                ("address",),
                f"{address} is moved and removed",
                "keep the Moved or the Removed document",
                address,
            )
        elif earlier is not origin:
            remedy = f"the first time at {earlier.file}:{earlier.line}: keep one of the two"
            yield Problem(origin, ("address",), f"{address} is removed twice", remedy, address)


def is_declared(desired: Desired, address: Address) -> bool:
    """Whether an address of any kind is declared; for a region, whether its version lists it."""
    if not address.region:
        return address in desired.declarations
    version = desired.versions.get(address._replace(region=""))
    return version is not None and any(region.name == address.region for region in version.regions)


def _problem(desired: Desired, moved: Moved, sources: set[Address]) -> tuple[str, str, str] | None:
    """Key, summary and remedy of what is wrong with one move by itself."""
    source, target = moved.source, moved.target
    if source == target:
        return "to", f"{source} is moved onto itself", "remove this document, or mend one of the addresses"
    if source.region or target.region:
        return "from", "a target region cannot be renamed", "change targetRegions of the version instead"
    if source.kind is not target.kind:
        return "to", f"{source} is {_a(source)}, {target} is {_a(target)}", "a move keeps the kind: use as many parts"
    if target in sources:
        return "to", f"{target} is itself moved on", "write the last address here: moves do not chain"
    if is_declared(desired, source):
        return "from", f"{source} is still declared", "rename its entry too, or remove this document"
    if not is_declared(desired, target):
        return "to", f"{target} is not declared", "declare it: a move says where something declared was before"
    return None


def _a(address: Address) -> str:
    kind = str(address.kind)
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"

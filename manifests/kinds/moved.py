"""`kind: Moved`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.configuration import Configuration, TypedDocument
from reconciler.manifests.kinds.registry import KindSpec
from reconciler.manifests.kinds.scalars import AddressText
from reconciler.manifests.manifest import Move
from reconciler.manifests.problems import Problem
from reconciler.manifests.resource import Origin


class Moved(KindModel):
    """A new address for a gallery, or for a definition in its gallery. No object is touched."""

    kind: Annotated[Literal["Moved"], Field(description="The kind of document.")]
    source: Annotated[Address, AddressText(), Field(alias="from", description="The old address.")]
    target: Annotated[Address, AddressText(), Field(alias="to", description="The new address; must be declared.")]


def _move(moved: TypedDocument[Moved], _: Configuration) -> Iterator[Move]:
    yield Move(moved.document.source, moved.document.target, moved.origin)


def _moves_make_sense(configuration: Configuration) -> Iterator[Problem]:
    """From something no longer declared to something declared."""
    moves = configuration.declarations.documents(Moved)
    sources = {moved.document.source for moved in moves}
    for moved in moves:
        problem = _problem(configuration, moved.document, sources)
        if problem:
            key, summary, remedy = problem
            yield Problem(moved.origin, (key,), summary, remedy, moved.document.source)


def _problem(configuration: Configuration, moved: Moved, sources: set[Address]) -> tuple[str, str, str] | None:
    """Key, summary and remedy of what is wrong with one move by itself."""
    source, target = moved.source, moved.target
    if source == target:
        return "to", f"{source} is moved to itself", "remove this document, or correct one of the addresses"
    if source.region or target.region:
        return "from", "a target region cannot be renamed", "change targetRegions of the version instead"
    if source.version and target.version:
        return "from", "a version cannot be renamed", "people use it by its number: publish it again under another one"
    if source.kind is not target.kind:
        summary = f"{source} is {_with_article(source)}, {target} is {_with_article(target)}"
        return "to", summary, "a move cannot change the kind: both addresses must have the same number of parts"
    if target in sources:
        return "to", f"{target} is moved as well", "moves do not chain: write the final address here"
    if configuration.declares(source):
        return "from", f"{source} is still declared", "rename its document too, or remove this one"
    if not configuration.declares(target):
        return "to", f"{target} is not declared", "declare it: a move gives the old address of something declared"
    return None


def _each_address_once(configuration: Configuration) -> Iterator[Problem]:
    """Each address is the source of at most one move, and the target of at most one."""
    seen: dict[tuple[str, Address], Origin] = {}
    for moved in configuration.declarations.documents(Moved):
        for key, address in (("from", moved.document.source), ("to", moved.document.target)):
            earlier = seen.setdefault((key, address), moved.origin)
            if earlier is not moved.origin:
                yield Problem(
                    moved.origin,
                    (key,),
                    f"{address} is moved {key} twice",
                    f"first at {earlier.file}:{earlier.line}: keep one of the two",
                    moved.document.source,
                )


def _with_article(address: Address) -> str:
    kind = str(address.kind)
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


KIND = KindSpec(Moved, _move, rules=(_moves_make_sense, _each_address_once))

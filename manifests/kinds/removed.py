"""`kind: Removed`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.configuration import Configuration, TypedDocument
from reconciler.manifests.kinds.moved import Moved
from reconciler.manifests.kinds.registry import KindSpec
from reconciler.manifests.kinds.scalars import AddressText, Boolean
from reconciler.manifests.manifest import Removal
from reconciler.manifests.problems import Problem
from reconciler.manifests.resource import Origin


class Removed(KindModel):
    """Something no longer declared: its record is dropped, and the object is kept unless `destroy`."""

    kind: Annotated[Literal["Removed"], Field(description="The kind of document.")]
    address: Annotated[
        Address,
        AddressText(
            form="GALLERY, GALLERY/DEFINITION, GALLERY/DEFINITION/VERSION or GALLERY/DEFINITION/VERSION@REGION"
        ),
        Field(description="What is no longer declared."),
    ]
    destroy: Annotated[bool, Boolean(), Field(description="Whether the object is deleted too.")] = False


def _removal(removed: TypedDocument[Removed], _: Configuration) -> Iterator[Removal]:
    yield Removal(removed.document.address, removed.document.destroy, removed.origin)


def _removals_make_sense(configuration: Configuration) -> Iterator[Problem]:
    """Nothing that is still declared or moved, and nothing twice."""
    seen: dict[Address, Origin] = {}
    moved_from = {moved.document.source for moved in configuration.declarations.documents(Moved)}
    for removed in configuration.declarations.documents(Removed):
        address, origin = removed.document.address, removed.origin
        earlier = seen.setdefault(address, origin)
        if configuration.declares(address):
            summary, remedy = f"{address} is still declared", "remove its document, or this one"
        elif address in moved_from:
            summary, remedy = f"{address} is both moved and removed", "keep the Moved or the Removed document"
        elif earlier is not origin:
            summary = f"{address} is removed twice"
            remedy = f"first at {earlier.file}:{earlier.line}: keep one of the two"
        else:
            continue
        yield Problem(origin, ("address",), summary, remedy, address)


KIND = KindSpec(Removed, _removal, rules=(_removals_make_sense,))

"""`kind: Moved`."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.scalars import AddressText


class Moved(KindModel):
    """A rename: what was recorded under one address is from now on another. No object is touched."""

    kind: Annotated[Literal["Moved"], Field(description="The kind of document.")]
    source: Annotated[Address, AddressText(), Field(alias="from", description="The address until now.")]
    target: Annotated[
        Address, AddressText(), Field(alias="to", description="The address from now on; must be declared.")
    ]

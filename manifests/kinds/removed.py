"""`kind: Removed`."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.scalars import AddressText, Flag


class Removed(KindModel):
    """Something that is no longer declared: it is forgotten, and the object stays unless `destroy`."""

    kind: Annotated[Literal["Removed"], Field(description="The kind of document.")]
    address: Annotated[
        Address,
        AddressText(
            form="GALLERY, GALLERY/DEFINITION, GALLERY/DEFINITION/VERSION or GALLERY/DEFINITION/VERSION@REGION"
        ),
        Field(description="What is no longer declared."),
    ]
    destroy: Annotated[bool, Flag(), Field(description="Whether the object is deleted too.")] = False

"""`kind: ImageDefinition`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.kinds.base import (
    ARM_API,
    CAUTION,
    IMAGES_DOC,
    LASTING_DATE,
    TROUBLESHOOTING_DOC,
    UPDATE_DOC,
    KindModel,
    Model,
    UniqueBy,
    canonical,
)
from reconciler.manifests.kinds.configuration import Configuration, Declared
from reconciler.manifests.kinds.image_version import VersionSettings
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.registry import KindSpec
from reconciler.manifests.kinds.scalars import (
    FEATURES,
    AddressText,
    Boolean,
    Choice,
    DefinitionName,
    FeatureName,
    Integer,
    RegionName,
    String,
    Timestamp,
    VersionName,
)
from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.resource import Mutability, Resource, Rule

IDENTIFIER_RULE = "allowed: letters, digits, '.', '_' and '-', not ending in '.'"
IDENTIFIER = r"[A-Za-z0-9._-]*[A-Za-z0-9_-]"


class Identifier(Model):
    """Publisher, offer and SKU, which identify an image in the marketplace; unique in a gallery."""

    publisher: Annotated[
        str, String(IDENTIFIER, IDENTIFIER_RULE, 128), Field(description="Publisher, up to 128 characters.")
    ]
    offer: Annotated[str, String(IDENTIFIER, IDENTIFIER_RULE, 64), Field(description="Offer, up to 64 characters.")]
    sku: Annotated[str, String(IDENTIFIER, IDENTIFIER_RULE, 64), Field(description="SKU, up to 64 characters.")]


class Range(Model):
    """From `min` to `max`; either may be absent."""

    min: Annotated[int | None, Integer(1), Field(description="Recommended minimum.")] = None
    max: Annotated[int | None, Integer(1), Field(description="Recommended maximum.")] = None

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise InvalidInput(f"min {self.min} is greater than max {self.max}", "min must not exceed max")
        return self


class Recommended(Model):
    """The recommended size of machine."""

    v_cpus: Annotated[Range | None, Field(alias="vCPUs", description="Number of virtual processors.")] = None
    memory: Annotated[Range | None, Field(description="Memory in GB.")] = None


class Disallowed(Model):
    """What machines made from the image may not have."""

    disk_types: Annotated[list[Annotated[str, String()]], Field(description="Disk types, such as Standard_LRS.")]


class PurchasePlan(Model):
    """The marketplace plan of the image; must be the same as that of the source."""

    name: Annotated[str, String(), Field(description="Plan.")]
    publisher: Annotated[str | None, String(), Field(description="Publisher of the plan.")] = None
    product: Annotated[str | None, String(), Field(description="Product of the plan.")] = None


class Feature(Model):
    """A feature of the image."""

    name: Annotated[str, FeatureName(), Field(description="Name of the feature.")]
    value: Annotated[str, String(), Field(description="Its value; which are allowed depends on the name.")]
    starts_at_version: Annotated[
        str | None, VersionName(), Field(description="The first version that has it; requires allowUpdateImage.")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _canonical_value(cls, feature: object) -> object:
        if not isinstance(feature, dict):
            return feature
        name, value = feature.get("name"), feature.get("value")
        if not isinstance(name, str) or not isinstance(value, str):
            return feature
        try:
            choice = FEATURES[FeatureName().parse(name)]
        except InvalidInput:
            return feature  # the field itself reports what is wrong with the name
        spelled = "SCSI, NVMe" if value.replace(" ", "").lower() in ("nvme,scsi", "scsi,nvme") else value
        return {**feature, "value": choice.parse(spelled)}


class ImageDefinition(KindModel):
    """What the versions of an image have in common."""

    kind: Annotated[Literal["ImageDefinition"], Field(description="The kind of document.")]
    gallery: Annotated[
        Address, AddressText((1,), "the name of a GALLERY"), Field(description="Name of the gallery it belongs to.")
    ]
    name: Annotated[str, DefinitionName(), Field(description="Its name; unique in the gallery, ignoring case.")]
    location: Annotated[
        str | None,
        RegionName(),
        Rule(source=TROUBLESHOOTING_DOC),
        Field(description="Home region, in any spelling; the gallery's when absent."),
    ] = None
    os_type: Annotated[
        str, Choice("Linux", "Windows"), Rule(source=TROUBLESHOOTING_DOC), Field(description="Operating system.")
    ]
    os_state: Annotated[
        str,
        Choice("Generalized", "Specialized"),
        Rule(source=TROUBLESHOOTING_DOC),
        Field(description="Whether machine-specific parts have been removed."),
    ]
    identifier: Annotated[
        Identifier,
        Rule(source=TROUBLESHOOTING_DOC),
        Field(description="Publisher, offer and SKU; unique in the gallery."),
    ]
    hyper_v_generation: Annotated[
        str,
        Choice("V1", "V2"),
        Rule(source=TROUBLESHOOTING_DOC),
        Field(description="V1 boots from BIOS, V2 from UEFI."),
    ] = "V2"
    architecture: Annotated[
        str, Choice("x64", "Arm64"), Rule(source=ARM_API), Field(description="Processor family.")
    ] = "x64"
    description: Annotated[
        str | None, Rule(Mutability.IN_PLACE, source=IMAGES_DOC), Field(description="Free text.")
    ] = None
    eula: Annotated[str | None, Rule(source=UPDATE_DOC), Field(description="Terms of use, or a link to them.")] = None
    privacy_statement_uri: Annotated[
        str | None, Rule(source=UPDATE_DOC), Field(description="Link to the privacy statement.")
    ] = None
    release_note_uri: Annotated[
        str | None, Rule(Mutability.IN_PLACE, source=IMAGES_DOC), Field(description="Link to the release notes.")
    ] = None
    end_of_life_date: Annotated[
        str | None,
        Timestamp(),
        Rule(Mutability.IN_PLACE, lasting=True, source=LASTING_DATE),
        Field(description="When the image should no longer be used; informs only, and can be moved but not removed."),
    ] = None
    recommended: Annotated[
        Recommended | None,
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="The recommended size of machine."),
    ] = None
    disallowed: Annotated[
        Disallowed | None, Rule(source=CAUTION), Field(description="What machines made from it may not have.")
    ] = None
    purchase_plan: Annotated[
        PurchasePlan | None, Rule(source=TROUBLESHOOTING_DOC), Field(description="The source's marketplace plan.")
    ] = None
    features: Annotated[
        list[Feature] | None,
        AfterValidator(UniqueBy("name")),
        Rule(key="name", unlocked_by="allowUpdateImage", source=ARM_API),
        Field(
            description="What the image supports: security type, hibernation, accelerated network, disk controllers."
            " Changes in place with allowUpdateImage and startsAtVersion."
        ),
    ] = None
    allow_update_image: Annotated[
        bool | None,
        Boolean(),
        Rule(Mutability.WRITE_FLAG, source=ARM_API),
        Field(description="Sent with a write, so that features may change in place; never compared."),
    ] = None
    tags: Annotated[
        dict[str, str] | None, Rule(Mutability.IN_PLACE, source=ARM_API), Field(description="Names and values.")
    ] = None
    version_defaults: Annotated[
        VersionSettings | None,
        Field(description="Defaults for its versions: all properties of ImageVersion up to `tags`."),
    ] = None
    lifecycle: Annotated[LifecycleEntry | None, Field(description="Protection and exceptions.")] = None


def _node(declared: Declared[ImageDefinition], configuration: Configuration) -> Iterator[Resource]:
    attributes = canonical(declared.document)
    gallery = configuration.gallery(declared.address)
    if gallery is not None:
        attributes.setdefault("location", gallery.document.location)
    yield configuration.node(declared, attributes)


def _triplets_are_unique(configuration: Configuration) -> Iterator[Problem]:
    """Publisher, offer and SKU name one definition in a gallery, case aside."""
    seen: dict[tuple[str, ...], Declared[ImageDefinition]] = {}
    for definition in configuration.declarations.nodes(ImageDefinition):
        identifier = definition.document.identifier
        triplet = (identifier.publisher, identifier.offer, identifier.sku)
        key = tuple(part.lower() for part in (definition.address.gallery, *triplet))
        earlier = seen.setdefault(key, definition)
        if earlier is not definition:
            yield Problem(
                definition.origin,
                ("identifier",),
                f"{earlier.address} has the same publisher, offer and sku: {'/'.join(triplet)}",
                f"declared at {earlier.origin.file}:{earlier.origin.line}: together they must be unique in a gallery",
                definition.address,
            )


KIND = KindSpec(
    ImageDefinition,
    _node,
    nodes={Kind.IMAGE_DEFINITION: ImageDefinition},
    parent="gallery",
    rules=(_triplets_are_unique,),
)

"""`kind: ImageDefinition`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.manifests.address import Address
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
)
from reconciler.manifests.kinds.image_version import VersionSettings
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.scalars import (
    FEATURES,
    AddressText,
    Choice,
    DefinitionName,
    FeatureName,
    Flag,
    Moment,
    RegionName,
    Text,
    VersionName,
    Whole,
)
from reconciler.manifests.problems import Refusal
from reconciler.manifests.resource import Mutability, Rule

IDENTIFIER_RULE = "allowed: letters, digits, '.', '_' and '-', not ending in '.'"
IDENTIFIER = r"[A-Za-z0-9._-]*[A-Za-z0-9_-]"


class Identifier(Model):
    """The triplet that names an image in the market's terms; unique in a gallery."""

    publisher: Annotated[
        str, Text(IDENTIFIER, IDENTIFIER_RULE, 128), Field(description="Publisher, up to 128 characters.")
    ]
    offer: Annotated[str, Text(IDENTIFIER, IDENTIFIER_RULE, 64), Field(description="Offer, up to 64 characters.")]
    sku: Annotated[str, Text(IDENTIFIER, IDENTIFIER_RULE, 64), Field(description="SKU, up to 64 characters.")]


class Range(Model):
    """From `min` to `max`; either end may be open."""

    min: Annotated[int | None, Whole(1), Field(description="The least recommended.")] = None
    max: Annotated[int | None, Whole(1), Field(description="The most recommended.")] = None

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Refusal(f"min {self.min} is greater than max {self.max}", "min must be at most max")
        return self


class Recommended(Model):
    """The size of machine that the image is made for."""

    v_cpus: Annotated[Range | None, Field(alias="vCPUs", description="Number of virtual processors.")] = None
    memory: Annotated[Range | None, Field(description="Memory in GB.")] = None


class Disallowed(Model):
    """What machines made from the image may not have."""

    disk_types: Annotated[list[Annotated[str, Text()]], Field(description="Disk types, such as Standard_LRS.")]


class PurchasePlan(Model):
    """The marketplace plan of the image; must equal that of the source."""

    name: Annotated[str, Text(), Field(description="Plan.")]
    publisher: Annotated[str | None, Text(), Field(description="Publisher of the plan.")] = None
    product: Annotated[str | None, Text(), Field(description="Product of the plan.")] = None


class Feature(Model):
    """Something the image supports."""

    name: Annotated[str, FeatureName(), Field(description="Name of the feature.")]
    value: Annotated[str, Text(), Field(description="Its value; the allowed ones depend on the name.")]
    starts_at_version: Annotated[
        str | None, VersionName(), Field(description="The first version for which it holds; needs allowUpdateImage.")
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
        except Refusal:
            return feature  # the field says what is wrong with the name
        spelled = "SCSI, NVMe" if value.replace(" ", "").lower() in ("nvme,scsi", "scsi,nvme") else value
        return {**feature, "value": choice.parse(spelled)}


class ImageDefinition(KindModel):
    """What the versions of an image have in common."""

    kind: Annotated[Literal["ImageDefinition"], Field(description="The kind of document.")]
    gallery: Annotated[
        Address, AddressText((1,), "the name of a GALLERY"), Field(description="Name of the gallery it belongs to.")
    ]
    name: Annotated[str, DefinitionName(), Field(description="Its name, unique in the gallery without regard to case.")]
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
        Field(description="Whether machine-specific parts were removed."),
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
        str | None, Rule(Mutability.IN_PLACE, source=IMAGES_DOC), Field(description="Text for people.")
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
        Moment(),
        Rule(Mutability.IN_PLACE, lasting=True, source=LASTING_DATE),
        Field(description="When the image should no longer be used; informs only, and cannot be taken back."),
    ] = None
    recommended: Annotated[
        Recommended | None,
        Rule(Mutability.IN_PLACE, source=IMAGES_DOC),
        Field(description="The size of machine that the image is made for."),
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
            " Changes in place beside allowUpdateImage, with startsAtVersion."
        ),
    ] = None
    allow_update_image: Annotated[
        bool | None,
        Flag(),
        Rule(Mutability.WRITE_FLAG, source=ARM_API),
        Field(description="Sent with a write, so that features may change in place; never compared."),
    ] = None
    tags: Annotated[
        dict[str, str] | None, Rule(Mutability.IN_PLACE, source=ARM_API), Field(description="Names and values.")
    ] = None
    version_defaults: Annotated[
        VersionSettings | None,
        Field(description="Properties of its versions that do not set them: all of kind ImageVersion up to `tags`."),
    ] = None
    lifecycle: Annotated[LifecycleEntry | None, Field(description="How careful to be with the definition.")] = None

"""`kind: Gallery`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from reconciler.manifests.address import Kind
from reconciler.manifests.identifiers.arm_ids import GUID
from reconciler.manifests.kinds.base import (
    ARM_API,
    CAUTION,
    IMAGES_DOC,
    SHARING_DOC,
    SOFT_DELETE_DOC,
    TROUBLESHOOTING_DOC,
    KindModel,
    Model,
    ResourceId,
    canonical,
)
from reconciler.manifests.kinds.configuration import Configuration, Declared
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.registry import KindSpec
from reconciler.manifests.kinds.scalars import Boolean, Choice, GalleryName, Integer, RegionName, String
from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.project import DEFAULT_PROVIDER
from reconciler.manifests.resource import Mutability, Resource, Rule
from reconciler.manifests.words import quoted, suggestion

MOST_SUBSCRIPTIONS = 30
MOST_TENANTS = 5
SUBSCRIPTION = String(GUID, "it must be the id of a subscription: 8-4-4-4-12 hexadecimal digits")
TENANT = String(GUID, "it must be the id of a tenant: 8-4-4-4-12 hexadecimal digits")
USER_ASSIGNED = ResourceId("user-assigned identity", "Microsoft.ManagedIdentity/userAssignedIdentities")


class CommunityGalleryInfo(Model):
    """Who publishes a community gallery."""

    publisher_uri: Annotated[str, String(), Field(description="Website of the publisher.")]
    publisher_contact: Annotated[str, String(), Field(description="Support contact of the publisher.")]
    eula: Annotated[str, String(), Field(description="Link to the terms of use, or the terms.")]
    public_name_prefix: Annotated[
        str,
        String(r"[A-Za-z0-9]{5,16}", "allowed: 5 to 16 letters and digits"),
        Field(description="First part of the public name; the service appends an identifier."),
    ]


class SharingGroups(Model):
    """Who a gallery is shared with directly."""

    subscriptions: Annotated[
        list[Annotated[str, SUBSCRIPTION]], Field(alias="Subscriptions", description="Subscription ids, at most 30.")
    ] = Field(default_factory=list)
    aad_tenants: Annotated[
        list[Annotated[str, TENANT]], Field(alias="AADTenants", description="Tenant ids, at most 5.")
    ] = Field(default_factory=list)

    @model_validator(mode="after")
    def _few_enough(self) -> "SharingGroups":
        for what, ids, most in (
            ("subscriptions", self.subscriptions, MOST_SUBSCRIPTIONS),
            ("tenants", self.aad_tenants, MOST_TENANTS),
        ):
            distinct = {one.lower() for one in ids}
            if len(distinct) > most:
                raise InvalidInput(
                    f"{len(distinct)} {what} are too many", f"a gallery can be shared with at most {most} {what}"
                )
        return self


class Sharing(Model):
    """How a gallery is shared beyond role-based access."""

    permissions: Annotated[
        str,
        Choice("Private", "Groups", "Community"),
        Rule(source=SHARING_DOC),
        Field(description="Private (role-based access only), Groups (direct sharing) or Community (public)."),
    ] = "Private"
    groups: Annotated[
        SharingGroups | None,
        Rule(Mutability.SHARING, source=SHARING_DOC),
        Field(description="Who the gallery is shared with; requires permissions Groups."),
    ] = None
    community_gallery_info: Annotated[
        CommunityGalleryInfo | None,
        Rule(source=SHARING_DOC),
        Field(description="The publisher; required with permissions Community, and only allowed then."),
    ] = None

    @model_validator(mode="after")
    def _belongs_together(self) -> "Sharing":
        if self.permissions == "Community" and self.community_gallery_info is None:
            raise InvalidInput(
                "permissions Community requires communityGalleryInfo",
                "add communityGalleryInfo: {publisherUri, publisherContact, eula, publicNamePrefix}",
            )
        if self.community_gallery_info is not None and self.permissions != "Community":
            raise InvalidInput(
                "communityGalleryInfo is for community galleries only", "write permissions: Community, or remove it"
            )
        if self.groups is not None and self.permissions != "Groups":
            raise InvalidInput(
                "groups are for directly shared galleries only", "write permissions: Groups, or remove groups"
            )
        return self


class SoftDeletePolicy(Model):
    """What happens to deleted image versions."""

    is_soft_delete_enabled: Annotated[bool, Boolean(), Field(description="Keep deleted versions for a while.")]
    retention_period_in_days: Annotated[
        int | None, Integer(1), Field(description="Days a deleted version can still be used and restored.")
    ] = None
    grace_period_in_days: Annotated[
        int | None, Integer(0), Field(description="Days after that in which it can still be restored.")
    ] = None


class Identity(Model):
    """Managed identities of the gallery."""

    type: Annotated[
        str,
        Choice("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"),
        Field(description="Kinds of identity that the gallery has."),
    ]
    user_assigned_identities: Annotated[
        list[Annotated[str, USER_ASSIGNED]], Field(description="ARM ids of the user-assigned identities.")
    ] = Field(default_factory=list)

    @model_validator(mode="after")
    def _named_if_assigned(self) -> "Identity":
        if ("UserAssigned" in self.type) != bool(self.user_assigned_identities):
            raise InvalidInput(
                f"type {self.type} and userAssignedIdentities do not match",
                "list userAssignedIdentities exactly when the type contains UserAssigned",
            )
        return self


class Gallery(KindModel):
    """A container for image definitions and their versions."""

    kind: Annotated[Literal["Gallery"], Field(description="The kind of document.")]
    name: Annotated[str, GalleryName(), Field(description="Its name; unique in the manifests, ignoring case.")]
    provider: Annotated[
        str | None, String(), Field(description="Name of a provider in reconciler.yaml; `default` when absent.")
    ] = None
    location: Annotated[
        str, RegionName(), Rule(source=TROUBLESHOOTING_DOC), Field(description="Home region, in any spelling.")
    ]
    description: Annotated[
        str | None, Rule(Mutability.IN_PLACE, source=IMAGES_DOC), Field(description="Free text.")
    ] = None
    tags: Annotated[
        dict[str, str] | None, Rule(Mutability.IN_PLACE, source=ARM_API), Field(description="Names and values.")
    ] = None
    sharing: Annotated[
        Sharing, Rule(source=SHARING_DOC), Field(description="Who may use the images; Private when absent.")
    ] = Sharing()
    soft_delete_policy: Annotated[
        SoftDeletePolicy | None,
        Rule(Mutability.IN_PLACE, source=SOFT_DELETE_DOC),
        Field(description="Whether deleted versions can be restored."),
    ] = None
    identity: Annotated[Identity | None, Rule(source=CAUTION), Field(description="Managed identities.")] = None
    lifecycle: Annotated[LifecycleEntry | None, Field(description="Protection and exceptions.")] = None


def _node(declared: Declared[Gallery], configuration: Configuration) -> Iterator[Resource]:
    yield configuration.node(declared, canonical(declared.document))


def _provider_exists(configuration: Configuration) -> Iterator[Problem]:
    """A gallery's provider is one of the project's."""
    known = configuration.project.providers
    for gallery in configuration.declarations.nodes(Gallery):
        written = gallery.document.provider
        if (written or DEFAULT_PROVIDER) not in known:
            yield Problem(
                gallery.origin,
                ("provider",) if written else (),
                f"unknown provider {quoted(written)}"
                if written
                else "the gallery names no provider, and the project has no default",
                suggestion(written or DEFAULT_PROVIDER, sorted(known), label="providers in reconciler.yaml"),
                gallery.address,
            )


KIND = KindSpec(Gallery, _node, nodes={Kind.GALLERY: Gallery}, rules=(_provider_exists,))

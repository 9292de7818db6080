"""What shared galleries may contain."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.registry import ValidationRule
from reconciler.manifests.problems import DocumentPath, Problem
from reconciler.manifests.resource import Origin


def groups_stay_home(configuration: Configuration) -> Iterator[Problem]:
    """A version in a directly shared gallery has the gallery's home region; copies elsewhere are fine."""
    for version in configuration.versions.values():
        gallery = version.gallery.document
        if gallery.sharing.permissions == "Groups" and version.location != gallery.location:
            yield Problem(
                *version.place("location"),
                f"the home region {version.location} is not that of the directly shared gallery: {gallery.location}",
                f"remove location, or write {gallery.location}",
                version.address,
            )


def community_is_one_region(configuration: Configuration) -> Iterator[Problem]:
    """A community gallery, its definitions and its versions have one home region."""
    for definition in configuration.declarations.nodes(ImageDefinition):
        gallery = configuration.gallery(definition.address)
        location = definition.document.location
        if (
            gallery is not None
            and _is_community(gallery.document)
            and location not in (None, gallery.document.location)
        ):
            yield _elsewhere(definition.origin, ("location",), gallery.document, definition.address)
    for version in configuration.versions.values():
        if _is_community(version.gallery.document) and version.location != version.gallery.document.location:
            yield _elsewhere(*version.place("location"), version.gallery.document, version.address)


def shared_is_not_encrypted(configuration: Configuration) -> Iterator[Problem]:
    """Galleries shared with groups or the community contain no versions encrypted with customer-managed keys."""
    for version in configuration.versions.values():
        permissions = version.gallery.document.sharing.permissions
        if permissions == "Private":
            continue
        for region in version.regions:
            if region.encryption is not None:
                yield Problem(
                    region.origin,
                    (*region.path, "encryption"),
                    f"a gallery with sharing permissions {permissions} cannot contain encrypted versions",
                    "remove encryption, or publish the version in a private gallery",
                    version.address,
                )


def community_has_no_plan(configuration: Configuration) -> Iterator[Problem]:
    """Images with a marketplace plan cannot be published to the community."""
    for definition in configuration.declarations.nodes(ImageDefinition):
        gallery = configuration.gallery(definition.address)
        if gallery is not None and _is_community(gallery.document) and definition.document.purchase_plan is not None:
            yield Problem(
                definition.origin,
                ("purchasePlan",),
                "a community gallery cannot contain images with a marketplace plan",
                "publish the image in a private gallery, or one shared with groups",
                definition.address,
            )


def _is_community(gallery: Gallery) -> bool:
    return gallery.sharing.permissions == "Community"


def _elsewhere(origin: Origin, path: DocumentPath, gallery: Gallery, address: Address) -> Problem:
    return Problem(
        origin,
        path,
        f"everything in a community gallery must have the gallery's location, {gallery.location}",
        f"remove location, or write {gallery.location}",
        address,
    )


RULES: tuple[ValidationRule, ...] = (
    groups_stay_home,
    community_is_one_region,
    shared_is_not_encrypted,
    community_has_no_plan,
)

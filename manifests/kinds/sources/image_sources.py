"""`source` of a version or of a data disk: where the content of a disk comes from."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import Model, ResourceId
from reconciler.manifests.kinds.scalars import AddressText, Scalar, String
from reconciler.manifests.kinds.sources.source_urls import HTTPS_PATTERN, require_source_url
from reconciler.manifests.problems import InvalidInput

DISK_STYLES = ("file", "url", "vhd", "disk", "snapshot")
FILE_STYLES = frozenset({"file", "url"})
ARCHIVE_ENDINGS = (".ova", ".ovf")
ARCHIVE_NAMES = " or ".join(ARCHIVE_ENDINGS)
ACCOUNT = ResourceId("storage account", "Microsoft.Storage/storageAccounts")
TREE_DIGEST = "tree-sha256:"
IMAGE_STYLES = ("managedImage", "vm", "version", "communityGalleryImage")

FilePath = Annotated[str, String(r"[^\0-\x1f]+", "write the path of a disk image, relative to this file")]


class SourceUrl(Scalar):
    """The address of an image: see `source_urls`."""

    def parse(self, text: str) -> str:
        require_source_url(text)
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^({HTTPS_PATTERN}|file:///.+|.*\$\{{values\..*)$"}


class VhdSource(Model):
    """A blob in a storage account."""

    uri: Annotated[
        str,
        String(
            r"https?://[^\s?#@]+", "write the plain https address of the blob: no query, no shared access signature"
        ),
        Field(description="Address of the blob, without a shared access signature."),
    ]
    storage_account: Annotated[str, ACCOUNT, Field(description="ARM id of the storage account that holds it.")]


class DiskSource(Model):
    """Where the content of one disk comes from: exactly one of these."""

    file: Annotated[
        FilePath | None, Field(description="Path of a disk image, relative to the file it is written in.")
    ] = None
    url: Annotated[
        str | None,
        SourceUrl(),
        Field(description="https address of a disk image, which apply downloads; `sha256` is required beside it."),
    ] = None
    sha256: Annotated[
        str | None,
        String(
            rf"({TREE_DIGEST})?[0-9a-f]{{64}}",
            "write the 64 hexadecimal digits, in lower case, that sha256sum prints, or the tree digest of a plan",
        ),
        Field(
            description="Digest that the file of `file` or `url` must have as it is, compressed or not: what sha256sum "
            "prints; beside `file` also `tree-sha256:…` as `plan -v` shows it, and of an archive what the plan shows."
        ),
    ] = None
    vhd: Annotated[VhdSource | None, Field(description="A blob in a storage account.")] = None
    disk: Annotated[str | None, String(), Field(description="ARM id of a managed disk.")] = None
    snapshot: Annotated[str | None, String(), Field(description="ARM id of a snapshot.")] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "DiskSource":
        styles = self.styles()
        if len(styles) != 1:
            allowed = DISK_STYLES + (IMAGE_STYLES if isinstance(self, Source) else ())
            has = f"names more than one: {', '.join(styles)}" if styles else "is empty"
            raise InvalidInput(has, f"write exactly one of {', '.join(allowed)}")
        if self.sha256 is not None and styles[0] not in FILE_STYLES:
            raise InvalidInput(
                f"sha256 cannot be used with {styles[0]}", "remove it: only a file has a digest to check"
            )
        if self.url is not None and (self.sha256 or "").startswith(TREE_DIGEST):
            raise InvalidInput(
                "has a url with a tree digest", "write what sha256sum prints of the file that is downloaded"
            )
        if self.url is not None and self.sha256 is None:
            raise InvalidInput(
                "has a url without sha256",
                "add the `sha256` that the image's publisher gives: what is downloaded must have it",
            )
        return self

    def styles(self) -> tuple[str, ...]:
        """The styles that are set, by their names in the document; exactly one once it is valid."""
        set_names = [name for name, value in self.__dict__.items() if value is not None and name not in _BESIDE]
        return tuple(_STYLE_NAMES.get(name, name) for name in set_names)


class Source(DiskSource):
    """Where the content of a version comes from: exactly one of these."""

    machine: Annotated[
        str | None,
        String(r"[^\0-\x1f]+", "write the id or the name of a machine in the archive"),
        Field(description="Which machine of an OVA or OVF with several; beside `file` or `url`."),
    ] = None
    managed_image: Annotated[
        str | None,
        String(),
        Field(description="ARM id of a managed image, or of a gallery version that is not in these manifests."),
    ] = None
    vm: Annotated[str | None, String(), Field(description="ARM id of a virtual machine.")] = None
    version: Annotated[
        Address | None,
        AddressText((3,), "GALLERY/DEFINITION/VERSION or GALLERY/DEFINITION/latest", latest=True),
        Field(description="Another version of these manifests, or GALLERY/DEFINITION/latest."),
    ] = None
    community_gallery_image: Annotated[
        str | None, String(), Field(description="Id of an image in a community gallery.")
    ] = None

    @model_validator(mode="after")
    def _machine_of_an_archive(self) -> "Source":
        place = self.file or self.url or ""
        if self.machine is not None and not place.lower().endswith(ARCHIVE_ENDINGS):
            found = "this file is a disk" if place else f"{self.styles()[0]} has no machines to choose from"
            raise InvalidInput(
                f"machine cannot be used here: {found}", f"remove it, or name a file that ends in {ARCHIVE_NAMES}"
            )
        return self


_BESIDE = ("sha256", "machine")
"""Properties of a source that are no style."""

_STYLE_NAMES = {"managed_image": "managedImage", "community_gallery_image": "communityGalleryImage"}

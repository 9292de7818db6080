"""What the sources of versions on Azure name: resources of the right type, and blobs of the account beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from reconciler.manifests.identifiers.arm_ids import (
    DISK,
    GALLERY_VERSION,
    MANAGED_IMAGE,
    SNAPSHOT,
    VIRTUAL_MACHINE,
    id_form,
    is_gallery_image,
    is_id_of,
)
from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.image_version import ImageVersion
from reconciler.manifests.kinds.registry import ValidationRule
from reconciler.manifests.kinds.sources.image_sources import DiskSource, VhdSource
from reconciler.manifests.problems import DocumentPath, Problem
from reconciler.manifests.words import quoted

_BACKENDS = ("azure", "emulator")
_TYPES = {
    "disk": (DISK,),
    "snapshot": (SNAPSHOT,),
    "managedImage": (MANAGED_IMAGE, GALLERY_VERSION),
    "vm": (VIRTUAL_MACHINE,),
}
_FIELDS = {"managedImage": "managed_image", "communityGalleryImage": "community_gallery_image"}
_COMMUNITY_FORM = "/communityGalleries/PUBLIC_NAME/images/NAME/versions/VERSION"
_BLOB = re.compile(r"[!-~]+")


def sources_have_ids(configuration: Configuration) -> Iterator[Problem]:
    """On Azure every source of a version has the id that its style needs, so that no other place is ever asked."""
    for version in configuration.declarations.nodes(ImageVersion):
        backend = _backend(configuration, configuration.provider(version.address))
        if backend not in _BACKENDS:
            continue
        disks = version.document.data_disks or ()
        sources: list[tuple[DocumentPath, DiskSource]] = [(("source",), version.document.source)]
        sources += [(("dataDisks", index, "source"), disk.source) for index, disk in enumerate(disks)]
        for path, source in sources:
            for below, summary, remedy in _faults(source, backend):
                yield Problem(version.origin, (*path, *below), summary, remedy, version.address)


def _backend(configuration: Configuration, provider: str) -> str:
    settings = configuration.project.providers.get(provider)
    return settings.type if settings else ""


def _faults(source: DiskSource, backend: str) -> Iterator[tuple[DocumentPath, str, str]]:
    """Path, summary and remedy of what is wrong with a source."""
    style = source.styles()[0]
    value = getattr(source, _FIELDS.get(style, style))
    if style in _TYPES and not is_id_of(value, *_TYPES[style]):
        forms = ", or ".join(map(id_form, _TYPES[style]))
        yield (style,), f"{quoted(value)} is not the id of a {style}", f"write {forms}"
    if style == "communityGalleryImage" and not is_gallery_image(value, "community"):
        yield (style,), f"{quoted(value)} is not the id of an image in a community gallery", f"write {_COMMUNITY_FORM}"
    if isinstance(value, VhdSource) and not _is_blob_of_account(value, backend):
        account = value.storage_account.rpartition("/")[2]
        yield (
            (style, "uri"),
            f"the address is not that of a blob in the storage account {account}",
            f"write https://{account}.blob.core.windows.net/CONTAINER/NAME.vhd, or correct storageAccount",
        )


def _is_blob_of_account(vhd: VhdSource, backend: str) -> bool:
    """Whether an address is https and its host begins with the account's name. For an emulator it may also be on this
    computer, as Azurite's are: with the account as the first part of its path."""
    account = vhd.storage_account.rpartition("/")[2].lower()
    url = _split(vhd.uri)
    parts = url.path.split("/")[1:]
    if not _BLOB.fullmatch(vhd.uri) or "@" in url.netloc or "\\" in vhd.uri or not all(parts) or ".." in parts:
        return False
    if backend == "emulator" and re.fullmatch(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", url.netloc):
        return len(parts) >= 3 and parts[0].lower() == account
    host = url.netloc.lower()
    return (
        url.scheme == "https" and len(parts) >= 2 and re.fullmatch(rf"{account}\.blob\.[a-z0-9.-]+", host) is not None
    )


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:
        return urlsplit("")


RULES: tuple[ValidationRule, ...] = (sources_have_ids,)

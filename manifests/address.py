"""`Address`: the name of one resource, `gallery/definition/version@region`; its depth determines its kind."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple


class Kind(StrEnum):
    """The four kinds of node in the graph, in the order of containment."""

    GALLERY = "gallery"
    IMAGE_DEFINITION = "image definition"
    IMAGE_VERSION = "image version"
    TARGET_REGION = "target region"


class Address(NamedTuple):
    """The name of one resource; immutable, hashable and ordered. Parts below its depth are empty."""

    gallery: str
    definition: str = ""
    version: str = ""
    region: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` spells.

        Raises: ValueError when a part is empty, there are more than three parts, or a region follows anything
        but a version.
        """
        path, at, region = text.partition("@")
        parts = path.split("/")
        if len(parts) > 3 or not all(parts) or (at and (len(parts) != 3 or not region)):
            raise ValueError(
                f"'{text}' is not an address: write GALLERY, GALLERY/DEFINITION, "
                "GALLERY/DEFINITION/VERSION or GALLERY/DEFINITION/VERSION@REGION"
            )
        gallery, definition, version = (*parts, "", "")[:3]
        return cls(gallery, definition, version, region)

    @property
    def kind(self) -> Kind:
        if self.region:
            return Kind.TARGET_REGION
        if self.version:
            return Kind.IMAGE_VERSION
        return Kind.IMAGE_DEFINITION if self.definition else Kind.GALLERY

    @property
    def parent(self) -> Address | None:
        """The container: a region's version, a version's definition, a definition's gallery; None for a gallery."""
        if self.region:
            return self._replace(region="")
        if self.version:
            return self._replace(version="")
        return self._replace(definition="") if self.definition else None

    @property
    def unit(self) -> Address:
        """The address a provider is called for: a region's version, and every other address itself."""
        return self._replace(region="") if self.region else self

    @property
    def name(self) -> str:
        """The last part: what the resource is called within its parent."""
        return self.region or self.version or self.definition or self.gallery

    @property
    def sort_key(self) -> tuple[str, str, tuple[int, ...], str, str]:
        """Orders for people and for determinism: version numbers as numbers, `1.0.9` before `1.0.10`."""
        numbers = tuple(int(part) for part in self.version.split(".")) if is_version(self.version) else ()
        return (self.gallery, self.definition, numbers, self.version, self.region)

    def matches(self, pattern: str) -> bool:
        """Whether `pattern` (an address or a shell glob) names this address or something that contains it."""
        container: Address | None = self
        while container is not None:
            if fnmatchcase(str(container), pattern):
                return True
            container = container.parent
        return False

    def __str__(self) -> str:
        path = "/".join(part for part in self[:3] if part)
        return f"{path}@{self.region}" if self.region else path


def is_version(text: str) -> bool:
    """Whether `text` is `Major.Minor.Patch`, three decimal numbers that fit 32 bits.

    Source: the Compute Gallery documentation of image versions.
    """
    parts = text.split(".")
    return len(parts) == 3 and all(
        part.isascii() and part.isdigit() and len(part) <= 10 and int(part) < 2**31 for part in parts
    )


def version_number(text: str) -> tuple[int, int, int]:
    """`Major.Minor.Patch` as numbers, by which `latest` orders. Raises: ValueError on anything else."""
    major, minor, patch = text.split(".")
    return int(major), int(minor), int(patch)

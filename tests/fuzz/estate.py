"""What a life declares, and the bytes of every image it ever published: the model that the world is compared with."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]

REGIONS = ("eastus", "westus", "northeurope")
HOME = REGIONS[0]
MOST_OBJECTS = 20
SECTOR = 512


@dataclass(eq=False)
class Gallery:
    name: str
    description: str = "first"


@dataclass(eq=False)
class Definition:
    number: int
    gallery: Gallery
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    versions: int = 0
    """How many were ever declared: a number is never used for another image by accident."""

    @property
    def address(self) -> str:
        return f"{self.gallery.name}/{self.name}"


@dataclass(eq=False)
class Version:
    """`image` is the number of its content, `regions` the replicas in each; `base` what it is built from."""

    definition: Definition
    name: str
    image: int
    regions: dict[str, int]
    base: Version | None = None
    protect: bool = False
    retain: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    shrinks: bool = False
    """A region was taken from it since everything was applied: what is protected can lose none."""

    @property
    def address(self) -> str:
        return f"{self.definition.address}/{self.name}"


@dataclass(eq=False)
class Move:
    source: str
    target: str
    moved: Gallery | Definition
    applied: bool = False


class Model:
    """`galleries`, `definitions`, `versions` and `moves` are declared now. `guarded` are versions that may be protected
    by an earlier apply, `kept` are those that an apply let go of without deleting them. `permits`: a version that loses
    a region says in its own document that it may, as a service demands that; which is a consent."""

    def __init__(self, seed: int, *, permits: bool = False) -> None:
        self._permits = permits
        self._random = random.Random(seed)
        self._names = 0
        self.galleries: list[Gallery] = []
        self.definitions: list[Definition] = []
        self.versions: list[Version] = []
        self.moves: list[Move] = []
        self.guarded: set[Version] = set()
        self.kept: list[Version] = []
        self.leaving: list[Version] = []
        self.images: list[bytes] = []

    @property
    def size(self) -> int:
        """The number of declared objects."""
        regions = sum(len(version.regions) for version in self.versions)
        return len(self.galleries) + len(self.definitions) + len(self.versions) + regions

    def new_name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}{self._names}"

    def new_image(self) -> int:
        """The number of an image with content that nothing else has, one to three sectors long."""
        length = SECTOR * self._random.randint(2, 4)
        self.images.append(b"boot" + self._random.randbytes(length - 4))
        return len(self.images) - 1

    def inside(self, definition: Definition) -> list[Version]:
        return [version for version in self.versions if version.definition is definition]

    def built_on(self, base: Version) -> list[Version]:
        return [version for version in self.versions if version.base is base]

    def wanted_copies(self) -> Counter[tuple[int, str]]:
        """(image, region) -> in how many places it is to be, declared or kept."""
        declared = Counter((version.image, region) for version in self.versions for region in version.regions)
        return declared + Counter((version.image, region) for version in self.kept for region in version.regions)

    def settled(self, present: Collection[tuple[int, str]]) -> None:
        """An apply has done everything: what was moved is, what left has left or is kept where it was `present`, and
        what is protected is known."""
        for version in self.leaving:
            version.regions = {
                region: count for region, count in version.regions.items() if (version.image, region) in present
            }
        self.kept += [version for version in self.leaving if version.retain]
        self.leaving.clear()
        self.guarded = {version for version in self.versions if version.protect}
        for version in self.versions:
            version.shrinks = False
        for move in self.moves:
            move.applied = True

    def permits_loss_of(self, version: Version) -> bool:
        return self._permits and version.shrinks

    def documents(self) -> Iterator[Document]:
        for gallery in self.galleries:
            yield {"kind": "Gallery", "name": gallery.name, "location": HOME, "description": gallery.description}
        for definition in self.definitions:
            yield _definition(definition)
        for version in self.versions:
            yield {**_version(version), **(_PERMISSION if self.permits_loss_of(version) else {})}
        for move in self.moves:
            yield {"kind": "Moved", "from": move.source, "to": move.target}


_PERMISSION = {"safety": {"allowDeletionOfReplicatedLocations": True}}


def _definition(definition: Definition) -> Document:
    sku = f"number-{definition.number}"
    return {
        "kind": "ImageDefinition",
        "gallery": definition.gallery.name,
        "name": definition.name,
        "osType": "Linux",
        "osState": "Generalized",
        "identifier": {"publisher": "Contoso", "offer": "Fuzz", "sku": sku},
        "tags": dict(definition.tags),
    }


def _version(version: Version) -> Document:
    source = {"version": version.base.address} if version.base else {"file": f"../images/{version.image}.raw"}
    return {
        "kind": "ImageVersion",
        "image": version.definition.address,
        "name": version.name,
        "source": source,
        "targetRegions": [f"{region}={count}" for region, count in sorted(version.regions.items())],
        "lifecycle": {"protect": version.protect, "onRemove": "retain" if version.retain else "delete"},
        "tags": dict(version.tags),
    }

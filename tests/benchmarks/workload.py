"""W(n): an estate of n resources, the same at every call, as manifests for this project and as a Terraform module.

Per hundred resources one gallery, nine image definitions and ninety image versions, ten of each definition; a version
has four target regions with one replica each, and an image is a file of one sector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PER_GALLERY = 100
DEFINITIONS = 9
VERSIONS = 10
REGIONS = ("eastus", "westus", "northeurope", "westeurope")
SECTOR = 512


@dataclass(frozen=True, slots=True)
class Version:
    """One image version: its place, and the text by which its image differs from all others."""

    gallery: str
    definition: str
    name: str

    @property
    def image(self) -> str:
        return f"{self.definition}-{self.name}.img"


def galleries(size: int) -> list[str]:
    """The names of the galleries of W(size). Raises: ValueError unless size is a multiple of 100."""
    if size <= 0 or size % PER_GALLERY:
        raise ValueError(f"{size} is not a multiple of {PER_GALLERY}")
    return [f"gallery{number:04}" for number in range(size // PER_GALLERY)]


def definitions() -> list[str]:
    return [f"image-{number}" for number in range(DEFINITIONS)]


def versions(gallery: str, definition: str) -> Iterator[Version]:
    return (Version(gallery, definition, f"1.0.{patch}") for patch in range(VERSIONS))


def write_project(directory: Path, size: int) -> None:
    """A project on the local provider: one manifest file a gallery, one source file a version."""
    (directory / "manifests").mkdir(parents=True)
    (directory / "reconciler.yaml").write_text(
        "project: bench\nmanifests: [manifests]\nprovider: {type: local, root: regions}\n"
    )
    for gallery in galleries(size):
        (directory / "manifests" / f"{gallery}.yaml").write_text("---\n".join(_documents(gallery)))
        images = directory / "images" / gallery
        images.mkdir(parents=True)
        for definition in definitions():
            for version in versions(gallery, definition):
                content = f"{gallery} {definition} {version.name}".encode()
                (images / version.image).write_bytes(content.ljust(SECTOR, b"\0"))


def _documents(gallery: str) -> Iterator[str]:
    yield f"kind: Gallery\nname: {gallery}\nlocation: {REGIONS[0]}\ndescription: Benchmark\ntags: {{owner: bench}}\n"
    for definition in definitions():
        yield (
            f"kind: ImageDefinition\ngallery: {gallery}\nname: {definition}\nosType: Linux\nosState: Generalized\n"
            f"identifier: {{publisher: Contoso, offer: {gallery}, sku: {definition}}}\n"
        )
        for version in versions(gallery, definition):
            yield (
                f"kind: ImageVersion\nimage: {gallery}/{definition}\nname: {version.name}\n"
                f"source: {{file: ../images/{gallery}/{version.image}}}\n"
                f"targetRegions: [{', '.join(REGIONS)}]\n"
            )


def change_project(directory: Path) -> None:
    """Gives one version an end-of-life date: one update."""
    manifest = directory / "manifests" / "gallery0000.yaml"
    head, name, tail = manifest.read_text().partition("name: 1.0.0\n")
    manifest.write_text(f"{head}{name}endOfLifeDate: 2099-01-01\n{tail}")


def write_module(directory: Path, size: int) -> None:
    """A Terraform module of the same shape: a `terraform_data` block for each resource, with the same references."""
    directory.mkdir(parents=True)
    for gallery in galleries(size):
        (directory / f"{gallery}.tf").write_text("\n".join(_blocks(gallery)))


def _blocks(gallery: str) -> Iterator[str]:
    yield _block(gallery, f'name = "{gallery}"', f'location = "{REGIONS[0]}"', 'description = "Benchmark"')
    regions = ", ".join(f'"{region}"' for region in REGIONS)
    for definition in definitions():
        image = f"{gallery}_{definition}"
        yield _block(image, f"gallery = terraform_data.{gallery}.id", f'name = "{definition}"', 'osType = "Linux"')
        for version in versions(gallery, definition):
            yield _block(
                f"{image}_{version.name.replace('.', '-')}",
                f"image = terraform_data.{image}.id",
                f'name = "{version.name}"',
                f'source = "images/{gallery}/{version.image}"',
                f"targetRegions = [{regions}]",
            )


def _block(name: str, *settings: str) -> str:
    lines = "\n".join(f"    {setting}" for setting in settings)
    return f'resource "terraform_data" "{name}" {{\n  input = {{\n{lines}\n  }}\n}}\n'


def change_module(directory: Path) -> None:
    """Changes one version: one update."""
    module = directory / "gallery0000.tf"
    text = module.read_text()
    module.write_text(text.replace('    name = "1.0.0"\n', '    name = "1.0.0"\n    endOfLifeDate = "2099-01-01"\n', 1))

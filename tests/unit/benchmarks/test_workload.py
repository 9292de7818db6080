"""The benchmark's estate is what its description says, the same each time, and sound."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from benchmarks import workload
from support.manifest_files import load_manifest

from reconciler.manifests.address import Kind


def tree(directory: Path) -> dict[str, str]:
    """Path -> digest of the content."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_has_the_promised_shape(tmp_path: Path) -> None:
    workload.write_project(tmp_path / "w", 200)
    resources = load_manifest(tmp_path / "w").resources
    assert Counter(address.kind for address in resources) == {
        Kind.GALLERY: 2,
        Kind.IMAGE_DEFINITION: 18,
        Kind.IMAGE_VERSION: 180,
        Kind.TARGET_REGION: 720,
    }


def test_every_version_has_an_image_of_its_own_of_one_sector(tmp_path: Path) -> None:
    workload.write_project(tmp_path / "w", 100)
    images = list((tmp_path / "w" / "images").rglob("*.img"))
    assert {image.stat().st_size for image in images} == {512}
    assert len({image.read_bytes() for image in images}) == len(images) == 90


def test_is_the_same_each_time(tmp_path: Path) -> None:
    workload.write_project(tmp_path / "one", 200)
    workload.write_project(tmp_path / "two", 200)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_change_touches_one_version(tmp_path: Path) -> None:
    workload.write_project(tmp_path / "w", 100)
    before = load_manifest(tmp_path / "w").resources
    workload.change_project(tmp_path / "w")
    after = load_manifest(tmp_path / "w").resources
    assert [str(address) for address in after if after[address].digest != before[address].digest] == [
        "gallery0000/image-0/1.0.0"
    ]


def test_the_module_has_a_block_for_each_resource(tmp_path: Path) -> None:
    workload.write_module(tmp_path / "m", 200)
    text = "".join(path.read_text() for path in sorted((tmp_path / "m").iterdir()))
    assert text.count('resource "terraform_data"') == 200
    before = text.count("endOfLifeDate")
    workload.change_module(tmp_path / "m")
    assert (tmp_path / "m" / "gallery0000.tf").read_text().count("endOfLifeDate") == before + 1


@pytest.mark.parametrize("size", [0, -100, 150])
def test_refuses_sizes_that_are_not_whole_galleries(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 100"):
        workload.write_project(tmp_path / "w", size)

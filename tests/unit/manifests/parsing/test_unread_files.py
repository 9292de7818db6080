"""Files that look like manifests and are not read: a rename that loses one must not go unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.manifests.loading import cache

GALLERY = "kind: Gallery\nname: {}\nlocation: eastus\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "reconciler.yaml").write_text("project: p\nprovider: {type: local, root: r}\n")
    (tmp_path / "manifests" / "teams").mkdir(parents=True)
    (tmp_path / "manifests" / "a.yaml").write_text(GALLERY.format("a"))
    return tmp_path


@pytest.mark.parametrize("name", ["b.YAML", "b.Yml", "b.yaml.bak", "b.yml.orig", "b.yalm", "b.json", "teams/b.YAML"])
def test_a_file_that_is_not_read_is_warned_of(project: Path, name: str) -> None:
    (project / "manifests" / name).write_text(GALLERY.format("b"))
    for _ in ("loaded", "from the cache"):
        _, manifest = cache.load(project)
        (warning,) = manifest.warnings
        assert str(warning) == (
            f"manifests/{name}: this file is not read\n"
            "    manifests are files that end in .yaml or .yml: rename it, or move it to another folder"
        )


@pytest.mark.parametrize("name", ["README.md", "b.txt", ".b.YAML", "b.yaml~", "b.schema.json", "teams/image.raw"])
def test_other_files_are_none_of_our_business(project: Path, name: str) -> None:
    (project / "manifests" / name).write_text("x")
    assert cache.load(project)[1].warnings == ()


def test_a_file_that_appears_beside_cached_manifests_is_seen(project: Path) -> None:
    cache.load(project)
    assert cache.find_cached(project) is not None
    (project / "manifests" / "a.yaml").rename(project / "manifests" / "a.YAML")
    _, manifest = cache.load(project)
    assert not manifest.resources
    assert len(manifest.warnings) == 1
    found = cache.find_cached(project)
    assert found is not None
    assert found.dated


def test_a_file_that_a_pattern_names_is_read(project: Path) -> None:
    (project / "manifests" / "b.YAML").write_text(GALLERY.format("b"))
    (project / "reconciler.yaml").write_text(
        "project: p\nprovider: {type: local, root: r}\nmanifests: [manifests, manifests/b.YAML]\n"
    )
    _, manifest = cache.load(project)
    assert len(manifest.resources) == 2
    assert manifest.warnings == ()

"""The cache: equal to loading, used only for unchanged inputs, and never in the way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from support.provider_settings import install

from reconciler.manifests.errors import ManifestError
from reconciler.manifests.loading import cache
from reconciler.manifests.loading.manifest_loading import read_manifest
from reconciler.manifests.loading.project_loading import read_project
from reconciler.manifests.trust import Trust

PROJECT = """\
project: p
provider: {type: local, root: r}
regionSets: {us: [eastus=2, westus]}
values: {a: b}
environments: {prod: {values: {a: c}}}
"""
DOCUMENTS = """\
kind: Gallery
name: corp
location: eastus
tags: {a: '${values.a}', ü: ' \\n'}
---
kind: ImageDefinition
gallery: corp
name: ubuntu
osType: Linux
osState: Generalized
identifier: {publisher: p, offer: o, sku: s}
endOfLifeDate: 2020-01-01
---
kind: ImageVersion
image: corp/ubuntu
name: 1.0.0
source: {file: a.raw}
targetRegions: ['@us']
lifecycle:
  protect: true
  onRemove: retain
  ignoreChanges: [tags, targetRegions.replicas]
  ignoreDrift: [{attribute: tags, reason: r, until: 2030-01-01}]
---
kind: ImageVersion
image: corp/ubuntu
name: 1.0.1
source: {version: corp/ubuntu/1.0.0}
---
kind: Moved
from: corp/old
to: corp/ubuntu
---
kind: Removed
address: corp/gone
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "reconciler.yaml").write_text(PROJECT)
    (tmp_path / "manifests" / "a.yaml").write_text(DOCUMENTS)
    return tmp_path


def known_digest(folder, environment=None):
    """The digest that is known without loading, or None."""
    seen = cache.find_cached(folder, environment)
    return seen and seen.digest


def kept(folder):
    return sorted((folder / ".reconciler" / "cache").iterdir())


def test_what_comes_out_equals_loading(folder):
    project = read_project(folder)
    expected = (project, read_manifest(project)[1])
    assert known_digest(folder) is None
    assert cache.load(folder) == expected
    assert known_digest(folder) == expected[1].digest
    again = cache.load(folder)
    assert again == expected
    assert list(again[1].resources) == list(expected[1].resources)
    assert again[1].warnings


def test_a_hit_needs_neither_parser_nor_models(folder):
    cache.load(folder)
    code = (
        "import sys; from pathlib import Path; from reconciler.manifests.loading.cache import load, find_cached;"
        "folder = Path(sys.argv[1]); assert find_cached(folder);"
        "print(len(load(folder)[1].resources), sorted({'yaml', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert result.stdout == "7 []\n"


def test_what_is_cached_gives_the_project_too(folder):
    project, manifest = cache.load(folder)
    seen = cache.find_cached(folder)
    assert (seen.project, seen.digest, seen.dated) == (project, manifest.digest, True)
    change_document(folder)
    cache.load(folder)
    assert cache.find_cached(folder).stamp != seen.stamp


def test_what_is_cached_knows_when_nothing_ends(folder):
    (folder / "manifests" / "a.yaml").write_text("kind: Gallery\nname: a\nlocation: x\n")
    cache.load(folder)
    assert cache.find_cached(folder).dated is False


def test_environments_are_kept_apart(folder):
    default, prod = cache.load(folder), cache.load(folder, "prod")
    assert default[1].digest != prod[1].digest
    assert len(kept(folder)) == 2
    assert known_digest(folder, "prod") == prod[1].digest


def test_files_are_for_the_owner_only(folder):
    cache.load(folder)
    (file,) = kept(folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def change_document(folder):
    (folder / "manifests" / "a.yaml").write_text(DOCUMENTS.replace("' \\n'", "new"))


def add_file(folder):
    (folder / "manifests" / "b.yaml").write_text("kind: Gallery\nname: b\nlocation: x\n")


def change_project(folder):
    (folder / "reconciler.yaml").write_text(PROJECT.replace("a: b", "a: z"))


def change_region_set(folder):
    (folder / "reconciler.yaml").write_text(PROJECT.replace("eastus=2", "eastus=3"))


@pytest.mark.parametrize("change", [change_document, add_file, change_project, change_region_set])
def test_any_change_of_the_inputs_is_seen(folder, change):
    before = cache.load(folder)[1].digest
    change(folder)
    assert known_digest(folder) is None
    assert cache.load(folder)[1].digest != before
    assert known_digest(folder) is not None


def test_a_removed_file_is_seen(folder):
    add_file(folder)
    cache.load(folder)
    (folder / "manifests" / "b.yaml").unlink()
    assert known_digest(folder) is None


def test_problems_are_told_again_and_nothing_is_kept(folder):
    cache.load(folder)
    (folder / "manifests" / "a.yaml").write_text("kind: Galery\n")
    for _ in range(2):
        with pytest.raises(ManifestError, match="did you mean 'Gallery'"):
            cache.load(folder)
        assert known_digest(folder) is None


def test_problems_of_settings_and_of_manifests_are_reported_together(folder):
    (folder / "reconciler.yaml").write_text(PROJECT.replace("root: r", "rot: r"))
    (folder / "manifests" / "a.yaml").write_text("kind: Galery\n")
    with pytest.raises(ManifestError) as caught:
        cache.load(folder)
    assert [str(problem.position) for problem in caught.value.diagnostics] == [
        "manifests/a.yaml:1:1",
        "reconciler.yaml:2:25",
    ]
    assert known_digest(folder) is None


def test_a_cache_from_another_checkout_does_not_count(folder, tmp_path_factory):
    cache.load(folder)
    other = tmp_path_factory.mktemp("other") / "project"
    subprocess.run(["cp", "-a", str(folder), str(other)], check=True)
    assert known_digest(other) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.splitlines()[0] + "\n",
        lambda text: text.splitlines()[0] + "\n{}\n",
        lambda text: text.splitlines()[0] + "\n[1]\n",
        lambda text: text.replace('"rows":[[[0', '"rows":[[[9999'),
        lambda text: text.replace('"rows":[', '"rows":[7,'),
        lambda text: "[" * 100_000,
        lambda text: "\udcff",
        lambda text: text.replace('"files"', '"filles"'),
    ],
)
def test_a_broken_cache_is_rebuilt(folder, damage):
    expected = cache.load(folder)
    (file,) = kept(folder)
    file.write_text(damage(file.read_text()), errors="surrogateescape")
    assert cache.load(folder) == expected
    assert known_digest(folder) == expected[1].digest


def test_without_a_place_for_the_cache(folder):
    (folder / ".reconciler").write_text("a file in the way")
    project = read_project(folder)
    assert cache.load(folder) == (project, read_manifest(project)[1])
    assert known_digest(folder) is None


def test_a_failed_write_leaves_nothing_behind(folder, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    cache.load(folder)
    assert kept(folder) == []


def test_another_program_builds_anew(folder, monkeypatch):
    cache.load(folder)
    monkeypatch.setattr(cache, "SCHEMA", cache.SCHEMA + 1)
    assert known_digest(folder) is None


def test_a_changed_model_of_settings_is_seen(folder, tmp_path_factory, monkeypatch):
    package = tmp_path_factory.mktemp("package")
    model = "from reconciler.manifests.kinds.base import Model\n\n\nclass Settings(Model):\n    size: int = {}\n"
    install(monkeypatch, package, "", settings=model.format(1))
    (folder / "reconciler.yaml").write_text(PROJECT.replace("{type: local, root: r}", "{type: acme}"))
    cache.load(folder)
    assert cache.find_cached(folder).project.providers["default"].settings == {"size": 1}
    install(monkeypatch, package, "", settings=model.format(12))
    assert known_digest(folder) is None
    assert cache.load(folder)[0].providers["default"].settings == {"size": 12}
    assert known_digest(folder) is not None


def test_another_version_of_a_package_without_a_model_is_seen(folder, tmp_path_factory, monkeypatch):
    package = tmp_path_factory.mktemp("package")
    install(monkeypatch, package, "")
    (folder / "reconciler.yaml").write_text(PROJECT.replace("{type: local, root: r}", "{type: acme}"))
    cache.load(folder)
    assert known_digest(folder) is not None
    (package / "acme_reconciler-0.3.dist-info").rename(package / "acme_reconciler-0.4.dist-info")
    assert known_digest(folder) is None


def test_no_project(tmp_path):
    assert known_digest(tmp_path) is None
    with pytest.raises(ManifestError, match="reconciler init"):
        cache.load(tmp_path)
    assert not (tmp_path / ".reconciler").exists()


def test_what_one_user_trusts_is_not_kept_for_another(folder):
    (folder / "reconciler.yaml").write_text(PROJECT)
    trust = Trust(libvirt_uris=("test:///default",))
    cache.load(folder, None, trust)
    assert cache.find_cached(folder, None, trust)
    assert cache.find_cached(folder) is None

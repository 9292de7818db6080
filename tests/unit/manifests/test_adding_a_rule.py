"""A rule about manifests is one file in `reconciler.manifests.validation`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.manifest_files import load_manifest

from reconciler.manifests import validation
from reconciler.manifests.errors import ManifestError

NEW_RULE = """
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.problems import Problem


def owner_is_named(configuration):
    for gallery in configuration.declarations.nodes(Gallery):
        if "owner" not in (gallery.document.tags or {}):
            yield Problem(gallery.origin, ("tags",), "no owner tag", "add tags: {owner: NAME}", gallery.address)


RULES = (owner_is_named,)
"""


def test_a_new_rule_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner_tags.py").write_text(NEW_RULE)
    monkeypatch.setattr(validation, "__path__", [*validation.__path__, str(tmp_path)])
    project = tmp_path / "project"
    (project / "manifests").mkdir(parents=True)
    (project / "reconciler.yaml").write_text("project: p\nprovider: {type: local, root: regions}\n")
    manifest = project / "manifests" / "corp.yaml"
    manifest.write_text("kind: Gallery\nname: corp\nlocation: eastus\ntags: {team: a}\n")
    with pytest.raises(ManifestError) as caught:
        load_manifest(project)
    assert [str(problem.position) for problem in caught.value.diagnostics] == ["manifests/corp.yaml:4:1"]
    manifest.write_text("kind: Gallery\nname: corp\nlocation: eastus\ntags: {owner: a}\n")
    assert load_manifest(project).resources

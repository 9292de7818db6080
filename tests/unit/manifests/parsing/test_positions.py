"""Where things stand."""

from __future__ import annotations

import pytest

from reconciler.manifests.diagnostics import Position
from reconciler.manifests.parsing.positions import locate
from reconciler.manifests.resource import Origin

TEXT = """\
# comment
kind: Gallery
tags: &t
  a: b
---
kind: ImageVersion
targetRegions:
- eastus
- name: westus
  replicas: 2
tags: *t
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.yaml").write_text(TEXT)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "path", "place"),
    [
        (2, (), (2, 1)),
        (2, ("tags",), (3, 1)),
        (2, ("tags", "a"), (4, 3)),
        (2, ("tags", "gone"), (3, 1)),
        (2, ("gone",), (2, 1)),
        (6, ("targetRegions", 0), (8, 3)),
        (6, ("targetRegions", 0, "replicas"), (8, 3)),
        (6, ("targetRegions", 1), (9, 3)),
        (6, ("targetRegions", 1, "replicas"), (10, 3)),
        (6, ("targetRegions", 5), (7, 1)),
        (99, ("targetRegions",), (99, 0)),
    ],
)
def test_places(folder, line, path, place):
    assert locate(folder, Origin("a.yaml", line), path) == Position("a.yaml", *place)


def test_a_file_that_is_gone(tmp_path):
    assert locate(tmp_path, Origin("gone.yaml", 7), ("tags",)) == Position("gone.yaml", 7)


@pytest.mark.parametrize("text", ["a: [", "[" * 500, "a: \x00", "*nothing"])
def test_a_file_that_no_longer_parses(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    assert locate(tmp_path, Origin("a.yaml", 7), ("tags",)) == Position("a.yaml", 7)

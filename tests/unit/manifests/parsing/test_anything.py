"""Whatever the bytes, loading either works or tells problems with their place."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.loading.cache import load

WORDS = [
    "kind", "Gallery", "ImageDefinition", "ImageVersion", "Moved", "Removed", "name", "location", "corp", "1.0.0",
    "image", "corp/ubuntu", "source", "file", "version", "targetRegions", "eastus=2", "@x", "lifecycle", "tags",
    "identifier", "features", "value", "SecurityType", "from", "to", "address", "~", "null", "true", "7", "-1", "",
    "${values.x}", "$${", "corp/ubuntu/1.0.0@eastus", "ignoreChanges", "sharing", "endOfLifeDate", "2020-01-01",
]  # fmt: skip
MARKS = [": ", "\n", "- ", "  ", "{", "}", "[", "]", ", ", "---\n", "&a ", "*a", "!!str ", "'", '"', "? ", "<<", "|\n"]

yaml_like = st.lists(st.sampled_from(WORDS + MARKS), max_size=40).map("".join)
scalars = st.sampled_from(WORDS) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=4), max_leaves=12
)


def load_or_be_told(project: bytes, manifest: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifests").mkdir()
        (folder / "reconciler.yaml").write_bytes(project)
        (folder / "manifests" / "a.yaml").write_bytes(manifest)
        told = problems_of(folder)
        assert all(one.summary and one.position for one in told)


def problems_of(folder: Path) -> tuple[Diagnostic, ...]:
    try:
        load(folder, None)
    except ManifestError as error:
        return error.diagnostics
    return ()


PROJECT = b"project: p\nprovider: {type: local, root: r}\n"


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_bytes(content):
    load_or_be_told(PROJECT, content)
    load_or_be_told(content, b"")


@settings(deadline=None, max_examples=300)
@given(yaml_like | st.text(max_size=100))
def test_text(text):
    content = text.encode("utf-8", "surrogatepass")
    load_or_be_told(PROJECT, content)
    load_or_be_told(content, b"")


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["Gallery", "ImageDefinition", "ImageVersion", "Moved", "Removed"]), values)
def test_structures(kind, value):
    load_or_be_told(PROJECT, document(kind, value).encode("utf-8", "surrogatepass"))


def document(kind: str, value: object) -> str:
    members = value if isinstance(value, dict) else {"name": value}
    return json.dumps({"kind": kind, **{key: inner for key, inner in members.items() if key != "kind"}})

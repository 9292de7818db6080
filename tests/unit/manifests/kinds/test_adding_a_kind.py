"""A kind of document is one file: nothing else has to know of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.manifests import kinds
from reconciler.manifests.address import Address, Kind
from reconciler.manifests.kinds.registry import document_kinds
from reconciler.manifests.schema.json_schema import json_schema
from reconciler.manifests.schema.reference import reference

BUILTIN = ["Gallery", "ImageDefinition", "ImageVersion", "Moved", "Removed"]

IMAGE_TEMPLATE = '''\
"""`kind: ImageTemplate`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.configuration import Configuration, TypedDocument
from reconciler.manifests.kinds.registry import KindSpec
from reconciler.manifests.kinds.scalars import AddressText, Integer, String
from reconciler.manifests.manifest import Removal
from reconciler.manifests.problems import Problem


class ImageTemplate(KindModel):
    """A recipe for an image."""

    kind: Annotated[Literal["ImageTemplate"], Field(description="The kind of document.")]
    gallery: Annotated[Address, AddressText((1,), "the name of a GALLERY"), Field(description="Its gallery.")]
    name: Annotated[str, String(), Field(description="Its name.")]
    replaces: Annotated[
        Address | None, AddressText((2,), "GALLERY/DEFINITION"), Field(description="An image that it replaces.")
    ] = None
    timeout_in_minutes: Annotated[int, Integer(1, 960), Field(description="When a build is given up.")] = 240


def _removals(template: TypedDocument[ImageTemplate], _: Configuration) -> Iterator[Removal]:
    if template.document.replaces:
        yield Removal(template.document.replaces, destroy=False, origin=template.origin)


def _gallery_exists(configuration: Configuration) -> Iterator[Problem]:
    for template in configuration.declarations.documents(ImageTemplate):
        gallery = template.document.gallery
        if not configuration.declares(gallery):
            yield Problem(template.origin, ("gallery",), f"the gallery '{gallery}' is not declared", "declare it")


KIND = KindSpec(ImageTemplate, _removals, rules=(_gallery_exists,))
'''

TEMPLATE = "kind: ImageTemplate\ngallery: corp\nname: nightly\nreplaces: corp/manual\n"


def forget_module(name: str) -> None:
    del sys.modules[f"{kinds.__name__}.{name}"]
    delattr(kinds, name)


@pytest.fixture
def image_template(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kind ImageTemplate, in one file on the search path of the package of kinds."""
    folder: Path = tmp_path_factory.mktemp("kinds")
    (folder / "image_template.py").write_text(IMAGE_TEMPLATE)
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(folder)])
    document_kinds.cache_clear()
    yield
    monkeypatch.undo()
    document_kinds.cache_clear()
    forget_module("image_template")


def test_kinds_with_nodes_come_first_in_the_order_of_containment():
    assert list(document_kinds()) == BUILTIN
    assert [spec.node_kind for spec in document_kinds().values()] == [*list(Kind)[:3], None, None]


@pytest.mark.usefixtures("image_template")
def test_the_place_of_a_new_kind_does_not_depend_on_where_it_was_found():
    assert list(document_kinds()) == [*BUILTIN[:3], "ImageTemplate", *BUILTIN[3:]]


@pytest.mark.usefixtures("image_template")
def test_its_documents_are_loaded_and_lowered(load, base):
    manifest = load(*base, TEMPLATE)
    (removal,) = manifest.removals
    assert (removal.address, removal.destroy, removal.origin.line) == (Address("corp", "manual"), False, 17)
    assert manifest.resources == load(*base).resources


@pytest.mark.usefixtures("image_template")
def test_its_keys_and_values_are_checked_with_their_place(problems, base):
    unknown, value = problems(*base, TEMPLATE + "timeoutInMinute: 5\n", TEMPLATE + "timeoutInMinutes: 0\n")
    assert (unknown.summary, unknown.position.line) == ("timeoutInMinute: unknown key 'timeoutInMinute'", 21)
    assert "did you mean 'timeoutInMinutes'?" in unknown.detail
    assert (value.summary, value.position.line) == ("timeoutInMinutes: 0 is out of range", 27)


@pytest.mark.usefixtures("image_template")
def test_its_name_is_suggested(problems, base):
    (problem,) = problems(*base, TEMPLATE.replace("ImageTemplate", "ImageTemplat"))
    assert "did you mean 'ImageTemplate'?" in problem.detail


@pytest.mark.usefixtures("image_template")
def test_its_rules_are_kept(problems, base):
    (problem,) = problems(*base, TEMPLATE.replace("gallery: corp", "gallery: crop"))
    assert problem.summary == "the gallery 'crop' is not declared"
    assert problem.position.line == 18


@pytest.mark.usefixtures("image_template")
def test_it_is_in_the_schema_and_in_the_reference():
    schema = json_schema()
    assert {"$ref": "#/$defs/ImageTemplate"} in schema["anyOf"]
    assert schema["$defs"]["ImageTemplate"]["additionalProperties"] is False
    page = reference()
    assert "## kind: ImageTemplate\n\nA recipe for an image.\n" in page
    assert "| `timeoutInMinutes` | number from 1 to 960 | `240` |  | When a build is given up. |" in page


@pytest.mark.usefixtures("image_template")
def test_two_modules_cannot_declare_one_kind(tmp_path, monkeypatch):
    (tmp_path / "other.py").write_text(IMAGE_TEMPLATE)
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    document_kinds.cache_clear()
    with pytest.raises(TypeError, match="two modules declare the kind ImageTemplate"):
        document_kinds()
    forget_module("other")


def test_a_kind_that_is_gone_leaves_nothing_behind(problems, base):
    assert list(document_kinds()) == BUILTIN
    (problem,) = problems(*base, TEMPLATE)
    assert problem.summary == "unknown kind 'ImageTemplate'"

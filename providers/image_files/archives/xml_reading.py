"""Reads XML that somebody else wrote: no document types, so no entities; bounded in elements and depth."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.parsers import expat

from reconciler.providers.image_files.archives.problems import unusable

_MOST_ELEMENTS = 100_000
_DEEPEST = 1000
Element = ElementTree.Element


class _Refused(Exception):
    """Raised in the middle of parsing; its text is why."""


def parsed(content: bytes, what: str, label: str) -> Element:
    """The root of a document in any encoding that it declares; names are `{NAMESPACE}NAME`. `what` is the document's
    name in messages.

    A document type is refused where the parser meets it, so whatever it is encoded as; CDATA is text. Raises:
    SourceError.
    """
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
        return reader.builder.close()
    except _Refused as error:
        raise unusable(label, f"{what} {error}") from error
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as error:
        raise unusable(label, f"{what} is not well-formed XML ({str(error)[:100]})") from error


class _Reader:
    """Builds a tree from what expat finds."""

    def __init__(self) -> None:
        self.builder = ElementTree.TreeBuilder()
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._document_type
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.builder.data
        self._elements = self._depth = 0

    def _document_type(self, *_: object) -> None:
        raise _Refused("has a document type declaration")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > _MOST_ELEMENTS or self._depth > _DEEPEST:
            raise _Refused(f"has more than {_MOST_ELEMENTS} elements, or more than {_DEEPEST} in one another")
        self.builder.start(name, attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self.builder.end(name)


def local_name(name: str) -> str:
    """The name of an element or attribute without its namespace, which differs between versions and makers of OVF."""
    return name.rpartition("}")[2]


def named(root: Element, *names: str) -> Iterator[Element]:
    """The elements with one of these names anywhere below `root`, in the document's order."""
    return (element for element in root.iter() if local_name(element.tag) in names)


def attribute(element: Element, name: str) -> str:
    """An attribute, in whatever namespace; empty if it is missing."""
    return next((value for key, value in element.attrib.items() if local_name(key) == name), "")


def child_text(element: Element, *names: str) -> str:
    """The text of the first child with one of these names, without blanks around it; empty if there is none."""
    return next(((child.text or "").strip() for child in element if local_name(child.tag) in names), "")

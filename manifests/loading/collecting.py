"""From parsed documents to `Declarations`: each document against the model of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.configuration import Declarations, Declared, TypedDocument
from reconciler.manifests.kinds.registry import KindSpec, document_kinds
from reconciler.manifests.kinds.scalars import type_name
from reconciler.manifests.parsing.schema_problems import schema_problems
from reconciler.manifests.problems import MOST_PROBLEMS, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted, suggestion

if TYPE_CHECKING:
    from reconciler.manifests.parsing.documents import Document


def collect(documents: Sequence[Document]) -> tuple[Declarations, list[Problem]]:
    """The typed documents and every problem of a document by itself, an address declared twice included.

    Those after MOST_PROBLEMS, which are only counted, have no sentence.
    """
    declarations = Declarations()
    problems: list[Problem] = []
    first: dict[str, Origin] = {}
    for document in documents:
        spec = _kind(document, problems)
        typed = _typed(spec, document, problems, declarations.broken) if spec else None
        if spec is None or typed is None:
            continue
        if not spec.nodes:
            declarations.add(spec.name, TypedDocument(typed, document.origin))
            continue
        declared = Declared(typed, document.origin, spec.address(typed))
        earlier = first.setdefault(str(declared.address).lower(), document.origin)
        if earlier is document.origin:
            declarations.add(spec.name, declared)
        else:
            problems.append(_twice(declared.address, document.origin, earlier))
    return declarations, problems


def _kind(document: Document, problems: list[Problem]) -> KindSpec[Any] | None:
    """The kind that a document names; None, and a Problem in `problems`, when there is no such kind."""
    kinds, data = document_kinds(), document.data
    if not isinstance(data, dict):
        summary = f"a document must be a mapping, not {type_name(data)}"
        problems.append(Problem(document.origin, (), summary, "begin it with kind: KIND"))
        return None
    name = data.get("kind")
    if isinstance(name, str) and name in kinds:
        return kinds[name]
    if len(problems) < MOST_PROBLEMS:
        problems.append(_no_kind(name, document.origin, kinds))
    else:
        problems += _counted(document.origin, 1)
    return None


def _no_kind(name: object, origin: Origin, kinds: Mapping[str, Any]) -> Problem:
    if name is None:
        return Problem(origin, (), "the document has no kind", f"add kind: one of {', '.join(kinds)}")
    if not isinstance(name, str):
        return Problem(origin, ("kind",), f"kind must be a string, not {type_name(name)}", suggestion("", kinds))
    return Problem(origin, ("kind",), f"unknown kind {quoted(name)}", suggestion(name, kinds))


def _counted(origin: Origin, number: int) -> Iterator[Problem]:
    """Problems that nobody will be shown: to find words for them would take too long."""
    return (Problem(origin, (index,), "one of very many") for index in range(number))


def _typed(spec: KindSpec[Any], document: Document, problems: list[Problem], broken: set[Address]) -> KindModel | None:
    try:
        typed: KindModel = spec.model.model_validate(document.data)
    except ValidationError as error:
        address = spec.address_in(document.data)
        if address:
            broken.add(address)
        if len(problems) < MOST_PROBLEMS:
            problems += schema_problems(error, spec.model, document.origin, address)
        else:
            problems += _counted(document.origin, error.error_count())
        return None
    return typed


def _twice(address: Address, origin: Origin, earlier: Origin) -> Problem:
    return Problem(
        origin,
        ("name",),
        f"{address} is declared twice",
        f"first declared at {earlier.file}:{earlier.line} (case is ignored): rename or remove one of them",
        address,
    )

"""Names that must be known or unique."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.declarations.declared import Declared
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.problems import Problem
from reconciler.manifests.project import DEFAULT_PROVIDER
from reconciler.manifests.validation.desired import Desired
from reconciler.manifests.words import quoted, suggestion


def providers_exist(desired: Desired) -> Iterator[Problem]:
    """A gallery's provider is one of the project's."""
    known = desired.project.providers
    for gallery in desired.declarations.galleries.values():
        name = gallery.document.provider or DEFAULT_PROVIDER
        if name not in known:
            named = gallery.document.provider is not None
            yield Problem(
                gallery.origin,
                ("provider",) if named else (),
                f"no provider is called {quoted(name)}"
                if named
                else "the gallery names no provider, and none is the default",
                suggestion(name, sorted(known), label="providers in reconciler.yaml"),
                gallery.address,
            )


def triplets_are_unique(desired: Desired) -> Iterator[Problem]:
    """Publisher, offer and SKU name one definition in a gallery, case aside."""
    seen: dict[tuple[str, ...], Declared[ImageDefinition]] = {}
    for definition in desired.declarations.definitions.values():
        identifier = definition.document.identifier
        triplet = (identifier.publisher, identifier.offer, identifier.sku)
        key = tuple(part.lower() for part in (definition.address.gallery, *triplet))
        earlier = seen.setdefault(key, definition)
        if earlier is not definition:
            yield Problem(
                definition.origin,
                ("identifier",),
                f"publisher, offer and sku {'/'.join(triplet)} are those of {earlier.address} too",
                f"declared at {earlier.origin.file}:{earlier.origin.line}: together they are unique in a gallery",
                definition.address,
            )

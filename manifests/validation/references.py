"""What documents point at must be declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.manifests.address import Address
from reconciler.manifests.problems import Problem
from reconciler.manifests.validation.desired import Desired
from reconciler.manifests.words import quoted, suggestion


def parents_exist(desired: Desired) -> Iterator[Problem]:
    """A definition's gallery and a version's definition."""
    declared = desired.declarations
    for definition in declared.definitions.values():
        gallery = Address(definition.address.gallery)
        if gallery not in declared:
            yield Problem(
                definition.origin,
                ("gallery",),
                f"the gallery {quoted(str(gallery))} is not declared",
                _remedy(gallery, declared.galleries),
                definition.address,
            )
    for version in declared.versions.values():
        image = Address(version.address.gallery, version.address.definition)
        if image not in declared:
            yield Problem(
                version.origin,
                ("image",),
                f"the image definition {quoted(str(image))} is not declared",
                _remedy(image, declared.definitions),
                version.address,
            )


def sources_exist(desired: Desired) -> Iterator[Problem]:
    """The version that a source names, or a version to be the latest of the definition it names."""
    declared = desired.declarations
    with_versions = {
        address._replace(version="") for address in (*declared.versions, *declared.broken) if address.version
    }
    for version in declared.versions.values():
        named = version.document.source.version
        if named is None or named in declared:
            continue
        definition = named._replace(version="")
        if named.version != "latest":
            summary = f"the source version {quoted(str(named))} is not declared"
            remedy = _remedy(named, declared.versions)
        elif definition not in declared:
            summary = f"the source's image definition {quoted(str(definition))} is not declared"
            remedy = _remedy(definition, declared.definitions)
        elif definition not in with_versions:
            summary = f"{definition} has no version that could be its latest"
            remedy = "declare a version of it, or name another source"
        else:
            continue
        yield Problem(version.origin, ("source", "version"), summary, remedy, version.address)


def _remedy(missing: Address, declared: Iterable[Address]) -> str:
    return suggestion(str(missing), [str(address) for address in declared], label="declared")

"""What documents refer to must be declared."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.kinds.configuration import Configuration, Declarations
from reconciler.manifests.kinds.image_version import ImageVersion
from reconciler.manifests.kinds.registry import ValidationRule, document_kinds
from reconciler.manifests.problems import Problem
from reconciler.manifests.words import quoted, suggestion


def containers_exist(configuration: Configuration) -> Iterator[Problem]:
    """The container of every document with a node: a definition's gallery, a version's definition."""
    declarations = configuration.declarations
    alike = _Alike(declarations)
    for spec in document_kinds().values():
        for document in declarations.nodes(spec.model):
            container = document.address.parent
            if container is not None and container not in declarations:
                yield Problem(
                    document.origin,
                    (spec.parent,),
                    f"the {container.kind} {quoted(str(container))} is not declared",
                    alike.remedy(container),
                    document.address,
                )


def latest_sources_exist(configuration: Configuration) -> Iterator[Problem]:
    """A definition whose latest version is a source is declared, and has a version.

    A version that a source names need not be declared: it may be retired while what was built from it stays. The plan
    refuses to build anything new from it.
    """
    declarations = configuration.declarations
    alike = _Alike(declarations)
    with_versions = {
        address._replace(version="") for address in (*declarations.by_address, *declarations.broken) if address.version
    }
    for version in declarations.nodes(ImageVersion):
        named = version.document.source.version
        if named is None or named.version != "latest":
            continue
        definition = named._replace(version="")
        if definition not in declarations:
            summary = f"the source's image definition {quoted(str(definition))} is not declared"
            remedy = alike.remedy(definition)
        elif definition not in with_versions:
            summary = f"{definition} has no version to be its latest"
            remedy = "declare a version of it, or name another source"
        else:
            continue
        yield Problem(version.origin, ("source", "version"), summary, remedy, version.address)


class _Alike:
    """The declared addresses of each kind, sorted once for all problems."""

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        self._of_kind: dict[Kind, list[str]] = {}

    def remedy(self, missing: Address) -> str:
        kind = missing.kind
        if kind not in self._of_kind:
            of_kind = (address for address in self._declarations.by_address if address.kind is kind)
            self._of_kind[kind] = sorted(map(str, of_kind))
        return suggestion(str(missing), self._of_kind[kind], label="declared")


RULES: tuple[ValidationRule, ...] = (containers_exist, latest_sources_exist)

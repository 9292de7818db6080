"""`Validation`: what checking the manifests found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.manifests.address import Kind
from reconciler.manifests.diagnostics import Diagnostic, Severity
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Validation:
    """`counts` says how many resources of each kind are declared, in how many `files`; empty when there are errors."""

    diagnostics: tuple[Diagnostic, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    files: int = 0

    @property
    def valid(self) -> bool:
        return all(diagnostic.severity is not Severity.ERROR for diagnostic in self.diagnostics)


def valid_manifest(manifest: Manifest) -> Validation:
    """What a manifest that could be loaded declares, and its warnings."""
    kinds = Counter(address.kind for address in manifest.resources)
    counts = {kind.value: kinds[kind] for kind in Kind}
    files = len({resource.origin.file for resource in manifest.resources.values()})
    return Validation(manifest.warnings, counts, files)


def invalid_manifest(error: ManifestError) -> Validation:
    """Why the manifests could not be loaded."""
    return Validation(error.diagnostics)

"""What manifests declare, in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from reconciler.manifests.address import Kind
from reconciler.manifests.manifest import Manifest
from reconciler.views.terminal.lines import BLANK, Line, Span, line
from reconciler.views.terminal.units import plural
from reconciler.views.text.diagnostics import diagnostics_lines


def kind_counts(manifest: Manifest) -> Mapping[str, int]:
    """How many of each kind are declared."""
    counts = Counter(address.kind for address in manifest.resources)
    return {kind.value: counts[kind] for kind in Kind}


def manifest_lines(manifest: Manifest, width: int) -> Iterator[Line]:
    """Warnings, and what there is in how many files."""
    if manifest.warnings:
        yield from diagnostics_lines(manifest.warnings, width)
        yield BLANK
    said = ", ".join(plural(number, kind) for kind, number in kind_counts(manifest).items())
    files = len({resource.origin.file for resource in manifest.resources.values()})
    yield line(Span("Valid", "good"), f": {said}, in {plural(files, 'file')}")

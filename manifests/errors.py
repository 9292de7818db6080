"""The errors of the whole product start here.

ReconcilerError
├── ManifestError             manifests or the project file are invalid; carries every problem found
├── reconciler.state.errors.StateError   the state store fails, or may not do what is asked
├── reconciler.providers.errors.ProviderError   a backend fails, or may not do what is asked
└── reconciler.errors.*       planning and applying stop
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.manifests.diagnostics import Diagnostic


class ReconcilerError(Exception):
    """A failure with a message for the user; `remedy` says what to do about it and may be empty."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ManifestError(ReconcilerError):
    """Manifests or the project file cannot be used; `diagnostics` holds every problem of the run, in file order."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(str(diagnostic) for diagnostic in diagnostics))
        self.diagnostics = tuple(diagnostics)

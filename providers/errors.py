"""What a provider may answer besides a result.

ProviderError
├── Unavailable          could not be asked: nothing is known, in particular not that something is absent
├── ObjectConflict       something that is not ours stands in the way
├── Unsupported          this backend cannot do what was asked
├── SourceError          the source of an image is missing, changed or not a disk image
└── ContractViolation    a provider broke its promise (raised by the engine, naming the provider)
"""

from __future__ import annotations

from reconciler.manifests.errors import ReconcilerError


class ProviderError(ReconcilerError):
    """A provider failed; `retryable` when the same call may succeed later."""

    def __init__(self, message: str, remedy: str = "", *, retryable: bool = False) -> None:
        super().__init__(message, remedy)
        self.retryable = retryable


class Unavailable(ProviderError):
    """The provider, or a part of it, could not be asked."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, retryable=True)


class ObjectConflict(ProviderError):
    """An object without our mark, or with another's, is in the way."""


class Unsupported(ProviderError):
    """The backend cannot do this at all."""


class SourceError(ProviderError):
    """An image's source is missing, changed while it was read, or is not a disk image."""


class ContractViolation(ProviderError):
    """What a provider returned contradicts the plan. This is a bug of the provider."""

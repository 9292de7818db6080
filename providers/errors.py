"""What a provider may raise, or return in place of a result.

ProviderError
├── Unavailable          could not be asked: nothing is known, in particular not that something is absent
├── ObjectConflict       an object that is not ours is in the way
├── Unsupported          this backend cannot do what was asked
├── SourceError          the source of an image is missing, has changed or is not a disk image
└── ContractViolation    a provider broke the contract (raised by the engine and the registry, naming the provider)

LeaseLost (a ReconcilerError, no ProviderError: nothing is tried again after it) is raised by `Writer.require_lease`
and passed on as it is.
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
    """An object without an owner mark, or with another mark than ours, is in the way."""


class Unsupported(ProviderError):
    """The backend cannot do this at all."""


class SourceError(ProviderError):
    """An image's source is missing, changed while it was read, or is not a disk image."""


class ContractViolation(ProviderError):
    """A provider lacks a method, or what it returned contradicts the plan. This is a bug of the provider."""


class LeaseLost(ReconcilerError):
    """The run no longer holds the lease on the galleries that it changes, so it may not change anything any more.

    `Writer.require_lease` raises it in the middle of an operation. A provider lets it pass: the operation ends there,
    and the run that holds the lease now decides about what it has left.
    """

"""What many providers have in common, for those who want to derive theirs from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import ProgressCallback


class BaseProvider:
    """A provider that does each operation in `begin`, leaves nothing behind when it is interrupted, and keeps nothing
    open. Everything else that a `Provider` has is left to subclasses, and what one forgets is reported by name when a
    provider is created.
    """

    def poll(self, handle: Mapping[str, Any], writer: Writer, progress: ProgressCallback) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Raises: ProviderError."""
        raise ProviderError(
            f"{type(self).__name__} leaves no operation in progress, and was asked about {dict(handle)}. This is a bug."
        )

    def claim(self, regions: Collection[str], writer: Writer) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """No identities."""
        return {}

    def tidy(self, addresses: Sequence[Address], writer: Writer, declared: Collection[Address] = ()) -> None:
        """Removes nothing."""

    def close(self) -> None:
        """Closes nothing."""

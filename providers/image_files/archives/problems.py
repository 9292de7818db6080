"""The errors about archives that cannot be used."""

from __future__ import annotations

from reconciler.providers.errors import SourceError

EXPORT_AGAIN = "export it again as a plain OVA"
DAMAGED = "fetch or export it again: it is not what it was when it was made"


def unusable(label: str, why: str, remedy: str = EXPORT_AGAIN) -> SourceError:
    """The error about the archive `label`; names in `why` are quoted and cut by whoever writes them."""
    return SourceError(f"{label} cannot be used as a virtual machine's archive: {why}", remedy)

"""What other runs are doing while a plan is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic, warning


def other_runs(changed: Iterable[Address], busy: Mapping[str, str]) -> Iterator[Diagnostic]:
    """A warning for each gallery with changes that another run is changing just now. `busy`: gallery -> who does."""
    galleries = {address.gallery for address in changed}
    for gallery, who in sorted(busy.items()):
        if gallery in galleries:
            yield warning(
                f"gallery '{gallery}' is {who}",
                "the plan shows what that run had not recorded when the plan was made, and not what it is still doing",
                address=Address(gallery),
            )

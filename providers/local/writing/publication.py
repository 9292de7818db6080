"""How a staged folder takes the place of a target region, and how what was there comes back if that is not to stay."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.effects import exchange, remove_folder, rename
from reconciler.providers.local.directories.folders import exists, is_same
from reconciler.providers.owner import Writer


@dataclass(slots=True)
class Publication:
    """The change of names for one region, in the open directory `parent`: what is there is renamed aside, and the open
    staging folder `folder` gets its name. `require_free` refuses what is in the way and not ours.

    A region that is replaced `alone` is never without a folder of its name, where the file system can exchange names.
    Killed in between, `settle_replaced` decides which of the two stays.
    """

    parent: int
    folder: int
    address: Address
    writer: Writer
    require_free: Callable[[], None]
    alone: bool = False
    swapped: bool = False

    def swap(self) -> None:
        """Raises: ProviderError, also if the staging folder is not the one that this run filled; OSError. Then what was
        there has its name as before."""
        name = self.address.version
        staging, replaced = self._hidden("staging"), self._hidden("replaced")
        self.require_free()  # again: copying may have taken hours since the first check
        self.require_own()
        had_one = exists(self.parent, name)
        if had_one:
            remove_folder(self.parent, replaced, self.writer)
            if self.alone and exchange(self.parent, staging, name, self.writer):
                self.swapped = True  # a run that is killed now leaves what was there as if it were unfinished
                rename(self.parent, staging, replaced, self.writer)
                return
            rename(self.parent, name, replaced, self.writer)
        try:
            self.require_own()
            rename(self.parent, staging, name, self.writer)
        except (OSError, ProviderError):
            if had_one:
                rename(self.parent, replaced, name, self.writer)
            raise
        self.swapped = True

    def undo(self) -> None:
        """Gives what was there its name back, and removes the new folder. Raises: OSError."""
        if not self.swapped:
            return
        name, replaced = self.address.version, self._hidden("replaced")
        rename(self.parent, name, self._hidden("staging"), self.writer)
        self.swapped = False
        if exists(self.parent, replaced):
            rename(self.parent, replaced, name, self.writer)
        os.fsync(self.parent)

    def finish(self) -> None:
        """Makes the new name durable, and only then removes what it replaced. Raises: OSError."""
        if self.swapped:
            os.fsync(self.parent)
            remove_folder(self.parent, self._hidden("replaced"), self.writer)

    def _hidden(self, what: str) -> str:
        return object_names.hidden_name(self.address.version, what, self.writer)

    def require_own(self) -> None:
        """Raises: ProviderError unless the staging folder is the one that this run filled. Another run with the same
        state, as from a copy of it, may have removed it and created its own."""
        staging = self._hidden("staging")
        if not is_same(self.parent, staging, self.folder):
            raise ProviderError(
                f"the unfinished folder '{staging}' of {self.address} was removed or replaced by another run",
                "find out which other run uses this state or a copy of it, then apply again",
            )

"""Which directory is behind a region: an empty mount point, or another directory, is not mistaken for a region from
which everything has vanished."""

from __future__ import annotations

import os
from collections.abc import Mapping

from reconciler.providers.common.scanning import NotFoundButPossible
from reconciler.providers.local.directories.effects import make_region
from reconciler.providers.local.directories.folders import failure
from reconciler.providers.local.directories.markers import mark
from reconciler.providers.local.directories.regions import Regions
from reconciler.providers.owner import Writer


def claim(regions: Regions, region: str, writer: Writer) -> str:
    """The id of a region's directory, which gets one if it has none. Raises: ProviderError."""
    path = regions.ready_path(region)
    try:
        if not os.path.isdir(path):
            make_region(path, writer)
        return mark(path, writer)
    except OSError as error:
        raise failure(error, f"to identify region {region}", path) from error


class Places:
    """The places of a provider's regions as they are recorded, compared with those that are there now."""

    def __init__(self, regions: Regions, recorded: Mapping[str, str]) -> None:
        self._regions = regions
        self._recorded = recorded
        self._known: dict[str, str] = {}

    def doubt(self, region: str, *, recorded: bool = False) -> str:
        """Why nothing is known of what a region contains; empty if it can be asked. `recorded`: something is recorded
        in it. Raises: ProviderError for a region not offered."""
        if why := self._regions.why_refused(region):
            return why
        if region in self._recorded:
            if region not in self._known:
                self._known[region] = self._regions.difference(region, self._recorded[region])
            return self._known[region]
        path = self._regions.path(region)
        if os.path.isdir(path):
            what = "is empty, and objects are recorded in it" if recorded and not os.listdir(path) else ""
        else:
            what = "is missing" if recorded or not self._regions.root else ""
        return what and f"the directory '{path}' of region {region} {what} (is it mounted?)"

    def doubts(self) -> Mapping[str, str]:
        """Region -> why nothing is known of it, for all regions of which that is so."""
        doubts = {region: self.doubt(region) for region in {*self._regions.paths, *self._recorded}}
        return {region: doubts[region] for region in sorted(doubts) if doubts[region]}


def not_asked(why: str, regions: Mapping[str, str]) -> NotFoundButPossible:
    """The answer for an object that may be in one of these `regions`, which cannot be asked."""
    return NotFoundButPossible(why, "mount it, then try again", regions)

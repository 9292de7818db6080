"""How regions get their new volumes: each for itself or, where a version is replaced, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.manifests.address import Address
from reconciler.providers.common.steps import not_replaced
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.publishing.region_build import RegionBuild
from reconciler.providers.protocol import Applied, Results


class Publication:
    """The end of an operation that created volumes. `together`: the version is replaced. Then no region's description
    changes before all new volumes are complete, and no old volume is removed before `clear`."""

    def __init__(self, *, together: bool) -> None:
        self.together = together
        self._switched: list[RegionBuild] = []

    def of_one(self, build: RegionBuild) -> Applied | ProviderError:
        """The result of a region whose volumes are complete, or which failed: then nothing is left of them."""
        if build.error is None:
            try:
                return build.publish()
            except ProviderError as error:
                build.error = error
        build.abandon()
        return build.error

    def of_all(self, builds: Sequence[RegionBuild], failed: Mapping[Address, object]) -> Results:
        """The results of the regions of a version that is replaced, besides those that already `failed`. If one fails,
        all of them are left as they are."""
        results: dict[Address, Applied | ProviderError] = {}
        errors = {**failed, **{build.address: build.error for build in builds if build.error}}
        for build in builds if not errors else ():
            try:
                self._switched.append(build)
                results[build.address] = build.switch()
            except ProviderError as error:
                errors[build.address] = build.error = error
                break
        if not errors:
            return results
        self.undo()
        for build in builds:
            build.abandon()
        address, why = next(iter(errors.items()))
        return {build.address: build.error or not_replaced(build.address, address, why) for build in builds}

    def undo(self) -> None:
        """Gives the regions their old volumes back."""
        while self._switched:
            build = self._switched.pop()
            try:
                build.restore()
            except ProviderError as error:
                build.error = build.error or error

    def clear(self) -> dict[Address, ProviderError]:
        """Removes the old volumes; the errors of those that could not be."""
        errors: dict[Address, ProviderError] = {}
        while self._switched:
            build = self._switched.pop()
            try:
                build.clear()
            except ProviderError as error:
                errors[build.address] = error
        return errors

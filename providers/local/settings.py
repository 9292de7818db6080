"""The settings of the `local` provider in the project file."""

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from reconciler.manifests.kinds.base import Model, project_directory
from reconciler.manifests.kinds.scalars import RegionName, String
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import Trust, trust_in
from reconciler.providers.common.region_settings import distinct_regions
from reconciler.providers.local.containment import why_outside

Region = Annotated[str, RegionName()]
Directory = Annotated[str, String(rule="it must be the path of a directory")]
_SHAPES = (
    "write `root: DIRECTORY`, with `regionNames: [REGION, ...]` if you like, or `regions: {REGION: DIRECTORY, ...}`"
)


class Settings(Model):
    """Directories are regions: every folder in `root`, or each of the directories in `regions`."""

    root: Annotated[
        str | None,
        String(rule="it must be the path of a directory"),
        Field(description="Directory in which every folder is a region."),
    ] = None
    region_names: Annotated[
        list[Region] | None, Field(description="With root: the only regions there are; any name when absent.")
    ] = None
    regions: Annotated[
        dict[Region, Directory] | None,
        BeforeValidator(distinct_regions),
        Field(description="Instead of root: the directory of each region, which must exist."),
    ] = None

    @model_validator(mode="after")
    def _root_or_regions(self) -> "Settings":
        if (self.root is None) == (self.regions is None):
            raise InvalidInput("either `root` or `regions` says where the regions are", _SHAPES)
        if self.regions is not None and self.region_names is not None:
            remedy = "remove it: with `regions` the names are its keys"
            raise InvalidInput("`regionNames` belongs to `root`", remedy, ("regionNames",))
        if self.region_names == []:
            raise InvalidInput("`regionNames` names no region", "add one, or remove it to allow any", ("regionNames",))
        return self

    @model_validator(mode="after")
    def _apart(self, info: ValidationInfo) -> "Settings":
        """Directories must not hold each other, nor the project; symbolic links are followed."""
        project = project_directory(info)
        if self.root is not None and _holds(os.path.realpath(project / self.root), os.path.realpath(project)):
            remedy = "give a directory for the regions alone"
            raise InvalidInput(f"`root: {self.root}` holds the project itself", remedy, ("root",))
        self._check_places(project, trust_in(info.context))
        _check_apart({name: os.path.realpath(project / path) for name, path in (self.regions or {}).items()})
        return self

    def _check_places(self, project: Path, trust: Trust) -> None:
        """Raises: InvalidInput for a directory that leads out of the project."""
        places: dict[tuple[str, ...], str] = {("root",): self.root} if self.root else {}
        places |= {("regions", name): path for name, path in (self.regions or {}).items()}
        for place, path in places.items():
            if path and (why := why_outside(os.path.normpath(os.path.join(project, path)), project, trust)):
                summary, _, remedy = why.partition(": ")
                raise InvalidInput(summary, remedy, place)


def _holds(outer: str, inner: str) -> bool:
    return f"{inner}/".startswith(f"{outer.rstrip('/')}/")


def _check_apart(paths: Mapping[str, str]) -> None:
    """Raises: InvalidInput."""
    ordered = sorted((f"{path}/", name) for name, path in paths.items())
    for (outer, first), (inner, second) in pairwise(ordered):
        if inner.startswith(outer):
            summary = f"the directory of region {second} is the one of {first}, or inside it"
            raise InvalidInput(summary, "give each region a directory of its own", ("regions", second))

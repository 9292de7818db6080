"""`lifecycle`: protection and exceptions for one resource."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from reconciler.manifests.kinds.base import Model
from reconciler.manifests.kinds.scalars import Boolean, Choice, String, Timestamp
from reconciler.manifests.resource import DriftException, Lifecycle, OnRemove

AttributePath = Annotated[
    str, String(r"[A-Za-z][^\s.]*(\.[^\s.]+)*", "write an attribute such as description or tags.owner")
]


def _exception(entry: Any) -> Any:
    return {"attribute": entry} if isinstance(entry, str) else entry


class DriftExceptionEntry(Model):
    """Expected drift, which raises no alarm."""

    attribute: Annotated[AttributePath, Field(description="The attribute whose drift is expected, such as tags.owner.")]
    reason: Annotated[str, Field(description="Why it is expected; shown in drift reports.")] = ""
    until: Annotated[str, Timestamp(), Field(description="From this date on, the drift raises an alarm again.")] = ""


class LifecycleEntry(Model):
    """Protection and exceptions for the resource and, for a version, for its target regions."""

    protect: Annotated[
        bool,
        Boolean(),
        Field(description="Refuse to delete or replace it, even after its document has been removed."),
    ] = False
    on_remove: Annotated[
        str,
        Choice("delete", "retain"),
        Field(description="What happens to the object when its document is removed: delete it, or keep and forget it."),
    ] = "delete"
    allow_replace: Annotated[
        bool,
        Boolean(),
        Field(description="Allow changes of immutable attributes, which delete and recreate the object."),
    ] = False
    ignore_changes: Annotated[
        list[AttributePath],
        Field(description="Attributes whose changes are not applied; targetRegions.NAME for those of regions."),
    ] = Field(default_factory=list)
    ignore_drift: Annotated[
        list[Annotated[DriftExceptionEntry, BeforeValidator(_exception)]],
        Field(description="Attributes whose drift raises no alarm: a path, or {attribute, reason, until}."),
    ] = Field(default_factory=list)

    def lowered(self) -> Lifecycle:
        """The same as the engine reads it; paths sorted, so that their order makes no difference."""
        return Lifecycle(
            protect=self.protect,
            on_remove=OnRemove(self.on_remove),
            allow_replace=self.allow_replace,
            ignore_changes=tuple(sorted(set(self.ignore_changes))),
            ignore_drift=tuple(
                sorted(
                    {DriftException(entry.attribute, entry.reason, entry.until) for entry in self.ignore_drift},
                    key=lambda exception: (exception.attribute, exception.until, exception.reason),
                )
            ),
        )


def version_part(lifecycle: Lifecycle) -> Lifecycle:
    """A version's lifecycle without the paths that are about its regions."""
    return _with_paths(lifecycle, lambda path: "" if path.startswith("targetRegions.") else path)


def region_part(lifecycle: Lifecycle, region: str, attributes: Collection[str]) -> Lifecycle:
    """The lifecycle of one region: `targetRegions.PATH` and `targetRegions.REGION.PATH` of its version's.

    `attributes` are those that a region has at the top level.
    """

    def path_in_region(path: str) -> str:
        prefix, _, rest = path.partition(".")
        if prefix != "targetRegions":
            return ""
        if rest.startswith(f"{region}."):
            return rest.removeprefix(f"{region}.")
        return rest if rest.partition(".")[0] in attributes else ""

    return _with_paths(lifecycle, path_in_region)


def _with_paths(lifecycle: Lifecycle, path_for: Callable[[str], str]) -> Lifecycle:
    """`lifecycle` with each attribute path replaced by `path_for(path)`, or left out where that is empty."""
    if not lifecycle.ignore_changes and not lifecycle.ignore_drift:
        return lifecycle
    return replace(
        lifecycle,
        ignore_changes=tuple(sorted({path_for(path) for path in lifecycle.ignore_changes} - {""})),
        ignore_drift=tuple(
            replace(exception, attribute=path_for(exception.attribute))
            for exception in lifecycle.ignore_drift
            if path_for(exception.attribute)
        ),
    )

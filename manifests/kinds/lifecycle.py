"""`lifecycle`: how careful to be with one resource."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from reconciler.manifests.kinds.base import Model
from reconciler.manifests.kinds.scalars import Choice, Flag, Moment, Text
from reconciler.manifests.resource import DriftException, Lifecycle, OnRemove

AttributePath = Annotated[
    str, Text(r"[A-Za-z][^\s.]*(\.[^\s.]+)*", "write an attribute such as description or tags.owner")
]


def _exception(entry: Any) -> Any:
    return {"attribute": entry} if isinstance(entry, str) else entry


class DriftExceptionEntry(Model):
    """Drift that raises no alarm."""

    attribute: Annotated[AttributePath, Field(description="The attribute whose drift is expected, such as tags.owner.")]
    reason: Annotated[str, Field(description="Why it is expected; shown in drift reports.")] = ""
    until: Annotated[str, Moment(), Field(description="From this date on the drift raises the alarm again.")] = ""


class LifecycleEntry(Model):
    """How careful to be with the resource and, for a version, with its target regions."""

    protect: Annotated[
        bool,
        Flag(),
        Field(description="Refuse to delete or replace it, also once its entry is gone from the manifests."),
    ] = False
    on_remove: Annotated[
        str,
        Choice("delete", "retain"),
        Field(
            description="What happens to the object when its entry is removed: delete it, or leave it and forget it."
        ),
    ] = "delete"
    allow_replace: Annotated[
        bool, Flag(), Field(description="Allow changes of immutable attributes, which delete and recreate the object.")
    ] = False
    ignore_changes: Annotated[
        list[AttributePath],
        Field(description="Attributes whose change here is not applied; targetRegions.NAME for those of regions."),
    ] = Field(default_factory=list)
    ignore_drift: Annotated[
        list[Annotated[DriftExceptionEntry, BeforeValidator(_exception)]],
        Field(description="Attributes whose drift raises no alarm: a path, or {attribute, reason, until}."),
    ] = Field(default_factory=list)

    def lowered(self) -> Lifecycle:
        """The same as the engine reads it; paths sorted, so that their order never counts."""
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

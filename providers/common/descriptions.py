"""Descriptions: what is kept beside an object that cannot carry it itself, and their JSON shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.errors import Unavailable
from reconciler.providers.owner import OwnerMark

FORMAT = 2
"""Of the descriptions that are written. Those of format 1 do not name it, and have neither `protect` nor `fence`."""


class Unreadable(ValueError):
    """A description exists and cannot be used. The text completes a sentence that begins with its name."""


class Damaged(Unreadable):
    """What is in the place of a description is not one, or no longer."""


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """The part of a description that every object has. `mark` is None if someone else wrote it and named no owner;
    `computed` is what the provider worked out, with the facts of each disk (`os`, `data-LUN`) under `disks`. `protect`:
    the object must not be deleted or replaced. `fence` is that of the run that wrote it; 0 where that is not known."""

    mark: OwnerMark | None
    attributes: Attributes = field(default_factory=dict)
    computed: Mapping[str, Any] = field(default_factory=dict)
    protect: bool = field(default=False, kw_only=True)
    fence: int = field(default=0, kw_only=True)


def encode(description: ObjectDescription) -> dict[str, Any]:
    """JSON-shaped; `decode` returns the same description."""
    mark = description.mark
    return {
        "format": FORMAT,
        "owner": encode_mark(mark) if mark else None,
        "attributes": description.attributes,
        "computed": description.computed,
        **({"protect": True} if description.protect else {}),
        **({"fence": description.fence} if description.fence else {}),
    }


def decode(value: Any) -> ObjectDescription:
    """The description in parsed JSON. Raises: Unreadable; Unavailable if a newer release wrote it."""
    try:
        _require_known(value.get("format", 1))
        owner = value.get("owner")
        mark = decode_mark(owner) if owner else None
        attributes, computed = value["attributes"], value.get("computed", {})
        disks = computed.get("disks", {})
        parts = [attributes, computed, disks, *disks.values()]
        protect, fence = bool(value.get("protect", False)), int(value.get("fence", 0))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged() from error
    if not all(isinstance(part, dict) for part in parts):
        raise damaged()
    return ObjectDescription(mark, attributes, computed, protect=protect, fence=fence)


def _require_known(number: int) -> None:
    """Raises: Unavailable: what a newer release wrote is neither damaged nor ours to write again."""
    if number > FORMAT:
        raise Unavailable(
            f"a description has format {number}, which this release does not know", "install the release that wrote it"
        )


def encode_mark(mark: OwnerMark) -> dict[str, str]:
    """JSON-shaped; `decode_mark` returns the same mark."""
    sealed = {"seal": mark.seal} if mark.seal else {}
    return {"lineage": mark.lineage, "address": str(mark.address), **sealed}


def decode_mark(value: Any) -> OwnerMark:
    """The owner mark in parsed JSON. Raises: ValueError, TypeError or KeyError if it is not one."""
    return OwnerMark(str(value["lineage"]), Address.parse(value["address"]), str(value.get("seal", "")))


def damaged() -> Damaged:
    """The error for content that is not a description."""
    return Damaged("is damaged and cannot be read")

"""`ArmId`: the id of a resource of Azure, as a type. It is compared without regard to case.

Source: Azure's documentation of resource ids; its naming rules for resources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

DISK = "Microsoft.Compute/disks"
SNAPSHOT = "Microsoft.Compute/snapshots"
MANAGED_IMAGE = "Microsoft.Compute/images"
VIRTUAL_MACHINE = "Microsoft.Compute/virtualMachines"
GALLERY_VERSION = "Microsoft.Compute/galleries/images/versions"
GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NAME = re.compile(r"(?!\.{1,2}$)[\w.()-]{1,260}")
_IDENTIFIER = re.compile(rf"{GUID}|/(?:subscriptions|communitygalleries|sharedgalleries)/.+", re.IGNORECASE)
_GALLERY_IMAGE = re.compile(
    r"/(community|shared)galleries/[\w.-]{1,160}/images/[\w.-]{1,80}/versions/(?:latest|[0-9]{1,10}(?:\.[0-9]{1,10}){2})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ArmId:
    """A resource in a resource group. `types` and `names` go together, the outermost first."""

    subscription: str
    group: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> ArmId:
        """The id that `text` spells. Raises: ValueError."""
        parts = text.split("/")
        keywords = [part.lower() for part in parts[1:6:2]]
        if parts[0] or keywords != ["subscriptions", "resourcegroups", "providers"] or len(parts) < 9:
            raise ValueError(text)
        types, names = tuple(parts[7::2]), tuple(parts[8::2])
        found = cls(parts[2], parts[4], parts[6], types, names)
        if len(types) != len(names) or not found._is_well_formed():
            raise ValueError(text)
        return found

    def _is_well_formed(self) -> bool:
        return (
            re.fullmatch(GUID, self.subscription) is not None
            and _GROUP.fullmatch(self.group) is not None
            and _NAMESPACE.fullmatch(self.namespace) is not None
            and all(_TYPE.fullmatch(kind) for kind in self.types)
            and all(_NAME.fullmatch(name) for name in self.names)
        )

    @property
    def type(self) -> str:
        """Namespace and types in lower case, such as `microsoft.compute/disks`."""
        return "/".join((self.namespace, *self.types)).lower()

    @property
    def name(self) -> str:
        return self.names[-1]

    @property
    def path(self) -> str:
        """The path of the resource in a URL: each part of it one percent-encoded segment."""
        pairs = zip(self.types, self.names, strict=True)
        parts = ["subscriptions", self.subscription, "resourceGroups", self.group, "providers", self.namespace]
        return "".join(f"/{quote(part, safe='')}" for part in (*parts, *(part for pair in pairs for part in pair)))


def is_id_of(text: str, *types: str) -> bool:
    """Whether this is the id of a resource of one of these types, such as `Microsoft.Compute/disks`."""
    try:
        return ArmId.parse(text).type in (kind.lower() for kind in types)
    except ValueError:
        return False


def id_form(kind: str) -> str:
    """How the id of a resource of a type is written."""
    namespace, *types = kind.split("/")
    below = "".join(f"/{one}/NAME" for one in types)
    return f"/subscriptions/ID/resourceGroups/GROUP/providers/{namespace}{below}"


def is_gallery_image(text: str, kind: str) -> bool:
    """Whether this is the id of an image version in a gallery that is shared: `kind` is `community` or `shared`."""
    match = _GALLERY_IMAGE.fullmatch(text)
    return match is not None and match[1].lower() == kind


def is_identifier(value: object) -> bool:
    """Whether a value is an id of Azure, or a GUID: those are compared without regard to case."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def with_spelling_of(known: Any, value: Any) -> Any:
    """`value` with every id in the spelling that it has at the same place of `known`, if it is there."""
    if isinstance(value, Mapping) and isinstance(known, Mapping):
        return {name: with_spelling_of(known.get(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple) and isinstance(known, list | tuple):
        return _list_with_spelling_of(known, value)
    if is_identifier(value) and isinstance(known, str) and known.lower() == value.lower():
        return known
    return value


def _list_with_spelling_of(known: list[Any] | tuple[Any, ...], value: list[Any] | tuple[Any, ...]) -> Any:
    spellings = {one.lower(): one for one in known if is_identifier(one)}
    if not spellings:
        return value
    spelled = [spellings.get(one.lower(), one) if is_identifier(one) else one for one in value]
    only_moved = sorted(map(str, spelled)) == sorted(map(str, known))
    return known if only_moved else type(value)(spelled)

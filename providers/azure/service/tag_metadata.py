"""What we keep in the tags of an object on Azure: whose it is, and what was planned that the object does not show.

Long texts are compressed and cut over numbered tags. What somebody damaged is read as if it had never been there.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import OwnerMark

MOST_TAGS = 50
LONGEST_NAME = 512
LONGEST_VALUE = 256
"""Source: Azure Resource Manager, limits of tags. Names are compared without regard to case, values are not."""

_PREFIX = "reconciler-"
_OWNER = f"{_PREFIX}owner"
_TEXTS = ("regions", "planned", "source", "computed")
_OURS = re.compile(rf"{_OWNER}|{_PREFIX}(?:{'|'.join(_TEXTS)})-\d{{1,2}}", re.IGNORECASE | re.ASCII)
_REFUSED = re.compile(r"[<>%&\\?/]")
_PLAIN, _PACKED = "=", "z"
_LONGEST_TEXT = 1 << 20
_TO_TAG = str.maketrans("<>%&?", ",.:[]")
_FROM_TAG = str.maketrans(",.:[]", "<>%&?")
"""Base85 without the characters that some parts of Azure refuse."""


@dataclass(frozen=True, slots=True)
class TagMetadata:
    """What is kept with one object.

    `declared` are the dotted paths that its manifest set among those that the service fills in or drops by itself.
    `source` is the canonical JSON of a version's `{"source": ..., "dataDisks": ...}` as planned, empty when there is
    none; `computed` that of what was worked out. `regions` are the target regions that are ours. `security` is the
    digest of the planned securityProfile, or empty. `spellings` are planned texts that Azure compares without regard to
    case, and may give back in another.
    """

    owner: OwnerMark | None = None
    declared: frozenset[str] = frozenset()
    source: str = ""
    computed: str = "{}"
    regions: frozenset[str] = frozenset()
    security: str = ""
    spellings: frozenset[str] = frozenset()

    def as_planned(self, text: str) -> str | None:
        """How `text` was planned, whatever its case is now; None when it was not."""
        if text in self.spellings:
            return text
        folded = text.lower()
        return min((planned for planned in self.spellings if planned.lower() == folded), default=None)


def to_tags(metadata: TagMetadata) -> dict[str, str]:
    """The tags that hold `marks`; what is empty takes none. Raises: ProviderError when they are too many."""
    tags = {}
    if metadata.owner is not None:
        tags[_OWNER] = f"{metadata.owner.lineage} {metadata.owner.address}"
    for name, text in zip(_TEXTS, _texts(metadata), strict=True):
        packed = _packed(text) if text else ""
        for number, start in enumerate(range(0, len(packed), LONGEST_VALUE)):
            tags[f"{_PREFIX}{name}-{number}"] = packed[start : start + LONGEST_VALUE]
    if len(tags) > MOST_TAGS:
        raise ProviderError(
            f"it takes {len(tags)} tags to keep track of the object, and Azure allows {MOST_TAGS}",
            "split what is declared: it has too many disks, target regions, or keys of its own",
        )
    return tags


def from_tags(tags: Mapping[str, Any]) -> tuple[TagMetadata, dict[str, str]]:
    """The marks in an object's tags, and the tags that are its own, their names as they were planned."""
    ours = {name.lower(): value for name, value in tags.items() if _OURS.fullmatch(name) and isinstance(value, str)}
    regions, planned, source, computed = (_unpacked(ours, name) for name in _TEXTS)
    details = _json_object(planned)
    metadata = TagMetadata(
        owner=_owner(ours.get(_OWNER, "")),
        declared=_words(details.get("declared")),
        source=source if _json_object(source) else "",
        computed=computed if _json_object(computed) else "{}",
        regions=frozenset(regions.split()),
        security=security if isinstance(security := details.get("security"), str) else "",
        spellings=_words(details.get("spelled")),
    )
    own = {
        metadata.as_planned(name) or name: value
        for name, value in tags.items()
        if not _OURS.fullmatch(name) and isinstance(value, str)
    }
    return metadata, own


def tagged(own: Mapping[str, str], metadata: TagMetadata) -> dict[str, str]:
    """All tags of an object: its own and our marks.

    Raises: ProviderError when they are too many, or Azure would not take one.
    """
    ours = to_tags(metadata)
    seen: set[str] = set()
    for name, value in own.items():
        _check(name, value, seen)
        seen.add(name.lower())
    if len(own) + len(ours) > MOST_TAGS:
        raise ProviderError(
            f"{len(own)} tags and the {len(ours)} that keep track of the object are more than {MOST_TAGS}",
            f"declare {len(own) + len(ours) - MOST_TAGS} tags less",
        )
    return {**own, **ours}


def _check(name: str, value: str, seen: set[str]) -> None:
    if _OURS.fullmatch(name):
        raise ProviderError(f"the tag '{name}' has a name that we use ourselves", "give it another name")
    if name.lower() in seen:
        raise ProviderError(f"two tags are called '{name}' but for upper and lower case", "keep one of them")
    if not 0 < len(name) <= LONGEST_NAME or _REFUSED.search(name):
        raise ProviderError(
            f"Azure takes no tag called '{name[:80]}'", rf"use 1 to {LONGEST_NAME} characters without < > % & \ ? /"
        )
    if len(value) > LONGEST_VALUE:
        raise ProviderError(
            f"the value of the tag '{name}' has {len(value)} characters", f"Azure takes {LONGEST_VALUE} at most"
        )


def _texts(metadata: TagMetadata) -> tuple[str, ...]:
    """What is kept, one text for each of _TEXTS."""
    details = {
        "declared": sorted(metadata.declared),
        "security": metadata.security,
        "spelled": sorted(metadata.spellings),
    }
    planned = {name: value for name, value in details.items() if value}
    return (
        " ".join(sorted(metadata.regions)),
        canonical_json(planned) if planned else "",
        metadata.source,
        "" if metadata.computed == "{}" else metadata.computed,
    )


def _packed(text: str) -> str:
    if len(text) < LONGEST_VALUE and text.isascii() and text.isprintable():
        return _PLAIN + text
    return _PACKED + base64.b85encode(zlib.compress(text.encode(), 9)).decode().translate(_TO_TAG)


def _unpacked(tags: Mapping[str, str], name: str) -> str:
    """The text that was cut over numbered tags; empty when there is none, or it cannot be read."""
    pieces: list[str] = []
    while (piece := tags.get(f"{_PREFIX}{name}-{len(pieces)}")) is not None:
        pieces.append(piece)
    text = "".join(pieces)
    if not text.startswith(_PACKED):
        return text[1:] if text.startswith(_PLAIN) else ""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(base64.b85decode(text[1:].translate(_FROM_TAG)), _LONGEST_TEXT).decode()
    except (ValueError, zlib.error):
        return ""
    return content if unpacker.eof and not unpacker.unused_data else ""


def _owner(text: str) -> OwnerMark | None:
    lineage, _, address = text.partition(" ")
    try:
        return OwnerMark(lineage, Address.parse(address)) if lineage else None
    except ValueError:
        return None


def _json_object(text: str) -> Mapping[str, Any]:
    """The JSON object that `text` is; an empty one when it is none, or has no canonical text."""
    try:
        found = json.loads(text or "{}")
        canonical_json(found).encode()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(value: object) -> frozenset[str]:
    entries: Iterable[object] = value if isinstance(value, list) else ()
    return frozenset(entry for entry in entries if isinstance(entry, str))

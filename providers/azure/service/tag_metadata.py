"""Metadata in the tags of an object on Azure: its owner mark, and planned values that Azure does not show.

The mark is in two tags, because with its seal it is longer than one value may be. Long values are compressed and split
over numbered tags. Damaged values are read as if they were absent.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import OwnerMark

MOST_TAGS = 50
LONGEST_NAME = 512
LONGEST_VALUE = 256
"""Source: Azure Resource Manager, limits of tags. Names are compared without regard to case, values are not."""

_PREFIX = "reconciler-"
_OWNER, _SEAL = f"{_PREFIX}owner", f"{_PREFIX}seal"
_PROTECTED = "protected"
_TEXTS = ("regions", "planned", "source", "computed")
_OURS = re.compile(rf"{_OWNER}|{_SEAL}|{_PREFIX}(?:{'|'.join(_TEXTS)})-\d{{1,2}}", re.IGNORECASE | re.ASCII)
_REFUSED = re.compile(r"[<>%&\\?/]")
_NO_SEAL = "-"
_SEALED = re.compile(rf"(?P<fence>\d{{1,18}}) (?P<seal>-|[0-9a-f]{{1,64}})(?P<protected> {_PROTECTED})?", re.ASCII)
_PLAIN, _PACKED = "=", "z"
_LONGEST_TEXT = 1 << 20
_TO_TAG = str.maketrans("<>%&?", ",.:[]")
_FROM_TAG = str.maketrans(",.:[]", "<>%&?")
"""Base85 without the characters that some parts of Azure refuse."""


@dataclass(frozen=True, slots=True)
class TagMetadata:
    """The metadata of one object.

    `declared` are the dotted paths that the manifest set, of those that the service would fill in or drop. `source` is
    the canonical JSON of a version's `{"source": ..., "dataDisks": ...}` as planned, empty when there is none;
    `computed` that of the computed values. `regions` are the target regions that are ours. `security` is the digest of
    the planned securityProfile, or empty. `spellings` are planned strings that Azure compares without regard to case,
    and may return in another case. `fence` is that of the run that wrote the object last, 0 when it is not known; two
    values that differ in it alone are equal. `protected`: the object must not be deleted or replaced.
    """

    owner: OwnerMark | None = None
    declared: frozenset[str] = frozenset()
    source: str = ""
    computed: str = "{}"
    regions: frozenset[str] = frozenset()
    security: str = ""
    spellings: frozenset[str] = frozenset()
    fence: int = field(default=0, compare=False)
    protected: bool = False

    def as_planned(self, text: str) -> str | None:
        """The planned spelling of `text`, whatever its case is now; None when it was not planned."""
        if text in self.spellings:
            return text
        folded = text.lower()
        return min((planned for planned in self.spellings if planned.lower() == folded), default=None)


def to_tags(metadata: TagMetadata) -> dict[str, str]:
    """The tags that hold `metadata`; empty values need none. Raises: ProviderError when they are too many."""
    tags = {}
    if metadata.owner is not None:
        tags[_OWNER] = f"{metadata.owner.lineage} {metadata.owner.address}"
        if words := _seal_words(metadata):
            tags[_SEAL] = words
    for name, text in zip(_TEXTS, _texts(metadata), strict=True):
        packed = _packed(text) if text else ""
        for number, start in enumerate(range(0, len(packed), LONGEST_VALUE)):
            tags[f"{_PREFIX}{name}-{number}"] = packed[start : start + LONGEST_VALUE]
    if len(tags) > MOST_TAGS:
        raise ProviderError(
            f"keeping track of the object takes {len(tags)} tags, and Azure allows {MOST_TAGS}",
            "split the declaration: it has too many disks, target regions, or encryption keys",
        )
    return tags


def from_tags(tags: Mapping[str, Any]) -> tuple[TagMetadata, dict[str, str]]:
    """The metadata in an object's tags, and the user's own tags, with their names as planned."""
    ours = {name.lower(): value for name, value in tags.items() if _OURS.fullmatch(name) and isinstance(value, str)}
    regions, planned, source, computed = (_unpacked(ours, name) for name in _TEXTS)
    details = _json_object(planned)
    seal, fence, protected = _sealed(ours.get(_SEAL, ""))
    metadata = TagMetadata(
        owner=_owner(ours.get(_OWNER, ""), seal),
        declared=_strings(details.get("declared")),
        source=source if _json_object(source) else "",
        computed=computed if _json_object(computed) else "{}",
        regions=frozenset(regions.split()),
        security=security if isinstance(security := details.get("security"), str) else "",
        spellings=_strings(details.get("spelled")),
        fence=fence,
        protected=protected,
    )
    own = {
        metadata.as_planned(name) or name: value
        for name, value in tags.items()
        if not _OURS.fullmatch(name) and isinstance(value, str)
    }
    return metadata, own


def tagged(own: Mapping[str, str], metadata: TagMetadata) -> dict[str, str]:
    """All tags of an object: the user's own, and those of our metadata.

    Raises: ProviderError when they are too many, or Azure would refuse one.
    """
    ours = to_tags(metadata)
    seen: set[str] = set()
    for name, value in own.items():
        _check(name, value, seen)
        seen.add(name.lower())
    if len(own) + len(ours) > MOST_TAGS:
        raise ProviderError(
            f"{len(own)} tags and the {len(ours)} that keep track of the object are more than {MOST_TAGS}",
            f"remove {len(own) + len(ours) - MOST_TAGS} of the declared tags",
        )
    return {**own, **ours}


def _check(name: str, value: str, seen: set[str]) -> None:
    if _OURS.fullmatch(name):
        raise ProviderError(f"the name of the tag '{name}' is reserved", "use another name")
    if name.lower() in seen:
        raise ProviderError(f"two tags are named '{name}', in different case", "keep one of them")
    if not 0 < len(name) <= LONGEST_NAME or _REFUSED.search(name):
        raise ProviderError(
            f"Azure does not accept a tag named '{name[:80]}'",
            rf"use 1 to {LONGEST_NAME} characters without < > % & \ ? /",
        )
    if len(value) > LONGEST_VALUE:
        raise ProviderError(
            f"the value of the tag '{name}' has {len(value)} characters", f"Azure accepts at most {LONGEST_VALUE}"
        )


def _texts(metadata: TagMetadata) -> tuple[str, ...]:
    """The metadata as one string for each of _TEXTS."""
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
    """The string that was split over numbered tags; empty when there is none, or it cannot be read."""
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


def _owner(text: str, seal: str) -> OwnerMark | None:
    lineage, _, address = text.partition(" ")
    try:
        return OwnerMark(lineage, Address.parse(address), seal) if lineage else None
    except ValueError:
        return None


def _seal_words(metadata: TagMetadata) -> str:
    """The fence, the seal and the protection as one value; empty when there is nothing to say."""
    seal = metadata.owner.seal if metadata.owner is not None else ""
    if not (metadata.fence or seal or metadata.protected):
        return ""
    words = (str(metadata.fence), seal or _NO_SEAL, _PROTECTED if metadata.protected else "")
    return " ".join(filter(None, words))


def _sealed(text: str) -> tuple[str, int, bool]:
    """Seal, fence and protection, as `_seal_words` wrote them. An object with a value that it did not write is
    protected, and its mark has a seal that is nobody's."""
    if not text:
        return "", 0, False
    words = _SEALED.fullmatch(text)
    if words is None:
        return text, 0, True
    seal = "" if words["seal"] == _NO_SEAL else words["seal"]
    return seal, int(words["fence"]), words["protected"] is not None


def _json_object(text: str) -> Mapping[str, Any]:
    """The JSON object in `text`; an empty one when there is none, or it has no canonical form."""
    try:
        parsed = json.loads(text or "{}")
        canonical_json(parsed).encode()
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _strings(value: object) -> frozenset[str]:
    entries: Iterable[object] = value if isinstance(value, list) else ()
    return frozenset(entry for entry in entries if isinstance(entry, str))

"""Which versions have the same bytes, as far as their digests are recorded."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from reconciler.manifests.address import Address
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.draft import Draft

_CONTENT = ("source", "dataDisks")


def content_replaced(change: ResourceChange | None) -> bool:
    """Whether a version comes back with other content, as far as that is known."""
    if change is None or change.action is not Action.REPLACE:
        return False
    return any(item.path.split(".")[0] in _CONTENT for item in change.changes)


def without_twins(draft: Draft, lost: Collection[Address]) -> set[Address]:
    """Those of the lost versions whose disks no other version has byte for byte, with whole copies that stay.

    A version without recorded digests has no twin that anyone knows of.
    """
    contents = {version: _content(draft, version) for version in lost}
    wanted = {content for content in contents.values() if content}
    matching: dict[str, list[Address]] = {}
    for address in draft.records if wanted else ():
        another = address.version and not address.region and address not in contents
        if another and (content := _content(draft, address)) in wanted:
            matching.setdefault(content, []).append(address)
    staying = _with_copies(draft, {address for found in matching.values() for address in found})
    kept = {content for content, found in matching.items() if not staying.isdisjoint(found)}
    return {version for version, content in contents.items() if content not in kept}


def _content(draft: Draft, version: Address) -> str:
    """The digests of a version's disks as one string; empty if one of them is not known."""
    node = draft.node(version)
    computed = node.observed.computed if node.observed and node.observed.computed != "{}" else ""
    computed = computed or (node.record.computed if node.record else "{}")
    disks: Mapping[str, Mapping[str, str]] = json.loads(computed).get("disks", {})
    digests = [f"{disk} {facts.get('sha256', '')}" for disk, facts in sorted(disks.items())]
    return "\n".join(digests) if all(len(text.split()) == 2 for text in digests) else ""


def _with_copies(draft: Draft, versions: Collection[Address]) -> set[Address]:
    """Those of the versions that have whole copies in a region that keeps them."""
    found: set[Address] = set()
    for address in draft.records if versions else ():
        if address.region and address.unit in versions and address.unit not in found:
            node, change = draft.node(address), draft.changes.get(address)
            stays = change is None or change.action not in (Action.DELETE, Action.REPLACE)
            if node.present and not node.damaged and not node.unfinished and stays:
                found.add(address.unit)
    return found

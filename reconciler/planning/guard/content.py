"""Which versions have the same bytes, as far as their digests are recorded."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from reconciler.manifests.address import Address
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.draft import Draft
from reconciler.providers.content_digest import ContentDigest

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
    contents = {version: _contents(draft, version) for version in lost}
    wanted = {content for found in contents.values() for content in found}
    matching: dict[str, list[Address]] = {}
    for address in draft.records if wanted else ():
        if address.version and not address.region and address not in contents:
            for content in _contents(draft, address) & wanted:
                matching.setdefault(content, []).append(address)
    staying = _with_copies(draft, {address for found in matching.values() for address in found})
    kept = {content for content, found in matching.items() if not staying.isdisjoint(found)}
    return {version for version, found in contents.items() if found.isdisjoint(kept)}


def _contents(draft: Draft, version: Address) -> set[str]:
    """The digests of a version's disks as one string for each kind in which all of them are known."""
    node = draft.node(version)
    computed = node.observed.computed if node.observed and node.observed.computed != "{}" else ""
    computed = computed or (node.record.computed if node.record else "{}")
    disks: Mapping[str, Mapping[str, str]] = json.loads(computed).get("disks", {})
    digests = {disk: ContentDigest.in_facts(facts) for disk, facts in sorted(disks.items())}
    trees = [f"{disk} {digest.tree}" for disk, digest in digests.items() if digest.tree]
    plains = [f"{disk} {digest.plain}" for disk, digest in digests.items() if digest.plain]
    return {"\n".join(kind) for kind in (trees, plains) if kind and len(kind) == len(disks)}


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

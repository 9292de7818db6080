"""Which replacements make all new copies before an old one goes, and which regions cannot be replaced alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.manifests.address import Address, Kind
from reconciler.naming.object_names import containers
from reconciler.planning.actions import Action, Reason, ResourceChange
from reconciler.planning.draft import Draft


def is_staged(draft: Draft, version: Address) -> bool:
    """Whether a version is replaced by one operation that makes and verifies all new copies first."""
    change = draft.changes.get(version)
    return change is not None and change.staged


def stage_replacements(draft: Draft) -> None:
    """Marks the replaced versions whose backend makes the new copies first: those that keep their container."""
    for address, change in draft.changes.items():
        if change.kind is not Kind.IMAGE_VERSION or change.action is not Action.REPLACE:
            continue
        capabilities = draft.inputs.capabilities.get(change.provider)
        if capabilities and capabilities.stages_replacements and not _container_replaced(draft, address):
            draft.changes[address] = replace(change, staged=True)


def _container_replaced(draft: Draft, version: Address) -> bool:
    above = (draft.changes.get(address) for address in containers(version))
    return any(change is not None and change.action is Action.REPLACE for change in above)


def fixed_home_regions(draft: Draft) -> Iterator[tuple[Address, ResourceChange]]:
    """(version, change of its home region) where the backend can replace these copies only with the version."""
    for address, change in draft.changes.items():
        if not address.region or change.action is not Action.REPLACE or change.reason is Reason.DAMAGED:
            continue
        capabilities, version = (
            draft.inputs.capabilities.get(change.provider),
            draft.inputs.manifest.resources.get(address.unit),
        )
        fixed = capabilities is not None and capabilities.home_region_fixed
        if fixed and version is not None and version.attributes.get("location") == address.region:
            yield address.unit, change


def replaced_for_home(version: ResourceChange, home: ResourceChange) -> ResourceChange:
    """The change of a version that is replaced because its home region has to be."""
    if version.action not in _WITH_OBJECT:
        return version
    changes = tuple(
        replace(item, path=f"targetRegions.{home.address.region}.{item.path}")
        for item in home.changes
        if not item.in_place
    )
    reason = version.reason if version.action is Action.REPLACE else home.reason
    return replace(version, action=Action.REPLACE, reason=reason, changes=(*version.changes, *changes))


_WITH_OBJECT = frozenset({Action.NO_OP, Action.UPDATE, Action.RECORD, Action.ADOPT, Action.REPLACE})

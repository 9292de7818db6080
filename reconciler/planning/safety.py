"""Safety rules: one function each, in one list. A rule looks at one change and returns why it is blocked, or None.

Rules fail closed: missing information counts against the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.manifests.address import Address, Kind, version_number
from reconciler.planning.actions import Action, Block, Reason, ResourceChange

_DESTRUCTIVE = frozenset({Action.DELETE, Action.REPLACE})


@dataclass(frozen=True, slots=True)
class SafetyContext:
    """What rules may consider besides the change.

    `published` are the versions that exist, `versions` all version numbers of a definition, recorded or declared.
    `regions_removable` are the versions whose declared safety profile lets regions go. `kept_inside` maps a container
    to something in it that is kept although its document is gone.
    """

    changes: Mapping[Address, ResourceChange]
    published: frozenset[Address]
    versions: Mapping[Address, frozenset[str]]
    allow_replace: frozenset[Address]
    regions_removable: frozenset[Address]
    kept_inside: Mapping[Address, Address]
    destroy: bool
    now: datetime


Rule = Callable[[ResourceChange, SafetyContext], Block | None]


def protected(change: ResourceChange, _context: SafetyContext) -> Block | None:
    """`lifecycle.protect`, from the manifest, or from the record once the document is gone."""
    if change.action not in _DESTRUCTIVE or not change.protect:
        return None
    return Block(
        f"{change.address} is protected",
        f"to {change.action} it, set lifecycle.protect: false and apply that first",
    )


def published_replace(change: ResourceChange, context: SafetyContext) -> Block | None:
    """A published version, or what contains one, is replaced only when that was allowed."""
    if change.action is not Action.REPLACE or change.reason is Reason.CONTAINER or change.address.region:
        return None
    if change.address in context.allow_replace:
        return None
    if change.kind is Kind.IMAGE_VERSION:
        return _published_version(change, context)
    held = [version for version in context.published if _holds(change.address, version)]
    if not held:
        return None
    return Block(
        f"replacing it would delete {len(held)} published version{'s' if len(held) > 1 else ''}"
        f", including {min(held, key=lambda address: address.sort_key)}",
        f"declare it under a new name, or allow it with --allow-replace {change.address}",
    )


def _published_version(change: ResourceChange, context: SafetyContext) -> Block | None:
    if change.address not in context.published:
        return None
    definition = change.address.parent
    numbers = context.versions.get(definition, frozenset()) if definition else frozenset()
    proposal = next_version(numbers | {change.address.version})
    if change.reason is Reason.TAINTED:
        why = "a tainted version is only replaced when that is allowed"
    else:
        what = sorted({item.path.split(".")[0] for item in change.changes if not item.in_place})
        why = f"a published version cannot change its {', '.join(what)}"
    return Block(why, f"publish {proposal} instead, or --allow-replace {change.address}")


def next_version(numbers: frozenset[str]) -> str:
    """The patch release after the greatest of `numbers`, which must not be empty."""
    major, minor, patch = max(version_number(number) for number in numbers)
    return f"{major}.{minor}.{patch + 1}"


def region_removal(change: ResourceChange, context: SafetyContext) -> Block | None:
    """A region is removed from a published version only when the version's safety profile allows it.

    Source: the Compute Gallery REST specification, safetyProfile.allowDeletionOfReplicatedLocations.
    """
    if change.action is not Action.DELETE or not change.address.region or context.destroy:
        return None
    version = context.changes.get(change.address.unit)
    if version is not None and version.action in (Action.DELETE, Action.REPLACE, Action.FORGET):
        return None
    if change.address.unit in context.regions_removable:
        return None
    return Block(
        f"{change.address.unit} is published there and does not allow its regions to be removed",
        "set safety.allowDeletionOfReplicatedLocations: true on the version, or keep the region",
    )


def before_end_of_life(change: ResourceChange, context: SafetyContext) -> Block | None:
    """`safety.blockDeletionBeforeEndOfLife` as it was last applied.

    Source: the Compute Gallery troubleshooting documentation.
    """
    if change.action not in _DESTRUCTIVE or change.kind is not Kind.IMAGE_VERSION:
        return None
    prior = change.prior_attributes
    if prior.get("safety", {}).get("blockDeletionBeforeEndOfLife") is not True:
        return None
    end = prior.get("endOfLifeDate")
    if end is not None and datetime.fromisoformat(end) <= context.now:
        return None
    until = f"before its end of life, {end}" if end else "as it has no end of life"
    return Block(
        f"safety.blockDeletionBeforeEndOfLife: it must not be deleted {until}",
        "set safety.blockDeletionBeforeEndOfLife: false and apply that first",
    )


def retained_inside(change: ResourceChange, context: SafetyContext) -> Block | None:
    """A container cannot be deleted while something in it is kept."""
    if change.action not in _DESTRUCTIVE:
        return None
    kept = context.kept_inside.get(change.address)
    if kept is None:
        return None
    return Block(f"it contains {kept}, which is kept", f"keep {change.address} as well, or delete both")


def _holds(container: Address, address: Address) -> bool:
    here = address.parent
    while here is not None:
        if here == container:
            return True
        here = here.parent
    return False


RULES: tuple[Rule, ...] = (protected, published_replace, region_removal, before_end_of_life, retained_inside)


def first_block(change: ResourceChange, context: SafetyContext) -> Block | None:
    """The block of the first rule that objects to a change, or None."""
    for rule in RULES:
        if block := rule(change, context):
            return block
    return None


def blast_radius(changes: Mapping[Address, ResourceChange], recorded: int, allowed: int) -> Block | None:
    """More than 30 % of at least 10 recorded objects deleted or replaced needs `--allow-deletes` with their number."""
    count = sum(change.action in _DESTRUCTIVE and bool(change.prior) for change in changes.values())
    if recorded < 10 or count * 10 <= recorded * 3 or count <= allowed:
        return None
    return Block(
        f"{count} of {recorded} recorded objects would be deleted or replaced",
        f"if that is intended, allow it with --allow-deletes {count}",
    )

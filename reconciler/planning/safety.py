"""Safety rules: one function each, in one list. A rule looks at one change and returns why it is blocked, or None.

Rules fail closed: missing information counts against the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.manifests.address import Address, Kind, version_number
from reconciler.manifests.words import for_shell
from reconciler.planning.actions import Action, Block, EffectKind, Reason, ResourceChange

_DESTRUCTIVE = frozenset({Action.DELETE, Action.REPLACE})
_NAMED = 5
_REMOVABLE = "set safety.allowDeletionOfReplicatedLocations: true on the version"


@dataclass(frozen=True, slots=True)
class SafetyContext:
    """What rules may consider besides the change.

    `published` are the versions that exist and bear our mark, recorded or not, `versions` all version numbers of a
    definition, recorded or declared. `protected` are the destructive changes that the manifest, the record or the
    object itself forbids, `replaceable` the changes whose replacement was allowed. `kept_inside` maps a container to
    something in it that is kept although its document is gone, and `unmanaged_inside` to the names of what is not ours.
    `fixed_regions` are the regions that a backend neither removes nor replaces without the version's permission.
    """

    changes: Mapping[Address, ResourceChange]
    published: frozenset[Address]
    versions: Mapping[Address, frozenset[str]]
    protected: frozenset[Address]
    replaceable: frozenset[Address]
    kept_inside: Mapping[Address, Address]
    unmanaged_inside: Mapping[Address, tuple[str, ...]]
    fixed_regions: frozenset[Address]
    now: datetime


Rule = Callable[[ResourceChange, SafetyContext], Block | None]


def protected(change: ResourceChange, context: SafetyContext) -> Block | None:
    """`lifecycle.protect`, if the manifest, the record or the object says so. Damaged copies are repaired even so: what
    is protected are the bytes that were published."""
    if change.action not in _DESTRUCTIVE or change.address not in context.protected or repairs(change):
        return None
    return Block(
        f"{change.address} is protected",
        f"to {change.action} it, set lifecycle.protect: false and apply that first",
    )


def repairs(change: ResourceChange) -> bool:
    """Whether a change only makes damaged copies again, from the bytes that were published; not where they go with a
    container that is replaced, which is a cause."""
    damaged = change.action is Action.REPLACE and change.reason is Reason.DAMAGED
    return bool(change.address.region) and damaged and not change.causes


def published_replace(change: ResourceChange, context: SafetyContext) -> Block | None:
    """A published version, or what contains one, is replaced only when that was allowed."""
    if change.action is not Action.REPLACE or change.reason is Reason.CONTAINER or change.address.region:
        return None
    if change.address in context.replaceable:
        return None
    if change.kind is Kind.IMAGE_VERSION:
        return _published_version(change, context)
    held = [version for version in context.published if _holds(change.address, version)]
    if not held:
        return None
    return Block(
        f"replacing it would delete {len(held)} published version{'s' if len(held) > 1 else ''}"
        f", including {min(held, key=lambda address: address.sort_key)}",
        f"declare it under a new name, or allow it with --allow-replace {for_shell(change.address)}",
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
    return Block(why, f"publish {proposal} instead, or --allow-replace {for_shell(change.address)}")


def next_version(numbers: frozenset[str]) -> str:
    """The patch release after the greatest of `numbers`, which must not be empty."""
    major, minor, patch = max(version_number(number) for number in numbers)
    return f"{major}.{minor}.{patch + 1}"


def effects(change: ResourceChange, _context: SafetyContext) -> Block | None:
    """What a change does to those who use the images needs consent by name.

    Source: the Compute Gallery REST specification for safetyProfile.allowDeletionOfReplicatedLocations.
    """
    refused = [effect for effect in change.effects if not effect.consent]
    if not refused:
        return None
    return Block("; ".join(effect.text for effect in refused), _remedy(change))


def _remedy(change: ResourceChange) -> str:
    """What consents to exactly the effects of a change."""
    address, by_name = change.address, f"--allow-loss {for_shell(change.address)}"
    if change.action is Action.REPLACE:
        by_name = f"--allow-replace {for_shell(address)}"
    lost = any(effect.kind is EffectKind.LAST_COPY and not effect.consent for effect in change.effects)
    if address.region and change.action in _DESTRUCTIVE and not lost:
        return f"{_REMOVABLE}, or allow it with {by_name}"
    if change.action is Action.DELETE and not address.region:
        return f"keep its document; or write kind: Removed with destroy: true for it, or allow it with {by_name}"
    return f"if that is intended, allow it with {by_name}"


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


def fixed_region(change: ResourceChange, context: SafetyContext) -> Block | None:
    """A region that the service would refuse to remove, whoever consents.

    Source: the Compute Gallery REST specification for safetyProfile.allowDeletionOfReplicatedLocations.
    """
    if change.address not in context.fixed_regions:
        return None
    return Block(f"{change.address.unit} does not allow its regions to be removed", _REMOVABLE)


def unmanaged_inside(change: ResourceChange, context: SafetyContext) -> Block | None:
    """A container cannot be deleted while it contains something that is not ours."""
    names = context.unmanaged_inside.get(change.address, ())
    if change.action not in _DESTRUCTIVE or not names:
        return None
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return Block(
        f"it contains what is not managed here: {shown}",
        f"move it away or delete it yourself, or keep {change.address}; to see all: reconciler drift --unmanaged",
    )


RULES: tuple[Rule, ...] = (
    protected,
    before_end_of_life,
    retained_inside,
    unmanaged_inside,
    fixed_region,
    published_replace,
    effects,
)
"""What no option lifts comes first: a consent that would not help is not asked for."""


def first_block(change: ResourceChange, context: SafetyContext) -> Block | None:
    """The block of the first rule that objects to a change, or None."""
    for rule in RULES:
        if block := rule(change, context):
            return block
    return None


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of an estate a plan takes away: the objects to be deleted or replaced, and the records to be forgotten
    without anyone having said so by name, of all that are `recorded`. `declared` is False when the manifests declare
    nothing at all."""

    recorded: int
    removed: int
    forgotten: int
    declared: bool = True


def blast_radius(reach: Reach, allowed: int, *, destroy: bool) -> Block | None:
    """What needs `--allow-deletes` with a number: more than 30 % of at least 10 recorded objects deleted, replaced or
    forgotten, all records of a smaller estate forgotten, and anything at all where the manifests declare nothing.

    Forgetting counts as deleting: what is not found may be on a disk that is not mounted. `destroy` says by itself that
    everything is to be deleted, not that it is already gone.
    """
    count = reach.forgotten if destroy else reach.removed + reach.forgotten
    if not count or count <= allowed:
        return None
    number = f"{count} of {reach.recorded} recorded objects"
    if not reach.declared and not destroy:
        return Block(
            f"the manifests declare nothing, and {number} would be deleted or forgotten",
            "check that the files are where reconciler.yaml looks for them; to delete everything: reconciler destroy;"
            f" to apply this even so: --allow-deletes {count}",
        )
    small = reach.recorded < _SMALL
    if reach.forgotten != reach.recorded if small else count * 10 <= reach.recorded * 3:
        return None
    if reach.forgotten == count:
        return Block(
            f"{number} would be forgotten",
            "check that everything is mounted and reachable; "
            f"if that is intended, allow it with --allow-deletes {count}",
        )
    what = "deleted, replaced or forgotten" if reach.forgotten else "deleted or replaced"
    return Block(f"{number} would be {what}", f"if that is intended, allow it with --allow-deletes {count}")


_SMALL = 10
"""With fewer records than this, shares say nothing: every plan would be over the limit."""

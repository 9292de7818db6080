"""What is not ours in the objects that a plan deletes or replaces: found before anything is deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from reconciler.manifests.address import Address
from reconciler.naming.object_names import containers
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.draft import Draft
from reconciler.planning.plan import Plan
from reconciler.planning.safety import repairs
from reconciler.providers.protocol import Observed


def has_to_look_inside(plan: Plan) -> bool:
    """Whether a plan removes objects, so that what is not ours in them has to be known."""
    removing = (Action.DELETE, Action.REPLACE)
    return any(change.action in removing and change.prior and not repairs(change) for change in plan.changes)


def strangers_inside(draft: Draft, removing: Iterable[ResourceChange]) -> Mapping[Address, tuple[str, ...]]:
    """Every container or region that goes -> the names of what is not ours in it, sorted; with the outermost one."""
    going = {change.named or change.address: change.address for change in removing if not repairs(change)}
    inside: dict[Address, set[str]] = defaultdict(set)
    for stranger in draft.inputs.world.unmanaged if going else ():
        above = (*containers(stranger.address), *(() if _is_object(stranger) else (stranger.address,)))
        outermost = next((name for name in above if name in going), None)
        if outermost is not None and (_is_object(stranger) or _is_in_the_way(stranger, going)):
            inside[going[outermost]].add(stranger.object_id or str(stranger.address))
    return {address: tuple(sorted(names)) for address, names in inside.items()}


def _is_object(stranger: Observed) -> bool:
    """Whether it is a gallery, definition, version or region of someone; else it is a file or volume."""
    return stranger.mark is not None or stranger.canonical != "{}"


def _is_in_the_way(stranger: Observed, going: Mapping[Address, Address]) -> bool:
    """Whether a file or volume is inside one of our regions that goes; others stay where they are, and do no harm."""
    return bool(stranger.defects) and stranger.address in going

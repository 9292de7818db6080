"""One object, one address: refuses moves that cannot be made, and addresses whose name another object bears."""

from __future__ import annotations

from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic, Position, error
from reconciler.manifests.words import for_shell
from reconciler.naming.object_names import containers
from reconciler.planning.draft import Draft


def refuse_moves(draft: Draft) -> None:
    """Adds an error for each move that cannot be made."""
    for refused in draft.inputs.moves.refused:
        origin = refused.move.origin
        position = Position(origin.file, origin.line)
        draft.errors.append(error(refused.why, refused.remedy, address=refused.move.source, position=position))


def refuse_taken_names(draft: Draft) -> frozenset[Address]:
    """Adds an error for each declared address whose name at the provider is that of an object recorded under another
    address, and returns these addresses with everything in them. There are none where nothing was ever moved."""
    if not draft.names:
        return frozenset()
    owners = _owners(draft)
    recorded = set(owners.values())
    taken = {
        address: owner
        for address in draft.inputs.manifest.resources
        if (owner := owners.get(draft.names.name(address), address)) != address and address not in recorded
    }
    refused = taken.keys() | {
        address
        for address in draft.inputs.manifest.resources
        if any(container in taken for container in containers(address))
    }
    draft.errors += [
        _taken(draft, address, owner)
        for address, owner in sorted(taken.items())
        if not any(container in taken for container in containers(address))
    ]
    return frozenset(refused)


def _owners(draft: Draft) -> dict[Address, Address]:
    """Object name -> the address that the object is recorded under."""
    state = draft.inputs.state
    return {draft.names.name(address): address for address in (*state.intents, *state.records)}


def _taken(draft: Draft, address: Address, owner: Address) -> Diagnostic:
    resource = draft.inputs.manifest.resources[address]
    declared = owner in draft.inputs.manifest.resources
    if declared:
        remedy = "choose another name"
    else:
        rename = f"reconciler state mv {for_shell(owner)} {for_shell(address)}"
        remedy = f"if it is that object, declare it as {owner}, or rename its record: {rename}"
    return error(
        f"the object called {address} is recorded as {owner}: one object cannot have two addresses",
        remedy,
        address=address,
        position=resource.position,
    )

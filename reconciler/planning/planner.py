"""`make_plan`: the stages from the desired, recorded and observed worlds to a plan. Pure: no I/O and no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.graph import check_references, declared_references
from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.manifest import Removal
from reconciler.naming.object_names import containers, within
from reconciler.planning.actions import Action, Cause, Reason, ResourceChange
from reconciler.planning.checks import feasibility, image_contents, retired_sources
from reconciler.planning.checks.forgotten_moves import forgotten_moves
from reconciler.planning.checks.names import refuse_moves, refuse_taken_names
from reconciler.planning.checks.other_runs import other_runs
from reconciler.planning.costs import bound_to_sources, copies_and_bytes, dependencies, removals
from reconciler.planning.decisions import Node, decide, unchanged
from reconciler.planning.draft import Draft, PlanInputs, start_draft
from reconciler.planning.guard.context import reach_of, safety_context
from reconciler.planning.guard.copies import Copies, latest_moves, published_copies
from reconciler.planning.guard.effects import effects_of
from reconciler.planning.guard.staging import fixed_home_regions, replaced_for_home, stage_replacements
from reconciler.planning.plan import Plan
from reconciler.planning.safety import blast_radius, first_block
from reconciler.planning.selection import asked_for, selected
from reconciler.planning.sources import changed_sources, version_references
from reconciler.providers.protocol import Condition


def make_plan(inputs: PlanInputs) -> Plan:
    """The plan for these inputs.

    Raises: ReferenceCycle when declared versions are built from each other.
    """
    draft = start_draft(inputs)
    refuse_moves(draft)
    _decide_nodes(draft)
    _replace_with_homes(draft)
    _cascade_replaces(draft)
    _select(draft)
    _find_problems(draft)
    _check_options(draft)
    before = _guard(draft)
    _add_costs(draft)
    draft.changes |= bound_to_sources(draft.changes, draft.records, inputs.sources)
    return _finished(draft, before)


def _decide_nodes(draft: Draft) -> None:
    inputs = draft.inputs
    kept = () if inputs.options.destroy else inputs.manifest.removals
    addresses = draft.records.keys() | inputs.state.intents.keys()
    if not inputs.options.destroy:
        addresses |= inputs.manifest.resources.keys() - refuse_taken_names(draft)
    for address in addresses:
        node = draft.node(address)
        if unchanged(node) and not changed_sources(inputs.sources.get(address)):
            draft.unchanged.add(address)
        elif why := inputs.world.why_unknown(node.named or address):
            draft.unreachable[address] = why
        elif node.resource is None and (removal := _removal(address, kept)) and not removal.destroy:
            draft.changes[address] = _forgotten(node)
        else:
            _record_decision(draft, node)
    if not inputs.options.destroy:
        _check_cycles(draft)


def _record_decision(draft: Draft, node: Node) -> None:
    if node.observed is not None and node.observed.condition is Condition.BUSY:
        draft.unreachable[node.address] = "the provider is still working on it"
        return
    decision = _decide(draft, node)
    if isinstance(decision, Diagnostic):
        draft.errors.append(decision)
    elif decision.action is Action.NO_OP:
        draft.unchanged.add(node.address)
    elif decision.reason is Reason.REREAD:
        draft.unchanged.add(node.address)
        draft.reread[node.address] = decision
    else:
        if draft.inputs.options.destroy and decision.action is Action.DELETE:
            decision = replace(decision, reason=Reason.DESTROY)
        if decision.reason in _OF_EARLIER_RUNS and node.address.gallery in draft.inputs.busy:
            decision = replace(decision, reason=Reason.RUNNING)
        draft.changes[node.address] = decision


_OF_EARLIER_RUNS = frozenset({Reason.INTERRUPTED, Reason.UNFINISHED})


def _decide(draft: Draft, node: Node) -> ResourceChange | Diagnostic:
    return decide(node, draft.planned_attributes)


def _removal(address: Address, removals: Iterable[Removal]) -> Removal | None:
    return next((removal for removal in removals if within(address, removal.address)), None)


def _forgotten(node: Node) -> ResourceChange:
    record = node.record
    provider = record.provider if record else node.intent.provider if node.intent else ""
    return ResourceChange(
        node.address, Action.FORGET, Reason.REMOVED, provider, prior=node.prior if node.present else ""
    )


def _check_cycles(draft: Draft) -> None:
    """Raises: ReferenceCycle, for references as declared and as `latest` was pinned."""
    resources = draft.inputs.manifest.resources
    declared = set(declared_references(resources))
    pinned = {
        (reference, address)
        for address, change in draft.changes.items()
        if change.planned and change.kind is Kind.IMAGE_VERSION
        for reference in version_references(change.planned_attributes)
    }
    check_references(declared | pinned, lambda member: str(resources[member].position) if member in resources else "")


def _replace_with_homes(draft: Draft) -> None:
    """A version is replaced when its home region has to be, where the backend cannot do that region alone."""
    for version, home in list(fixed_home_regions(draft)):
        change = draft.changes.get(version)
        if change is None and version in draft.unchanged:
            change = _no_op(draft, version)
        if change is not None:
            draft.unchanged.discard(version)
            draft.changes[version] = replaced_for_home(change, home)


def _cascade_replaces(draft: Draft) -> None:
    """Everything in a container that is replaced is deleted before it and created again after it."""
    roots = {
        change.address: change
        for change in draft.changes.values()
        if change.action is Action.REPLACE and not change.address.region
    }
    if not roots:
        return
    for address in [*draft.changes, *draft.unchanged]:
        root = next((roots[above] for above in containers(address) if above in roots), None)
        if root is None:
            continue
        change = draft.changes.get(address) or _no_op(draft, address)
        if change.action in _CASCADED:
            draft.unchanged.discard(address)
            draft.changes[address] = _replaced_with(change, root)


_CASCADED = frozenset({Action.NO_OP, Action.UPDATE, Action.RECORD, Action.ADOPT, Action.REPLACE})
"""The actions that become a replacement when the container is replaced; others have no object to keep."""


def _no_op(draft: Draft, address: Address) -> ResourceChange:
    """The decision about an unchanged node, which is not kept as hardly any plan needs it."""
    decision = _decide(draft, draft.node(address))
    if isinstance(decision, Diagnostic):
        raise ValueError(f"{address} was unchanged and is refused: {decision}. This is a bug.")  # noqa: TRY004
    return decision


def _replaced_with(change: ResourceChange, root: ResourceChange) -> ResourceChange:
    cause = Cause(root.address, root.action, root.reason)
    if change.action is Action.REPLACE and change.reason is not Reason.CONTAINER:
        return replace(change, causes=(*change.causes, cause))
    return replace(change, action=Action.REPLACE, reason=Reason.CONTAINER, causes=(cause, *root.causes))


def _select(draft: Draft) -> None:
    options = draft.inputs.options
    if not (options.targets or options.excludes):
        return
    wanted = selected(draft.changes, draft.unreachable.keys(), options.targets, options.excludes)
    draft.changes = {address: change for address, change in draft.changes.items() if address in wanted}
    draft.errors = [
        problem
        for problem in draft.errors
        if problem.address and asked_for(problem.address, options.targets, options.excludes)
    ]
    draft.unreachable = {
        address: why
        for address, why in draft.unreachable.items()
        if asked_for(address, options.targets, options.excludes)
    }


def _check_options(draft: Draft) -> None:
    """Every pattern and address must match something: a misspelt one would otherwise silently do nothing."""
    options, known = draft.inputs.options, draft.records.keys() | draft.inputs.manifest.resources.keys()
    for option, patterns in (("--target", options.targets), ("--exclude", options.excludes)):
        for pattern in patterns:
            if not any(address.matches(pattern) for address in known):
                draft.errors.append(feasibility.names_nothing(option, pattern, known))
    for option, addresses in (("--allow-replace", options.allow_replace), ("--allow-loss", options.allow_loss)):
        for text in addresses:
            if not any(str(address) == text for address in known):
                draft.errors.append(feasibility.names_nothing(option, text, known))


def _find_problems(draft: Draft) -> None:
    """What the backends do not support, sources that cannot be used, and ends of life that have passed."""
    inputs = draft.inputs
    declared = {} if inputs.options.destroy else inputs.manifest.resources
    for change in list(draft.changes.values()):
        draft.errors += retired_sources.shallow_children(change, declared)
        if not change.planned or change.action in (Action.ADOPT, Action.RECORD):
            continue
        capabilities, checks = inputs.capabilities.get(change.provider), inputs.sources.get(change.address, {})
        if capabilities is not None:
            draft.errors += feasibility.unsupported(change, capabilities)
            draft.errors += feasibility.unlike_sources(change, capabilities, inputs.manifest.resources)
            draft.errors += image_contents.oversized(change, checks, capabilities)
        draft.errors += feasibility.unusable_sources(change, checks)
        draft.errors += feasibility.unlike_firmware(change, checks, declared)
        draft.warnings += feasibility.source_warnings(change, checks)
        draft.warnings += image_contents.contradictions(change, checks, declared)
        draft.errors += feasibility.past_end_of_life(change, inputs.now)
        draft.errors += feasibility.unpinned(change)
        draft.errors += retired_sources.undeclared_sources(change, declared, inputs.state.records)

    for problem in forgotten_moves(draft):
        (draft.errors if problem.severity == "error" else draft.warnings).append(problem)


def _guard(draft: Draft) -> Mapping[Address, Copies]:
    """Adds to every change what it does to users of the images, and why it is blocked. Returns the published copies
    before the plan."""
    stage_replacements(draft)
    before = published_copies(draft)
    for address, effects in effects_of(draft, before).items():
        draft.changes[address] = replace(draft.changes[address], effects=effects)
    context = safety_context(draft)
    for address, change in draft.changes.items():
        if block := first_block(change, context):
            draft.changes[address] = replace(change, block=block)
    return before


def _add_costs(draft: Draft) -> None:
    """Adds what every planned change depends on, and the copies and bytes of those in regions."""
    for address, change in draft.changes.items():
        if not change.planned:
            continue
        copies, size = 0, 0
        if address.region:
            copies, size = copies_and_bytes(change, draft.changes, draft.records, draft.inputs.sources)
        needed, removed = dependencies(change), removals(change, draft.inputs.sources)
        if (copies, needed, removed) != (0, change.dependencies, ()):
            draft.changes[address] = replace(
                change, dependencies=needed, copies=copies, move_bytes=size, removes=removed
            )


def _finished(draft: Draft, before: Mapping[Address, Copies]) -> Plan:
    inputs = draft.inputs
    block = blast_radius(reach_of(draft), inputs.options.allow_deletes, destroy=inputs.options.destroy)
    return Plan(
        changes=tuple(draft.changes[address] for address in sorted(draft.changes, key=lambda a: a.sort_key)),
        unchanged=len(draft.unchanged),
        reread=tuple(
            draft.reread[address]
            for address in sorted(draft.reread, key=lambda a: a.sort_key)
            if address in draft.unchanged
        ),
        latest=latest_moves(draft, before, with_blocked=False),
        lineage=inputs.state.lineage,
        serial=inputs.state.serial,
        manifest_digest=inputs.manifest.digest,
        options=inputs.options,
        errors=tuple(sorted(draft.errors, key=_problem_order)),
        warnings=(*inputs.manifest.warnings, *draft.warnings, *other_runs(draft.changes, inputs.busy)),
        blocks=(block,) if block else (),
        unreachable=tuple(sorted(draft.unreachable.items())),
        moves=tuple(sorted(inputs.moves.renames.items())),
        rewritten=tuple(sorted(inputs.moves.rewritten)),
    )


def _problem_order(problem: Diagnostic) -> tuple[object, ...]:
    return (problem.address.sort_key if problem.address else (), problem.summary)

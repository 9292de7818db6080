"""The order in which a backend that does an operation by itself does its steps, and what a failure means for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Applied, Operation, Results, Step, Verb

COPYING = (Verb.CREATE, Verb.REPLACE)
"""What fills a target region."""

Result = Applied | ProviderError
Copied = tuple[Results, Mapping[str, Any] | None]
"""A result for each region that was to be filled; what is to be recorded of the disks, None when nothing is new."""


def do_steps(
    operation: Operation,
    fill: Callable[[Sequence[Step]], Copied],
    write: Callable[[Step, Mapping[str, Any] | None], Applied],
    change: Callable[[Step], Applied],
) -> Results:
    """The results of an operation. `fill` makes all target regions that need content at once. `write` then does the
    unit's own step, with what is computed of it (None: as it was), and `change` the others, one at a time in order."""
    steps = operation.steps
    filling = [step for step in steps if step.address.region and step.verb in COPYING]
    own = own_step(operation)
    filled, disks = fill(filling) if filling else ({}, None)
    results = dict(filled)
    if own is not None:
        computed = {"disks": disks} if disks else None
        results[own.address] = _none_filled(own, filled) or result_of(partial(write, own, computed))
    for step in steps:
        if step not in filling and step is not own:
            results[step.address] = _still_inside(step, results) or result_of(partial(change, step))
    return results


def own_step(operation: Operation) -> Step | None:
    """The step that writes the unit itself, if there is one."""
    return next((step for step in operation.steps if not step.address.region and step.verb is not Verb.DELETE), None)


def result_of(do: Callable[[], Applied]) -> Result:
    """What doing something comes to: its failure is a result, too."""
    try:
        return do()
    except ProviderError as error:
        return error


def _none_filled(own: Step, filled: Results) -> ProviderError | None:
    """A version none of whose regions could be made is not made either."""
    errors = [result for result in filled.values() if isinstance(result, ProviderError)]
    return errors[0] if own.verb is Verb.CREATE and errors and len(errors) == len(filled) else None


def _still_inside(step: Step, results: Results) -> ProviderError | None:
    """A version stays as long as one of its regions could not be deleted, and for the same reason."""
    if step.verb is not Verb.DELETE or step.address.region:
        return None
    return next((result for result in results.values() if isinstance(result, ProviderError)), None)

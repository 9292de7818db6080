"""The order of steps in backends that run whole operations themselves, and what one failure means for other steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Applied, Operation, Results, Step, Verb

COPYING = (Verb.CREATE, Verb.REPLACE)
"""The verbs of steps that fill a target region."""

Result = Applied | ProviderError
Copied = tuple[Results, Mapping[str, Any] | None]
"""A result for each region to be filled, and the facts to record for the disks; None if there are no new ones."""


def do_steps(
    operation: Operation,
    fill: Callable[[Sequence[Step]], Copied],
    write: Callable[[Step, Mapping[str, Any] | None], Applied],
    change: Callable[[Step], Applied],
) -> Results:
    """The results of an operation. `fill` creates all target regions that need content together. Then `write` does the
    unit's own step, with its computed part (None: unchanged), and `change` the other steps, one by one in order."""
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
            results[step.address] = _prevented(step, own, results) or result_of(partial(change, step))
    return results


def own_step(operation: Operation) -> Step | None:
    """The step that writes the unit itself; None if there is none."""
    return next((step for step in operation.steps if not step.address.region and step.verb is not Verb.DELETE), None)


def result_of(do: Callable[[], Applied]) -> Result:
    """The result of doing a step; a failure is a result as well."""
    try:
        return do()
    except ProviderError as error:
        return error


def applied(object_id: str, fingerprint: str, planned: Attributes, computed: Mapping[str, Any]) -> Applied:
    """The result of a step after which the object is as planned."""
    return Applied(object_id, fingerprint, canonical_json(planned), canonical_json(computed))


def not_replaced(address: Address, failed: Address, why: object) -> ProviderError:
    """The failure of a part of a version that is as it was, because another part could not be replaced."""
    message = why.message if isinstance(why, ProviderError) else str(why)
    remedy = why.remedy if isinstance(why, ProviderError) else ""
    return ProviderError(f"{address} was left as it is, because {failed} cannot be replaced: {message}", remedy)


def vanished(address: Address) -> ProviderError:
    """The failure of a step that changes an object which no longer exists."""
    return ProviderError(f"{address} no longer exists", "plan again: it will be recreated")


def _none_filled(own: Step, filled: Results) -> ProviderError | None:
    """The failure of a new version whose regions all failed: it is not created either. One that is replaced is not if
    one of its regions failed."""
    errors = [result for result in filled.values() if isinstance(result, ProviderError)]
    if own.verb is Verb.REPLACE:
        return next(iter(errors), None)
    return errors[0] if own.verb is Verb.CREATE and errors and len(errors) == len(filled) else None


def _prevented(step: Step, own: Step | None, results: Results) -> ProviderError | None:
    """The failure of a step because of another one: a version is not deleted while one of its regions could not be, and
    what a replaced version no longer has stays if it could not be replaced."""
    if own is not None and own.verb is Verb.REPLACE:
        error = results[own.address]
        return not_replaced(step.address, own.address, error) if isinstance(error, ProviderError) else None
    if step.verb is not Verb.DELETE or step.address.region:
        return None
    return next((result for result in results.values() if isinstance(result, ProviderError)), None)

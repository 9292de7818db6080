"""A run for people: a line for each unit that has ended, and how the run ended."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.applying.apply import ApplyResult
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.actions import Action
from reconciler.providers.errors import ContractViolation, ObjectConflict, SourceError, Unavailable, Unsupported
from reconciler.providers.protocol import Step, Verb
from reconciler.views.run_reporter import RunReporter
from reconciler.views.terminal.lines import BLANK, Line, Span, line, paragraph
from reconciler.views.terminal.output import Output
from reconciler.views.terminal.units import human_bytes, plural, seconds_text
from reconciler.views.text.diagnostics import remedy_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.planning.plan import Plan

_PAST = {
    Verb.CREATE: ("+", "created", "add"),
    Verb.UPDATE: ("~", "updated", "change"),
    Verb.REPLACE: ("±", "replaced", "change"),
    Verb.DELETE: ("-", "deleted", "remove"),
}
_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.REPLACE: "replaced",
    Action.DELETE: "deleted",
    Action.ADOPT: "adopted",
    Action.RECORD: "recorded",
    Action.FORGET: "forgotten",
}
_KINDS: Mapping[type[ReconcilerError], str] = {
    Unavailable: "unreachable",
    ObjectConflict: "conflict",
    SourceError: "source",
    Unsupported: "not supported",
    ContractViolation: "a bug",
}
"""The kind of failure, in a word; the rest is in the summary at the end."""
_LONG_S = 1.0
_NAMED = 3
AGAIN = "Completed changes are recorded. Run apply again for the rest."


class PlainReporter(RunReporter):
    """Writes a line for each unit that has ended, for each failed step as soon as it fails, and for a copy that takes
    more than a second."""

    def __init__(self, output: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self.output = output
        self.clock = clock
        self.since: dict[Address, float] = {}
        self._open: dict[Address, dict[Address, Step]] = defaultdict(dict)
        self._over: dict[Address, list[Step]] = defaultdict(list)
        self._copying: set[Address] = set()

    def shown(self, plan: Plan) -> None:
        if plan.changes:
            self.output.lines([BLANK])

    def waiting(self, message: str) -> None:
        self.output.lines(paragraph(message, self.output.width))

    def started(self, step: Step) -> None:
        self.since[step.address] = self.clock()
        self._open[step.address.unit][step.address] = step

    def progress(self, address: Address, done: int, total: int) -> None:
        since = self.since.get(address)
        if since is not None and done < total and self.clock() - since > _LONG_S and address not in self._copying:
            self._copying.add(address)
            size = f"{human_bytes(done)} of {human_bytes(total)}"
            self.output.lines([line(Span("   copying   ", "dim"), f"{address}  {size}")])

    def finished(self, step: Step, seconds: float) -> None:
        self._over[step.address.unit].append(step)
        self._close(step, seconds)

    def failed(self, step: Step, error: ReconcilerError) -> None:
        kind = _KINDS.get(type(error), "")
        subject = Span(str(step.address), "subject")
        self.output.lines([line(Span(" ! failed    ", "danger"), subject, f"  {kind}" if kind else "")])
        self._close(step, self.clock() - self.since.get(step.address, self.clock()))

    def interrupted(self, running: int) -> None:
        what = f"waiting for {plural(running, 'running operation')}" if running else "nothing is running"
        again = (
            " Press Ctrl-C again to leave at once; the next apply picks up what is still running." if running else ""
        )
        self.output.lines([BLANK, *paragraph(f"Stopping: {what}.{again}", self.output.width)])

    def _close(self, step: Step, seconds: float) -> None:
        unit = step.address.unit
        self._open[unit].pop(step.address, None)
        if not self._open[unit]:
            del self._open[unit]
            if over := self._over.pop(unit, []):
                self.unit_over(unit, over, seconds)

    def unit_over(self, unit: Address, steps: list[Step], seconds: float) -> None:
        """All steps of a unit have ended; `steps` are those that succeeded."""
        self.output.lines([_unit_line(unit, steps, seconds)])


def _unit_line(unit: Address, steps: list[Step], seconds: float) -> Line:
    own = next((step.verb for step in steps if step.address == unit), None)
    verbs = {step.verb for step in steps}
    symbol, label, style = _PAST[own or (verbs.pop() if len(verbs) == 1 else Verb.UPDATE)]
    regions = " ".join(f"@{step.address.region}" for step in steps if step.address.region)
    took = seconds_text(seconds) if seconds >= _LONG_S else ""
    rest = "  ".join(filter(None, [regions, took]))
    return line(Span(f" {symbol} {label.ljust(10)}", style), Span(str(unit), "subject"), f"  {rest}" if rest else "")


def result_lines(result: ApplyResult, seconds: float, width: int) -> Iterator[Line]:
    """What was also removed, each failure once with its remedy and everything it affects, what was skipped, and one
    line of counts."""
    yield from (line(Span(f" - {'removed'.ljust(10)}", "danger"), Span(what, "subject")) for what in result.removed)
    yield BLANK
    for (message, remedy), addresses in failures(result).items():
        yield from _failure(addresses, message, remedy, width)
    for because, addresses in skips(result).items():
        yield from paragraph(f"skipped, because {because} failed: {some(addresses)}", width)
    if result.skipped:
        yield BLANK
    if result.left:
        names = some(result.left)
        yield from paragraph(f"Still running: {names}. The next apply picks them up.", width)
        yield BLANK
    for text in latest_texts(result):
        yield from paragraph(f"latest is not as planned: {text}", width)
    if result.latest:
        yield BLANK
    head = Span(ending(result), "good" if result.complete else "danger")
    yield line(head, ": ", " · ".join([*result_counts(result), seconds_text(seconds)]))
    if not result.complete:
        yield from paragraph(AGAIN, width)


def ending(result: ApplyResult) -> str:
    """`Done`, `Interrupted` or `Incomplete`."""
    if result.complete:
        return "Done"
    return "Interrupted" if result.interrupted else "Incomplete"


def failures(result: ApplyResult) -> Mapping[tuple[str, str], list[Address]]:
    """(message, remedy) -> the addresses that failed with it."""
    addresses: dict[tuple[str, str], list[Address]] = defaultdict(list)
    for address, error in result.failed:
        addresses[error.message, error.remedy].append(address)
    return addresses


def skips(result: ApplyResult) -> Mapping[Address, list[Address]]:
    """The address that failed -> the addresses that were skipped because of it."""
    addresses: dict[Address, list[Address]] = defaultdict(list)
    for address, because in result.skipped:
        addresses[because].append(address)
    return addresses


def latest_texts(result: ApplyResult) -> Iterator[str]:
    """`corp/web eastus 1.0.0 instead of 1.1.0`: where latest did not become what was planned, regions together."""
    regions: dict[tuple[Address, str | None, str | None], list[str]] = defaultdict(list)
    for missed in result.latest:
        regions[missed.definition, missed.found, missed.planned].append(missed.region)
    for (definition, found, planned), names in regions.items():
        yield f"{definition} {', '.join(names)} {found or 'none'} instead of {planned or 'none'}"


def _failure(addresses: list[Address], message: str, remedy: str, width: int) -> Iterator[Line]:
    """The addresses come first, unless there is one and the message begins with it."""
    repeated = len(addresses) == 1 and message.startswith(f"{addresses[0]} ")
    named = "" if repeated else f"{', '.join(map(str, addresses))}: "
    first, *rest = paragraph(f"failed: {named}{message}", width)
    yield line(Span("failed:", "danger"), first[1].text.removeprefix("failed:"))
    yield from rest
    yield from remedy_lines(remedy, width)
    yield BLANK


def some(addresses: list[Address] | tuple[Address, ...]) -> str:
    """The first few, and how many more."""
    more = f" and {len(addresses) - _NAMED:,} more" if len(addresses) > _NAMED else ""
    return ", ".join(str(address) for address in addresses[:_NAMED]) + more


def result_counts(result: ApplyResult) -> Iterator[str]:
    """`3 created`, `1 failed`, `2 still running`: how many of each."""
    done: Mapping[Action, int] = result.done
    if result.removed:
        yield f"{len(result.removed):,} removed"
    yield from (f"{done[action]:,} {past}" for action, past in _DONE.items() if done.get(action))
    others = {"failed": result.failed, "skipped": result.skipped, "still running": result.left}
    yield from (f"{len(addresses):,} {what}" for what, addresses in others.items() if addresses)

"""The run behind `apply` and `destroy`: shows the plan, asks, applies, and says how it ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.cli.interrupts import Signals
from reconciler.cli.session import Exit, Session, heading_of
from reconciler.manifests.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.applying.apply import ApplyResult
    from reconciler.applying.context import Interrupt
    from reconciler.engine import AppliedPlan, Engine
    from reconciler.planning.plan import Plan
    from reconciler.reporting import Reporter
    from reconciler.views.terminal.output import Output
    from reconciler.views.text.apply import PlainReporter

Approve = Callable[["Plan"], bool]
Call = Callable[["Engine", Approve, "Interrupt"], "AppliedPlan"]
"""Applies something: is given the engine, whom to ask, and what says that it is to stop."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run speaks. `question` is asked unless `approved`."""

    approved: bool
    json: bool
    verbose: bool
    question: str = "Apply this?"


def run(session: Session, manner: Manner, call: Call) -> Exit:
    """Does it. Raises: ReconcilerError when it does not come to an end of its own."""
    require_an_answer(manner)
    return _run_json(session, call) if manner.json else _run_text(session, manner, call)


def require_an_answer(manner: Manner) -> None:
    """Raises: ReconcilerError when a question would have to be asked and nobody can answer it."""
    if manner.approved:
        return
    if manner.json:
        raise ReconcilerError("--json leaves no place for a question", "add --auto-approve, or apply a saved plan")
    if not sys.stdin.isatty():
        raise ReconcilerError(
            "nobody can be asked: the standard input is not a terminal", "add --auto-approve, or apply a saved plan"
        )


def _run_json(session: Session, call: Call) -> Exit:
    from reconciler.applying.context import Interrupt
    from reconciler.errors import PlanRefused
    from reconciler.views.formats.json_lines import JsonReporter, plan_event, result_event, write_event

    interrupt = Interrupt()
    with Signals(interrupt) as signals, session.engine(JsonReporter(sys.stdout)) as engine:

        def approve(plan: Plan) -> bool:
            write_event(sys.stdout, plan_event(plan, engine.project.environment))
            signals.begin()
            return True

        try:
            applied = call(engine, approve, interrupt)
        except PlanRefused as refused:
            write_event(sys.stdout, plan_event(refused.plan, engine.project.environment))
            raise
        if not applied.plan.changes:
            write_event(sys.stdout, plan_event(applied.plan, engine.project.environment))
        write_event(sys.stdout, result_event(applied.result))
        leave_at_once_if_asked(interrupt)
    return _code(applied.result)


def _run_text(session: Session, manner: Manner, call: Call) -> Exit:
    from reconciler.applying.context import Interrupt
    from reconciler.errors import PlanRefused

    interrupt, output = Interrupt(), session.output
    reporter = _reporter(output, session.errors)
    began = time.monotonic()
    with Signals(interrupt) as signals, session.engine(reporter) as engine:

        def approve(plan: Plan) -> bool:
            nonlocal began
            _show(plan, engine, reporter, output, verbose=manner.verbose)
            _expect(reporter, plan)
            if not manner.approved and not _asked(manner.question):
                return False
            began = time.monotonic()
            signals.begin()
            return True

        try:
            applied = call(engine, approve, interrupt)
        except PlanRefused as refused:
            _show(refused.plan, engine, reporter, output, verbose=manner.verbose)
            raise
        finally:
            reporter.close()
        if not applied.plan.changes:
            _show(applied.plan, engine, reporter, output, verbose=manner.verbose)
        _tell_result(applied, time.monotonic() - began, output)
        leave_at_once_if_asked(interrupt)
    return Exit.ERROR if applied.declined else _code(applied.result)


def _reporter(output: Output, errors: Output) -> PlainReporter:
    from reconciler.views.text.apply import PlainReporter
    from reconciler.views.text.apply_bars import TerminalReporter

    return TerminalReporter(output, errors) if output.terminal else PlainReporter(output)


def _expect(reporter: Reporter, plan: Plan) -> None:
    from reconciler.views.text.apply_bars import TerminalReporter

    if isinstance(reporter, TerminalReporter):
        reporter.steps = sum(change.action.touches_objects for change in plan.changes)


def _show(plan: Plan, engine: Engine, reporter: PlainReporter, output: Output, *, verbose: bool) -> None:
    from reconciler.views.terminal.lines import BLANK
    from reconciler.views.text.plan import plan_lines

    reporter.pause()
    heading = heading_of(engine, plan.serial, galleries=bool(plan.changes))
    output.lines(plan_lines(plan, heading, output.width, verbose=verbose))
    if plan.changes:
        output.lines([BLANK])


def _asked(question: str) -> bool:
    """Whether a person answers yes, in full."""
    sys.stdout.write(f"{question} Only 'yes' is taken for a yes: ")
    sys.stdout.flush()
    try:
        return sys.stdin.readline().strip() == "yes"
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        raise


def _tell_result(applied: AppliedPlan, seconds: float, output: Output) -> None:
    from reconciler.views.terminal.lines import line
    from reconciler.views.text.apply import result_lines

    if applied.declined:
        output.lines([line("Nothing was changed.")])
    elif applied.result is not None:
        output.lines(result_lines(applied.result, seconds, output.width))


def _code(result: ApplyResult | None) -> Exit:
    if result is None or result.complete:
        return Exit.DONE
    return Exit.INTERRUPTED if result.interrupted else Exit.ERROR


def leave_at_once_if_asked(interrupt: Interrupt) -> None:
    """Ends the process after a second interrupt: its worker threads would be waited for otherwise."""
    if interrupt.count >= 2:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(Exit.INTERRUPTED)

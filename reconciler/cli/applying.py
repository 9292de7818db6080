"""The run behind `apply` and `destroy`: shows the plan, asks for approval, applies it, and shows how it ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.cli.interrupts import Signals
from reconciler.cli.session import Exit, Session, heading_of
from reconciler.manifests.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.applying.apply import ApplyResult
    from reconciler.applying.context import Interrupt
    from reconciler.engine import AppliedPlan, Engine
    from reconciler.planning.plan import Plan
    from reconciler.state.records import Run
    from reconciler.views.output_format import OutputFormat
    from reconciler.views.run_reporter import RunReporter
    from reconciler.views.terminal.output import Output

Approve = Callable[["Plan"], bool]
Call = Callable[["Engine", Approve, "Interrupt"], "AppliedPlan"]
"""Applies something, given the engine, what approves the plan, and what asks it to stop."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run interacts. `question` is asked unless `approved`."""

    approved: bool
    format: OutputFormat
    verbose: bool
    question: str = "Apply these changes?"


@dataclass(slots=True)
class _Run:
    """One run on its output. `started` is when changes began, or when the run did, as time.monotonic."""

    manner: Manner
    output: Output
    reporter: RunReporter
    signals: Signals
    errors: Output
    started: float = field(default_factory=time.monotonic)

    def show(self, plan: Plan, engine: Engine) -> None:
        self.reporter.pause()
        heading = heading_of(engine, plan.serial, galleries=bool(plan.changes))
        self.output.lines(self.manner.format.plan(plan, heading, self.output.width, verbose=self.manner.verbose))
        self.reporter.shown(plan)

    def approve(self, plan: Plan, engine: Engine) -> bool:
        self.show(plan, engine)
        if not self.manner.approved and not confirmed(self.manner.question):
            return False
        self.started = time.monotonic()
        self.signals.arm()
        return True

    def finish(self, applied: AppliedPlan, engine: Engine) -> None:
        from reconciler.views.terminal.lines import line

        if applied.finished is not None:
            self.say_finished(applied.finished)
        elif not applied.plan.changes:
            self.show(applied.plan, engine)
        if applied.declined:
            self.output.lines([line("Nothing was changed.")])
        else:
            seconds = time.monotonic() - self.started
            self.output.lines(self.manner.format.result(applied.result, seconds, self.output.width))

    def say_finished(self, run: Run) -> None:
        """Says that a saved plan had been applied before; on stderr if stdout is a document."""
        from reconciler.views.terminal.lines import paragraph

        self.reporter.pause()
        output = self.output if self.manner.format.interactive else self.errors
        by = f"at {run.finished or run.started} by {run.holder}"
        output.lines(paragraph(f"Nothing to do: this plan was applied {by}, and that is how it is now.", output.width))


def run(session: Session, manner: Manner, call: Call) -> Exit:
    """Runs `call` and returns the exit code. Raises: ReconcilerError if the run could not be carried out."""
    from reconciler.applying.context import Interrupt
    from reconciler.errors import PlanRefused

    require_an_answer(manner)
    interrupt, output = Interrupt(), session.output_for(manner.format)
    reporter = manner.format.reporter(output, session.errors)
    with Signals(interrupt) as signals, session.engine(reporter) as engine:
        this = _Run(manner, output, reporter, signals, session.errors)
        try:
            applied = call(engine, lambda plan: this.approve(plan, engine), interrupt)
        except PlanRefused as refused:
            this.show(refused.plan, engine)
            raise
        finally:
            reporter.close()
        this.finish(applied, engine)
        exit_now_if_asked(interrupt)
    return Exit.ERROR if applied.declined else _code(applied.result)


def require_an_answer(manner: Manner) -> None:
    """Raises: ReconcilerError if approval is needed and there is no one to ask."""
    if manner.approved:
        return
    if not manner.format.interactive:
        reason = f"the output is {manner.format.name}"
    elif not sys.stdin.isatty():
        reason = "standard input is not a terminal"
    else:
        return
    raise ReconcilerError(f"cannot ask for approval: {reason}", "add --auto-approve, or apply a saved plan")


def confirmed(question: str) -> bool:
    """Whether the answer is yes, in full."""
    from reconciler.views.terminal.escaping import line_of_log

    sys.stdout.write(line_of_log(f"{question} Only 'yes' will be accepted: "))
    sys.stdout.flush()
    try:
        return sys.stdin.readline().strip() == "yes"
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        raise


def _code(result: ApplyResult | None) -> Exit:
    if result is None or result.complete:
        return Exit.DONE
    return Exit.INTERRUPTED if result.interrupted else Exit.ERROR


def exit_now_if_asked(interrupt: Interrupt) -> None:
    """Ends the process after a second interrupt: otherwise it would wait for its worker threads."""
    if interrupt.count >= 2:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(Exit.INTERRUPTED)

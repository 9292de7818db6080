"""Runs as they are recorded: when they start, and how they ended."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from reconciler.applying.apply import ApplyResult
from reconciler.planning.plan import Plan
from reconciler.planning.saved.plan_file import plan_digest
from reconciler.provenance import current_user, git_commit
from reconciler.state.records import Run


def new_run(plan: Plan, command: str, started: datetime, directory: Path, saved: str = "") -> Run:
    """The record of a run that starts now; `directory` is the project's, for the commit it is at. `saved` is the digest
    of the plan file that it applies."""
    return Run(
        id=uuid.uuid4().hex[:12],
        command=command,
        holder=current_user(),
        started=started.isoformat(),
        git_commit=git_commit(directory),
        plan_digest=saved or plan_digest(plan),
    )


def finished_run(run: Run, result: ApplyResult, finished: datetime) -> Run:
    """The same run with its outcome and the number of changes made, by action."""
    outcome = "interrupted" if result.interrupted else "done" if result.complete else "failed"
    counts = {action.value: number for action, number in result.done.items()}
    return replace(run, finished=finished.isoformat(), outcome=outcome, counts=counts)

"""Plan and apply of W(n): this project, and Terraform where it is installed."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workload
from benchmarks.measuring import Cost, middle, progress, run

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class EngineCosts:
    """One engine at one size. `cold_plan` does without what earlier runs left in caches; None where there are none."""

    apply: Cost
    plan: Cost
    cold_plan: Cost | None
    changed_plan: Cost


def reconciler() -> str:
    """The command of this project that belongs to the running interpreter."""
    command = Path(sys.executable).parent / "reconciler"
    if not command.exists():
        raise FileNotFoundError(f"{command} is missing: install the project into this environment")
    return str(command)


def terraform() -> str | None:
    """The Terraform on PATH, or None."""
    return shutil.which("terraform")


def measure_reconciler(folder: Path, size: int, rounds: int = ROUNDS) -> EngineCosts:
    """Generates W(size) below `folder`, applies and plans it, and removes it."""
    project = folder / f"reconciler-{size}"
    progress(f"reconciler, {size:,} resources: apply")
    workload.write_project(project, size)
    plan = [reconciler(), "plan", "--detailed-exitcode"]
    applied = run([reconciler(), "apply", "--auto-approve"], project)
    run(plan, project)  # the first one fills the caches
    progress(f"reconciler, {size:,} resources: plan")
    warm = middle(rounds, lambda: run(plan, project))
    cold = middle(rounds, lambda: _without_caches(project, plan))
    workload.change_project(project)
    changed = run(plan, project, expected=2)
    shutil.rmtree(project)
    return EngineCosts(applied, warm, cold, changed)


def _without_caches(project: Path, plan: list[str]) -> Cost:
    remove_caches(project)
    return run(plan, project)


def remove_caches(project: Path) -> None:
    """Removes all that is in `.reconciler` beside the state itself."""
    for path in (project / ".reconciler").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("state.db"):
            path.unlink()


def measure_terraform(folder: Path, size: int, rounds: int = ROUNDS) -> EngineCosts | None:
    """The same with Terraform; None where it is not installed."""
    command = terraform()
    if command is None:
        return None
    module = folder / f"terraform-{size}"
    progress(f"terraform, {size:,} resources: apply{' (minutes)' if size > 1000 else ''}")
    workload.write_module(module, size)
    run([command, "init", "-input=false"], module)
    applied = run([command, "apply", "-auto-approve", "-input=false"], module)
    plan = [command, "plan", "-detailed-exitcode", "-input=false"]
    progress(f"terraform, {size:,} resources: plan")
    planned = middle(rounds, lambda: run(plan, module))
    workload.change_module(module)
    changed = run(plan, module, expected=2)
    shutil.rmtree(module)
    return EngineCosts(applied, planned, None, changed)

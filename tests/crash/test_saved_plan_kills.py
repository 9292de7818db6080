"""A saved plan whose run is killed at any provider call or state write: applying the file again finishes that plan."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from crash.test_kill_points import around_calls, copies_of, disks_and_names, prepared, recorded
from support.estates import Estate
from support.killing import killed_at

from reconciler.applying.context import Interrupt
from reconciler.engine import AppliedPlan
from reconciler.errors import StalePlan
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.plan import PlanOptions

PLAN = "p.plan"


def save(estate: Estate, **options: object) -> None:
    with estate.engine() as engine:
        engine.save_plan(engine.plan(PlanOptions(**options)), estate.directory / PLAN)  # type: ignore[arg-type]


def apply_saved(estate: Estate) -> AppliedPlan:
    with estate.engine() as engine:
        return engine.apply_saved(estate.directory / PLAN, Interrupt(), parallelism=4)


@pytest.mark.parametrize("scenario", ["create", "change", "destroy"])
@pytest.mark.slow(40)
def test_killed_anywhere_the_same_file_finishes_its_plan(tmp_path: Path, scenario: str) -> None:
    _, options = prepared(tmp_path / "template", scenario)
    fresh = copies_of(tmp_path / "template", tmp_path / "estate")
    undisturbed = next(fresh)
    save(undisturbed, **options)
    assert apply_saved(undisturbed).result is not None
    wanted, records = disks_and_names(undisturbed), recorded(undisturbed)
    points = 0
    for at in range(1, 10_000):
        estate = next(fresh)
        save(estate, **options)
        if not killed_at(at, around_calls, partial(apply_saved, estate)):
            break
        points += 1
        outcome = apply_saved(estate)
        assert outcome.finished or (outcome.result is not None and outcome.result.complete), at
        assert disks_and_names(estate) == wanted, at
        assert recorded(estate) == records, at
        assert apply_saved(estate).finished is not None, at
    assert points > 10


def test_what_was_removed_since_is_not_made_again(tmp_path: Path) -> None:
    """The run is killed after its first objects; someone destroys them; the plan has no say in that any more."""
    estate, _ = prepared(tmp_path / "estate", "create")
    save(estate)
    assert killed_at(8, around_calls, partial(apply_saved, estate))
    assert estate.apply(destroy=True).result is not None
    before = estate.tree()
    with pytest.raises(StalePlan, match="another run removed objects"):
        apply_saved(estate)
    assert estate.tree() == before


def test_another_run_that_was_killed_is_not_continued(tmp_path: Path) -> None:
    estate, _ = prepared(tmp_path / "estate", "create")
    save(estate)
    assert killed_at(6, around_calls, estate.apply)
    with pytest.raises(StalePlan):
        apply_saved(estate)


def test_a_second_process_does_not_apply_it_meanwhile(tmp_path: Path) -> None:
    """Two jobs apply one file at the same time: one does, the other is refused or finds it finished."""
    estate, _ = prepared(tmp_path / "estate", "create")
    save(estate)
    children = [_applying(estate) for _ in range(2)]
    endings = [os.waitpid(child, 0)[1] for child in children]
    assert all(os.WIFEXITED(ending) for ending in endings)
    assert apply_saved(estate).finished is not None
    assert len(runs(estate)) == 1


def _applying(estate: Estate) -> int:
    """A process that applies the saved plan, or is refused."""
    child = os.fork()
    if child == 0:
        try:
            with suppress(ReconcilerError):
                apply_saved(estate)
        finally:
            os._exit(0)
    return child


def runs(estate: Estate) -> list[str]:
    with estate.engine() as engine:
        return [run.id for run in engine.runs(20)]

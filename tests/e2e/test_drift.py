"""Drift and plan on real directories: what was accepted, what was read again, and what is not settled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.estates import Estate, definition, gallery, version

from reconciler.drift.report import DriftKind, DriftReport
from reconciler.planning.actions import Action, Reason
from reconciler.planning.plan import Plan


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    """One version in two regions, two copies each, applied."""
    estate = Estate(tmp_path)
    estate.image("a.raw", b"first")
    estate.write(documents())
    estate.apply()
    return estate


def documents(**of_gallery: Any) -> list[Any]:
    regions = ["eastus=2", "westus=2"]
    return [gallery(**of_gallery), definition(), version({"file": "../images/a.raw"}, targetRegions=regions)]


def drift(estate: Estate, *, deep: bool = False) -> DriftReport:
    with estate.engine() as engine:
        return engine.drift(deep=deep)


def reasons(plan: Plan) -> list[tuple[Action, Reason]]:
    return [(change.action, change.reason) for change in plan.changes]


def edit_gallery(estate: Estate, **attributes: str) -> None:
    """What somebody else does to the gallery's description."""
    file = estate.regions / "eastus/corp/gallery.json"
    described = json.loads(file.read_text())
    described["attributes"].update(attributes)
    file.write_text(json.dumps(described))


def test_drift_that_the_manifests_accept_is_recorded_by_the_next_apply(estate: Estate) -> None:
    edit_gallery(estate, description="theirs")
    estate.write(documents(description="theirs"))
    assert [item.kind for item in drift(estate).drifts] == [DriftKind.CHANGED]
    assert reasons(estate.plan()) == [(Action.RECORD, Reason.ACCEPTED)]
    estate.apply()
    assert not estate.plan().changes
    assert not drift(estate).found


def test_a_tree_that_was_moved_is_read_once_and_recorded_by_apply(estate: Estate, tmp_path: Path) -> None:
    copy = Estate(tmp_path / "copy")
    shutil.copytree(estate.directory, copy.directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("copy"))
    assert (copy.plan().changes, len(copy.plan().reread)) == ((), 5), "a plan records nothing"
    applied = copy.apply()
    assert (applied.plan.changes, applied.declined, applied.result) == ((), False, None)
    assert copy.plan().reread == ()
    assert not drift(copy).found


def test_what_was_read_again_is_recorded_along_with_other_changes(estate: Estate, tmp_path: Path) -> None:
    copy = Estate(tmp_path / "copy")
    shutil.copytree(estate.directory, copy.directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("copy"))
    copy.write(documents(description="new"))
    copy.apply()
    assert copy.plan().reread == ()
    assert not copy.plan().changes

"""Drift and plan on real directories: what was accepted, what was read again, and what is not settled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.estates import Estate, definition, gallery, version

from reconciler.drift.report import DriftKind, DriftReport
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.actions import Action, Reason
from reconciler.planning.plan import Plan
from reconciler.state.records import Intent
from reconciler.state.store import StateWrite
from reconciler.views.json_events import record_event


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


def test_what_failed_once_stays_visible(estate: Estate) -> None:
    """A file is in the way of a region that is lost: its repair fails, and it is neither drift-free nor as recorded."""
    lost = estate.regions / "westus/corp"
    shutil.rmtree(lost)
    lost.write_text("in the way")
    assert [item.kind for item in drift(estate).drifts] == [DriftKind.MISSING]
    applied = estate.apply()
    assert applied.result is not None
    assert applied.result.failed
    for deep in (False, True):
        report = drift(estate, deep=deep)
        assert [(str(item.address), item.kind) for item in report.drifts] == [
            ("corp/ubuntu/1.0.0@westus", DriftKind.UNSETTLED)
        ]
        assert (report.critical, report.checked, report.unchanged) == (1, 4, 4)
    with estate.engine() as engine:
        assert engine.latest(Address("corp", "ubuntu")) == {"eastus": "1.0.0"}


def test_a_lost_state_is_not_green(estate: Estate) -> None:
    shutil.rmtree(estate.directory / ".reconciler")
    report = drift(estate)
    assert (report.found, report.inconclusive, report.unrecorded, report.unrecorded_present) == (False, True, 5, 5)
    assert len(report.unmanaged) == 5


def test_a_forgotten_object_is_known_from_its_mark(estate: Estate) -> None:
    with estate.engine() as engine:
        engine.records.forget([Address("corp", "ubuntu", "1.0.0")])
    assert set(reasons(estate.plan())) == {(Action.ADOPT, Reason.MARKED)}


def test_a_plan_during_a_run_says_who_is_working_and_calls_nothing_interrupted(estate: Estate) -> None:
    """The run holds the lease, and its journal has an operation that has created nothing yet."""
    estate.write([*documents(), definition(name="new")])
    new = Address("corp", "new")
    with estate.engine() as running, running.lease(frozenset({"corp"})) as lease:
        started = Intent(new, new, "default", "create", "{}", "", "run-1", "2030-01-01T00:00:00Z")
        running.store.write(lease, StateWrite(put_intents=(started,)))
        plan = estate.plan()
        (item,) = drift(estate).drifts
        assert "being changed by" in item.defects[0]
    assert reasons(plan) == [(Action.CREATE, Reason.RUNNING)]
    (said,) = plan.warnings
    assert "gallery 'corp' is being changed by" in said.summary
    assert reasons(estate.plan()) == [(Action.CREATE, Reason.UNFINISHED)]


MOVED = {"kind": "Moved", "from": "corp/ubuntu", "to": "corp/frontend"}


def test_latest_works_for_a_renamed_definition_and_says_what_is_not_there(estate: Estate) -> None:
    regions = ["eastus=2", "westus=2"]
    renamed = version({"file": "../images/a.raw"}, "corp/frontend", targetRegions=regions)
    estate.write([gallery(), definition(name="frontend", identifier=definition()["identifier"]), renamed, MOVED])
    estate.apply()
    with estate.engine() as engine:
        assert engine.latest(Address("corp", "frontend")) == {"eastus": "1.0.0", "westus": "1.0.0"}
        assert engine.live_latest(Address("corp", "frontend")).versions == {"eastus": "1.0.0", "westus": "1.0.0"}
        with pytest.raises(ReconcilerError, match="no such image definition: corp/frontent") as caught:
            engine.latest(Address("corp", "frontent"))
        assert "did you mean 'corp/frontend'?" in caught.value.remedy
        record = engine.records.get([Address("corp", "frontend")])[0]
    assert record_event(record)["object_name"] == "corp/ubuntu"


def test_a_version_of_another_state_takes_over_latest(estate: Estate) -> None:
    """Its folders come from another project with the same directories."""
    other = Estate(estate.directory / "other")
    other.image("b.raw", b"theirs")
    other.write([gallery(), definition(), version({"file": "../images/b.raw"}, name="9.0.0", targetRegions=["eastus"])])
    other.apply()
    theirs, ours = other.regions / "eastus/corp/ubuntu", estate.regions / "eastus/corp/ubuntu"
    shutil.copytree(theirs / "9.0.0", ours / "9.0.0")
    shutil.copy(theirs / "9.0.0.json", ours / "9.0.0.json")
    (item,) = drift(estate).drifts
    assert (str(item.address), item.kind) == ("corp/ubuntu", DriftKind.LATEST)
    assert [(move.region, move.before, move.after) for move in item.latest] == [("eastus", "1.0.0", "9.0.0")]
    with estate.engine() as engine:
        assert engine.latest(Address("corp", "ubuntu")) == {"eastus": "1.0.0", "westus": "1.0.0"}
        live = engine.live_latest(Address("corp", "ubuntu"))
    assert live.versions == {"eastus": "9.0.0", "westus": "1.0.0"}
    assert live.foreign == {"eastus"}


def test_live_latest_says_what_it_could_not_ask(estate: Estate) -> None:
    (estate.regions / "westus").rename(estate.directory / "away")
    (estate.regions / "westus").mkdir()
    with estate.engine() as engine:
        live = engine.live_latest(Address("corp", "ubuntu"))
    assert live.versions == {"eastus": "1.0.0"}
    assert [str(address) for address, _ in live.unreachable] == ["corp/ubuntu/1.0.0@westus"]


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

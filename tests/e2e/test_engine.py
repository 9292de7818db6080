"""The engine over real folders: locks, saved plans, moves, removals, vanished worlds and foreign objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.estates import Estate, definition, gallery, version

from reconciler.applying.context import Interrupt
from reconciler.drift.report import DriftKind
from reconciler.errors import PlanRefused, StalePlan, Unreachable
from reconciler.manifests.address import Address
from reconciler.planning.actions import Action, Reason
from reconciler.planning.plan import PlanOptions
from reconciler.state.errors import ForeignState, LockHeld

V1 = Address.parse("corp/ubuntu/1.0.0")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path / "project")
    made.image("a.raw", b"first")
    made.write([gallery(), definition(), version({"file": "../images/a.raw"})])
    return made


def test_image_bytes_land_in_every_region_and_nothing_is_left_to_do(estate: Estate) -> None:
    outcome = estate.apply()
    assert outcome.result is not None
    assert outcome.result.done == {Action.CREATE: 5}
    disks = [path for path in estate.tree() if path.endswith(".raw")]
    assert len(disks) == 2
    assert all((estate.directory / path).read_bytes().startswith(b"first") for path in disks)
    assert estate.plan().changes == ()


def test_two_applies_at_once(estate: Estate) -> None:
    with estate.engine() as other:
        lease = other.store.acquire(["corp"], "somebody else")
        with pytest.raises(LockHeld, match="somebody else"):
            estate.apply()
        other.store.release(lease)
    assert not any(path.endswith(".raw") for path in estate.tree())
    assert estate.apply().result is not None


def test_plan_and_drift_never_wait_for_a_lock(estate: Estate) -> None:
    estate.apply()
    with estate.engine() as other, estate.engine() as engine:
        other.store.acquire(["corp"], "somebody else")
        assert engine.plan(PlanOptions()).changes == ()
        assert not engine.drift().found


def test_a_saved_plan_is_applied_as_it_was_seen(estate: Estate, tmp_path: Path) -> None:
    with estate.engine() as engine:
        engine.save_plan(engine.plan(PlanOptions()), tmp_path / "p.plan")
    with estate.engine() as engine:
        outcome = engine.apply_saved(tmp_path / "p.plan", Interrupt())
    assert outcome.result is not None
    assert outcome.result.complete
    assert estate.plan().changes == ()


@pytest.mark.parametrize("what", ["manifest", "object", "source", "done already"])
def test_a_stale_plan_is_refused_and_changes_nothing(estate: Estate, tmp_path: Path, what: str) -> None:
    estate.apply()
    estate.image("b.raw", b"second")
    documents = [gallery(description="x"), definition(), version({"file": "../images/a.raw"})]
    documents.append(version({"file": "../images/b.raw"}, name="1.0.1"))
    estate.write(documents)
    with estate.engine() as engine:
        engine.save_plan(engine.plan(PlanOptions()), tmp_path / "p.plan")
    if what == "manifest":
        estate.write([gallery(description="y"), *documents[1:]])
    elif what == "object":
        path = next(estate.regions.rglob("gallery.json"))
        text = path.read_text()
        path.unlink()
        path.write_text(text.replace('"Private"', '"Groups"'))
    elif what == "source":
        estate.image("b.raw", b"third" * 300)
    else:
        estate.apply()
    before = estate.tree()
    with estate.engine() as engine, pytest.raises(StalePlan):
        engine.apply_saved(tmp_path / "p.plan", Interrupt())
    assert estate.tree() == before


def test_a_region_that_is_away_can_be_left_out(estate: Estate) -> None:
    places = {region: str(estate.regions / region) for region in ("eastus", "westus")}
    settings = {"project": "test", "manifests": ["manifests"], "provider": {"type": "local", "regions": places}}
    (estate.directory / "reconciler.yaml").write_text(json.dumps(settings))
    for place in places.values():
        Path(place).mkdir(parents=True)
    estate.apply()
    estate.write(
        [
            *(gallery(), definition(), version({"file": "../images/a.raw"})),
            *(definition(name="debian"), version({"file": "../images/a.raw"}, "corp/debian")),
            version({"file": "../images/a.raw"}, name="1.0.1"),
        ]
    )
    away = estate.directory / "unmounted"
    (estate.regions / "westus").rename(away)
    with pytest.raises(Unreachable):
        estate.apply()
    outcome = estate.apply(excludes=("*@westus",))
    assert outcome.result is not None
    assert outcome.result.complete
    made = {str(change.address) for change in outcome.plan.changes}
    assert made == {
        *("corp/debian", "corp/debian/1.0.0", "corp/debian/1.0.0@eastus"),
        *("corp/ubuntu/1.0.1", "corp/ubuntu/1.0.1@eastus"),
    }
    away.rename(estate.regions / "westus")
    assert {str(change.address) for change in estate.apply().plan.changes} == {
        "corp/debian/1.0.0@westus",
        "corp/ubuntu/1.0.1@westus",
    }
    assert estate.plan().changes == ()


def test_a_declined_plan_changes_nothing(estate: Estate) -> None:
    with estate.engine() as engine:
        outcome = engine.apply(PlanOptions(), lambda plan: False, Interrupt())
    assert outcome.declined
    assert not any(path.endswith(".raw") for path in estate.tree())


def test_a_changed_source_never_replaces_what_is_published(estate: Estate) -> None:
    estate.apply()
    before = estate.tree()
    estate.image("a.raw", b"other content")
    with pytest.raises(PlanRefused) as caught:
        estate.apply()
    (change,) = caught.value.plan.blocked
    assert change.block is not None
    assert "publish 1.0.1 instead" in change.block.remedy
    assert estate.tree() == before


def test_a_touched_or_missing_source_of_a_published_version_is_nothing_to_do(estate: Estate) -> None:
    estate.apply()
    estate.image("a.raw", b"first")
    assert estate.plan().changes == ()
    (estate.directory / "images/a.raw").unlink()
    assert estate.plan().changes == ()


def test_a_replica_is_repaired_without_its_source(estate: Estate) -> None:
    estate.apply()
    (estate.directory / "images/a.raw").unlink()
    damaged = next(estate.regions.glob("westus/**/*.raw"))
    damaged.chmod(0o644)
    damaged.write_bytes(b"short")
    with estate.engine() as engine:
        (drift,) = engine.drift().drifts
    assert (drift.kind, str(drift.address)) == (DriftKind.DAMAGED, f"{V1}@westus")
    outcome = estate.apply()
    assert [(change.action, change.reason) for change in outcome.plan.changes] == [(Action.REPLACE, Reason.DAMAGED)]
    assert damaged.read_bytes().startswith(b"first")
    assert estate.plan().changes == ()


def test_moved_keeps_the_objects_and_later_versions_join_them(estate: Estate) -> None:
    estate.apply()
    before = estate.tree()
    moved = {"kind": "Moved", "from": "corp/ubuntu", "to": "corp/noble"}
    documents = [
        gallery(),
        definition(name="noble", identifier={"publisher": "Contoso", "offer": "corp", "sku": "ubuntu"}),
    ]
    documents.append(version({"file": "../images/a.raw"}, "corp/noble"))
    estate.write([*documents, moved])
    outcome = estate.apply()
    assert {change.action for change in outcome.plan.changes} == {Action.RECORD}
    assert estate.tree() == before
    estate.write(documents)
    assert estate.plan().changes == ()
    estate.image("b.raw", b"second")
    estate.write([*documents, version({"file": "../images/b.raw"}, "corp/noble", "1.0.1")])
    estate.apply()
    assert (estate.regions / "westus/corp/ubuntu/1.0.1").is_dir()
    assert not (estate.regions / "westus/corp/noble").exists()
    assert estate.plan().changes == ()
    estate.apply(destroy=True)
    assert not any(path.endswith(".json") for path in estate.tree())


def test_removed_without_destroy_leaves_the_objects(estate: Estate) -> None:
    estate.apply()
    before = estate.tree()
    estate.write([gallery(), {"kind": "Removed", "address": "corp/ubuntu", "destroy": False}])
    estate.apply()
    assert estate.tree() == before
    assert estate.plan().changes == ()
    with estate.engine() as engine:
        assert set(engine.store.read().records) == {Address("corp")}


def test_retained_objects_outlive_their_entry(estate: Estate) -> None:
    kept: dict[str, Any] = {"lifecycle": {"onRemove": "retain"}}
    estate.write([gallery(), definition(), version({"file": "../images/a.raw"}, **kept)])
    estate.apply()
    before = estate.tree()
    estate.write([gallery(), definition()])
    outcome = estate.apply()
    assert {change.action for change in outcome.plan.changes} == {Action.FORGET}
    assert estate.tree() == before


def test_a_world_that_vanished_whole_is_unreachable_not_absent(estate: Estate) -> None:
    estate.apply()
    estate.regions.rename(estate.directory / "unmounted")
    with pytest.raises(Unreachable):
        estate.apply()
    assert not estate.regions.exists()
    with estate.engine() as engine:
        assert engine.drift().unreachable
    (estate.directory / "unmounted").rename(estate.regions)
    assert estate.plan().changes == ()


def test_what_is_not_ours_is_neither_taken_over_nor_deleted(estate: Estate) -> None:
    estate.apply()
    (estate.directory / ".reconciler").rename(estate.directory / "elsewhere")
    before = estate.tree()
    with pytest.raises(PlanRefused) as caught:
        estate.apply()
    assert any("not ours" in fault.summary for fault in caught.value.plan.errors)
    assert estate.tree() == before


def test_the_state_of_another_project_is_refused(estate: Estate) -> None:
    estate.apply()
    project = estate.directory / "reconciler.yaml"
    project.write_text(project.read_text().replace("project: test", "project: other"))
    with pytest.raises(ForeignState):
        estate.plan()


def test_without_refresh_the_world_is_not_asked(estate: Estate) -> None:
    estate.apply()
    estate.regions.rename(estate.directory / "unmounted")
    with estate.engine() as engine:
        assert engine.plan(PlanOptions(), refresh=False).changes == ()


def test_latest_is_pinned_and_answered_by_region(estate: Estate) -> None:
    built = version({"version": "corp/ubuntu/latest"}, "corp/derived")
    documents = [gallery(), definition(), version({"file": "../images/a.raw"}), definition(name="derived"), built]
    estate.write(documents)
    estate.apply()
    newer = version({"file": "../images/b.raw"}, name="1.0.1", targetRegions=["eastus"])
    estate.image("b.raw", b"second")
    estate.write([*documents, newer])
    outcome = estate.apply()
    assert {str(change.address) for change in outcome.plan.changes} == {"corp/ubuntu/1.0.1", "corp/ubuntu/1.0.1@eastus"}
    with estate.engine() as engine:
        assert engine.latest(Address("corp", "ubuntu")) == {"eastus": "1.0.1", "westus": "1.0.0"}
    description = json.loads((estate.regions / "eastus/corp/derived/1.0.0.json").read_text())
    assert "corp/ubuntu/1.0.0" in json.dumps(description)


def test_runs_are_recorded(estate: Estate) -> None:
    estate.apply()
    with estate.engine() as engine:
        (run,) = engine.store.runs()
    assert (run.command, run.outcome, run.counts) == ("apply", "done", {"create": 5})
    assert run.finished >= run.started


def test_a_version_built_from_another_takes_all_its_disks(estate: Estate) -> None:
    estate.image("data.raw", b"data")
    disks: dict[str, Any] = {"dataDisks": [{"lun": 3, "source": {"file": "../images/data.raw"}}]}
    base = version({"file": "../images/a.raw"}, **disks)
    built = version({"version": "corp/ubuntu/1.0.0"}, "corp/derived", targetRegions=["eastus"])
    estate.write([gallery(), definition(), base, definition(name="derived"), built])
    outcome = estate.apply()
    assert outcome.result is not None
    assert outcome.result.complete
    copied = estate.regions / "eastus/corp/derived/1.0.0"
    assert (copied / "replica-1.os.raw").read_bytes().startswith(b"first")
    assert (copied / "replica-1.data-3.raw").read_bytes().startswith(b"data")
    assert estate.plan().changes == ()

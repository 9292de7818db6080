"""Saved plans: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.worlds import inputs_of

from reconciler.errors import BadPlanFile
from reconciler.json_codec import decode, encode
from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic, Position, error
from reconciler.planning.actions import ResourceChange
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.saved.plan_file import Binding, load_plan, plan_digest, read_plan, save_plan
from reconciler.planning.saved.staleness import rest_of
from reconciler.state.records import State

KEY = b"k" * 32
V1 = "corp/ubuntu/1.0.0"
BINDING = Binding("default", {}, (), "2030-06-01T12:00:00+00:00", "2030-06-08T12:00:00+00:00")
STATE = State("lineage-1", 7, "test")


def stale_because(saved: Plan, fresh: Plan) -> tuple[str, ...]:
    return rest_of(saved, fresh, STATE).differences


def rich_plan() -> Plan:
    """A plan with a bit of everything: a block, causes, faults, positions, moves, errors and warnings."""
    world: dict[str, dict[str, Any]] = {"corp": {}, "corp/ubuntu": {}, V1: {}, f"{V1}@eastus": {}}
    desired = {
        **world,
        "corp": {"location": "westus", "tags": {"team": "images"}},
        "corp/new": {},
        "other": {"location": "mars"},
    }
    return make_plan(inputs_of(desired, {**world, "gone": {}}, options=PlanOptions(allow_deletes=3, excludes=("x*",))))


def test_a_plan_comes_back_equal(tmp_path: Path) -> None:
    plan = rich_plan()
    assert plan.blocked
    assert plan.errors
    assert any(item.elements for change in plan.changes for item in change.changes)
    save_plan(plan, BINDING, tmp_path / "p.plan", KEY)
    saved = load_plan(tmp_path / "p.plan", "default", KEY)
    assert saved.plan == plan
    assert replace(saved.binding, id="") == BINDING
    assert read_plan(tmp_path / "p.plan") == saved
    assert (tmp_path / "p.plan").stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.plan"]


def test_equal_plans_have_equal_digests() -> None:
    assert plan_digest(rich_plan()) == plan_digest(rich_plan())
    assert plan_digest(rich_plan()) != plan_digest(replace(rich_plan(), serial=8))


def test_a_tampered_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.plan"
    save_plan(rich_plan(), BINDING, path, KEY)
    envelope = json.loads(path.read_text())
    envelope["body"] = envelope["body"].replace("corp", "dorp")
    path.write_text(json.dumps(envelope))
    with pytest.raises(BadPlanFile, match="altered"):
        load_plan(path, "default", KEY)


def test_a_plan_of_another_state_is_refused(tmp_path: Path) -> None:
    save_plan(rich_plan(), BINDING, tmp_path / "p.plan", b"other" * 6)
    with pytest.raises(BadPlanFile, match="another state"):
        load_plan(tmp_path / "p.plan", "default", KEY)


def test_a_plan_of_another_environment_is_refused(tmp_path: Path) -> None:
    save_plan(rich_plan(), replace(BINDING, environment="prod"), tmp_path / "p.plan", KEY)
    with pytest.raises(BadPlanFile, match="environment 'prod'"):
        load_plan(tmp_path / "p.plan", "default", KEY)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b"[1]", b"\xff\xfe", b'{"body": 1, "signature": "x"}'])
def test_what_is_not_a_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.plan").write_bytes(content)
    with pytest.raises(BadPlanFile):
        load_plan(tmp_path / "p.plan", "default", KEY)


def test_brackets_without_end_are_no_plan(tmp_path: Path) -> None:
    (tmp_path / "p.plan").write_text("[" * 100_000)
    with pytest.raises(BadPlanFile, match="not a plan file"):
        read_plan(tmp_path / "p.plan")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.plan")
    with pytest.raises(BadPlanFile, match="is not a regular file"):
        read_plan(tmp_path / "p.plan")


def test_a_signature_of_any_characters_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "p.plan"
    save_plan(rich_plan(), BINDING, path, KEY)
    for signature in ("\u00fc", "\ud800"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "signature": signature}))
        with pytest.raises(BadPlanFile, match="altered"):
            load_plan(path, "default", KEY)


def test_a_missing_plan_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BadPlanFile, match="cannot be read"):
        load_plan(tmp_path / "absent", "default", KEY)


def test_fresh_when_only_other_things_changed() -> None:
    world: dict[str, dict[str, Any]] = {"corp": {}, "other": {}}
    saved = make_plan(inputs_of({**world, "corp": {"description": "x"}}, world))
    fresh = make_plan(
        inputs_of({**world, "corp": {"description": "x"}}, world, {"corp": {}, "other": {"tags": {"a": "b"}}})
    )
    assert stale_because(saved, saved) == ()
    assert len(fresh.changes) == 2
    assert any("the object" in line for line in stale_because(saved, fresh))
    same_fingerprint = replace(fresh, changes=(saved.changes[0], fresh.changes[1]))
    assert stale_because(saved, same_fingerprint) == ()


def test_stale_when_the_work_is_done_or_it_is_another_state() -> None:
    saved = make_plan(inputs_of({"corp": {"description": "x"}}, {"corp": {}}))
    done = make_plan(inputs_of({"corp": {"description": "x"}}, {"corp": {"description": "x"}}))
    assert "planned as update, but nothing needs to change now" in stale_because(saved, done)[0]
    assert stale_because(saved, replace(saved, manifest_digest="other", serial=99)) == ()
    assert "was made for state" in stale_because(saved, replace(saved, lineage="other"))[0]


def test_what_was_encoded_is_decoded_and_nothing_else() -> None:
    change = next(change for change in rich_plan().changes if change.changes)
    data = json.loads(json.dumps(encode(change)))
    assert decode(ResourceChange, data) == change
    wrongs: list[Any] = [
        {key: value for key, value in data.items() if key != "reason"},
        {**data, "extra": 1},
        {**data, "action": "improve"},
        {**data, "address": "a//b"},
        {**data, "address": None},
        {**data, "protect": 0},
        {**data, "copies": True},
        {**data, "prior": None},
        {**data, "block": "no"},
        {**data, "defects": "text"},
        {**data, "origin": ["corp.yaml", 1]},
        {**data, "changes": [{**data["changes"][0], "position": ["corp.yaml"]}]},
        [],
        "text",
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError):
            decode(ResourceChange, wrong)


def test_values_that_may_be_absent_or_of_several_types_come_back() -> None:
    problem = replace(error("summary", position=Position("corp.yaml", 1, 2)), path=("tags", 0))
    for diagnostic in (problem, replace(problem, position=None, address=Address("corp"), path=())):
        assert decode(Diagnostic, json.loads(json.dumps(encode(diagnostic)))) == diagnostic

"""Owner marks have seals that only the state can make."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.estates import Estate, definition, gallery, version

from reconciler.errors import PlanRefused
from reconciler.planning.actions import Action, Reason


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path)
    made.image("a.raw", b"first")
    made.write(documents())
    assert made.apply().result is not None
    return made


def documents() -> list[Any]:
    return [gallery(), definition(), version({"file": "../images/a.raw"})]


def descriptions(estate: Estate) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(estate.regions.rglob("*.json")):
        yield path, json.loads(path.read_text())


def rewrite(path: Path, content: dict[str, Any]) -> None:
    path.chmod(0o644)
    path.write_text(json.dumps(content))


def unseal(estate: Estate) -> None:
    """Leaves everything as a release without seals left it."""
    for path, content in descriptions(estate):
        del content["owner"]["seal"]
        rewrite(path, content)
    with sqlite3.connect(estate.directory / ".reconciler" / "state.db") as database:
        database.execute("UPDATE meta SET sealed = 0")


def test_an_estate_of_an_earlier_release_stays_ours_and_gets_seals(estate: Estate) -> None:
    before = {path: content["owner"] for path, content in descriptions(estate)}
    copies = {path: digest for path, digest in estate.tree().items() if path.endswith(".raw")}
    unseal(estate)
    plan = estate.plan()
    assert {(each.action, each.reason) for each in plan.changes} == {(Action.UPDATE, Reason.UNSEALED)}
    assert len(plan.changes) == 5
    outcome = estate.apply()
    assert outcome.result is not None
    assert outcome.result.complete
    assert {path: content["owner"] for path, content in descriptions(estate)} == before
    assert {path: digest for path, digest in estate.tree().items() if path.endswith(".raw")} == copies
    assert estate.plan().changes == ()
    with estate.engine() as engine:
        assert engine.state().sealed
        assert not engine.drift(deep=True).drifts


def test_a_part_of_the_estate_seals_a_part(estate: Estate) -> None:
    unseal(estate)
    estate.apply(targets=("corp",), excludes=("corp/ubuntu",))
    with estate.engine() as engine:
        assert not engine.state().sealed
    assert estate.apply().result is not None
    assert estate.plan().changes == ()


def test_a_mark_without_a_seal_is_not_ours_afterwards(estate: Estate) -> None:
    (path, content) = next(pair for pair in descriptions(estate) if pair[0].name == "gallery.json")
    del content["owner"]["seal"]
    rewrite(path, content)
    before = estate.tree()
    with pytest.raises(PlanRefused) as caught:
        estate.apply()
    assert "not ours" in caught.value.plan.errors[0].summary
    assert estate.tree() == before


def test_somebody_who_types_our_mark_hands_nothing_over(estate: Estate) -> None:
    """Not even while marks without a seal are accepted: what is not recorded needs one."""
    unseal(estate)
    theirs = estate.regions / "eastus/lab/gallery.json"
    theirs.parent.mkdir()
    with estate.engine() as engine:
        lineage = engine.state().lineage
    owner = {"lineage": lineage, "address": "lab"}
    theirs.write_text(json.dumps({"owner": owner, "attributes": {"location": "eastus"}}))
    estate.write([*documents(), gallery("lab")])
    with pytest.raises(PlanRefused) as caught:
        estate.apply()
    assert [str(fault.address) for fault in caught.value.plan.errors] == ["lab"]
    assert json.loads(theirs.read_text())["owner"] == owner

"""A base version leaves the manifests while something that was built from it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.estates import Document, Estate, definition, gallery, version

from reconciler.engine import AppliedPlan
from reconciler.errors import PlanRefused
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan

BASE = version({"file": "../images/a.raw"}, "base/deb", "12.10.0")
NEWER = version({"file": "../images/b.raw"}, "base/deb", "12.11.0")
CHILD = version({"version": "base/deb/12.10.0"}, "corp/app", "1.0.0")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path)
    made.image("a.raw", b"first")
    made.image("b.raw", b"second")
    made.write(documents(BASE, NEWER, CHILD))
    assert made.apply().result is not None
    return made


def documents(*versions: Document) -> list[Document]:
    containers = [gallery("base"), definition("base", "deb"), gallery("corp"), definition("corp", "app")]
    return [*containers, *versions]


def retire(estate: Estate) -> AppliedPlan:
    return estate.apply(allow_loss=("base",), allow_deletes=100)


def refused(estate: Estate, **options: Any) -> Plan:
    with pytest.raises(PlanRefused) as caught:
        estate.apply(**options)
    return caught.value.plan


def test_a_retired_base_replaces_nothing(estate: Estate) -> None:
    estate.write(documents(NEWER, CHILD))
    outcome = retire(estate)
    assert {(str(each.address.unit), each.action) for each in outcome.plan.changes} == {
        ("base/deb/12.10.0", Action.DELETE)
    }
    assert estate.plan().changes == ()
    with estate.engine() as engine:
        record = engine.state().records[next(a for a in engine.state().records if str(a) == "corp/app/1.0.0")]
        assert not engine.drift(deep=True).drifts
    assert record.attributes["source"] == {"version": "base/deb/12.10.0"}
    assert record.computed_values["disks"]["os"]["digest"]


def test_a_copy_is_repaired_after_its_base_is_gone(estate: Estate) -> None:
    estate.write(documents(NEWER, CHILD))
    retire(estate)
    damaged = next(estate.regions.glob("westus/corp/app/1.0.0/*.raw"))
    damaged.unlink()
    outcome = estate.apply()
    assert outcome.result is not None
    assert outcome.result.complete
    assert damaged.read_bytes().startswith(b"first")


def test_a_whole_container_of_bases_is_retired(estate: Estate) -> None:
    estate.write([gallery("corp"), definition("corp", "app"), CHILD])
    assert retire(estate).result is not None
    assert estate.plan().changes == ()


def test_nothing_new_is_built_from_a_retired_base(estate: Estate) -> None:
    newer = version({"version": "base/deb/12.10.0"}, "corp/app", "1.0.1")
    estate.write(documents(NEWER, CHILD, newer))
    before = estate.tree()
    (fault,) = refused(estate).errors
    assert fault.summary == "the source version 'base/deb/12.10.0' is no longer declared"
    assert fault.detail == "declare it until corp/app/1.0.1 is built"
    assert fault.line.startswith("source:")
    assert estate.tree() == before


def test_a_misspelt_source_names_the_nearest(estate: Estate) -> None:
    newer = version({"version": "base/deb/12.10.1"}, "corp/app", "1.0.1")
    estate.write(documents(BASE, NEWER, CHILD, newer))
    (fault,) = refused(estate).errors
    assert fault.summary == "the source version 'base/deb/12.10.1' is not declared"
    assert "did you mean 'base/deb/12.10.0'?" in fault.detail
    with estate.engine() as engine:
        (warning,) = engine.validate().warnings
    assert warning.summary == fault.summary
    assert str(warning.address) == "corp/app/1.0.1"


@pytest.mark.parametrize("more", [{}, {"replicationMode": "Shallow", "targetRegions": ["eastus"]}])
def test_a_base_stays_as_long_as_a_shallow_version_needs_it(estate: Estate, more: dict[str, Any]) -> None:
    shallow = version({"version": "base/deb/12.11.0"}, "corp/app", "2.0.0", **more)
    estate.write(documents(BASE, NEWER, CHILD, shallow))
    estate.apply()
    estate.write(documents(BASE, CHILD, shallow))
    if not more:
        assert retire(estate).result is not None
        return
    (fault,) = refused(estate, allow_loss=("base",)).errors
    assert fault.summary == "corp/app/2.0.0 is Shallow: it has no copies of its own, and needs base/deb/12.11.0"

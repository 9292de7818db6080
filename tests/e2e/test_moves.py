"""One object, one address: renames on real files, and names that are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.estates import Estate, definition, gallery, version

from reconciler.errors import PlanRefused
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.actions import Action

PROTECTED: dict[str, Any] = {"lifecycle": {"protect": True}}
MOVED = {"kind": "Moved", "from": "corp/web", "to": "corp/frontend"}
OLD_IDENTIFIER = {"publisher": "Contoso", "offer": "corp", "sku": "web"}


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path)
    made.image("a.raw", b"first")
    made.image("b.raw", b"second")
    made.write([gallery(), web(), version({"file": "../images/a.raw"}, "corp/web", **PROTECTED)])
    assert made.apply().result is not None
    return made


def web(**more: Any) -> Any:
    return definition(name="web", **PROTECTED, **more)


def frontend(**more: Any) -> Any:
    return definition(name="frontend", identifier=OLD_IDENTIFIER, **PROTECTED, **more)


def image(path: str = "a.raw", number: str = "1.0.0", image: str = "corp/frontend", **more: Any) -> Any:
    return version({"file": f"../images/{path}"}, image, number, **{**PROTECTED, **more})


def records(estate: Estate) -> set[str]:
    with estate.engine() as engine:
        return set(map(str, engine.state().records))


def test_the_old_name_of_a_renamed_definition_is_taken(estate: Estate) -> None:
    """Otherwise the new definition would be the published object that is called that."""
    before = estate.tree()
    estate.write([gallery(), frontend(), image(), MOVED])
    estate.apply()
    newcomer = definition(name="web", identifier={**OLD_IDENTIFIER, "sku": "newweb"})
    estate.write([gallery(), frontend(), image(), newcomer, image("b.raw", image="corp/web")])
    with pytest.raises(PlanRefused) as caught:
        estate.apply()
    (fault,) = caught.value.plan.errors
    assert fault.summary.startswith("the object called corp/web is recorded as corp/frontend: one object")
    assert fault.detail == "choose another name"
    assert str(fault.position) == "manifests/all.yaml:28"
    assert estate.tree() == before


def test_the_old_name_of_a_renamed_gallery_is_taken(estate: Estate) -> None:
    before = estate.tree()
    renamed = [
        gallery("team"),
        definition("team", "web", identifier=OLD_IDENTIFIER, **PROTECTED),
        image(image="team/web"),
    ]
    estate.write([*renamed, {"kind": "Moved", "from": "corp", "to": "team"}])
    estate.apply()
    estate.write([*renamed, gallery(), definition(name="other"), image("b.raw", image="corp/other")])
    plan = estate.plan()
    assert [str(fault.address) for fault in plan.errors] == ["corp"]
    assert not plan.changes
    assert estate.tree() == before


def test_a_record_renamed_before_its_manifest(estate: Estate) -> None:
    """The manifests still use the old name. That is the same object: neither deleted nor created."""
    with estate.engine() as engine:
        engine.records.move(Address.parse("corp/web"), Address.parse("corp/hi"))
    before = estate.tree()
    with pytest.raises(PlanRefused) as caught:
        estate.apply()
    (fault,) = caught.value.plan.errors
    assert fault.summary == "the object called corp/web is recorded as corp/hi: one object cannot have two addresses"
    assert "reconciler state mv corp/hi corp/web" in fault.detail
    assert estate.tree() == before
    with estate.engine() as engine:
        engine.records.move(Address.parse("corp/hi"), Address.parse("corp/web"))
    assert estate.plan().changes == ()


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("corp/web/1.0.0", "corp/web/1.0.5", "cannot be renamed"),
        ("corp/web/1.0.0@eastus", "corp/web/1.0.0@westus", "cannot be renamed"),
        ("corp/web", "labs/web", "its object stays in the gallery"),
        ("corp/web", "corp", "corp/web cannot become corp"),
        ("corp/web", "corp/web", "has that address already"),
    ],
)
def test_records_that_cannot_be_renamed(estate: Estate, source: str, target: str, says: str) -> None:
    before = records(estate)
    with estate.engine() as engine, pytest.raises(ReconcilerError) as caught:
        engine.records.move(Address.parse(source), Address.parse(target))
    assert says in str(caught.value)
    assert caught.value.remedy
    assert records(estate) == before


def test_a_rename_with_other_edits_leaves_no_record_behind(estate: Estate) -> None:
    more: dict[str, Any] = {"endOfLifeDate": "2040-01-01", "targetRegions": ["eastus=2", "westus", "uksouth"]}
    estate.write([gallery(), frontend(tags={"a": "b"}), image(**more), MOVED])
    outcome = estate.apply()
    assert outcome.result is not None
    assert outcome.result.complete
    version_ = "corp/frontend/1.0.0"
    regions = {f"{version_}@{name}" for name in ("eastus", "westus", "uksouth")}
    assert records(estate) == {"corp", "corp/frontend", version_, *regions}
    assert estate.plan().changes == ()


def test_what_moved_and_is_no_longer_declared_is_deleted_once(estate: Estate) -> None:
    estate.write([gallery(), web(), version({"file": "../images/a.raw"}, "corp/web")])
    estate.apply()
    estate.write([gallery(), definition(name="frontend", identifier=OLD_IDENTIFIER), MOVED])
    outcome = estate.apply(allow_loss=("corp",))
    assert Action.DELETE in {change.action for change in outcome.plan.changes}
    assert records(estate) == {"corp", "corp/frontend"}
    assert estate.plan().changes == ()


def test_versions_are_built_from_a_renamed_one(estate: Estate) -> None:
    estate.write([gallery(), frontend(), image(), MOVED])
    estate.apply()
    built = version({"version": "corp/frontend/1.0.0"}, "corp/frontend", "1.0.1")
    estate.write([gallery(), frontend(), image(), built])
    outcome = estate.apply()
    assert outcome.result is not None
    assert outcome.result.complete
    assert estate.plan().changes == ()
    copies = sorted(path.read_bytes() for path in estate.regions.glob("*/corp/web/1.0.1/*.raw"))
    assert copies == [b"first".ljust(512, b"\0")] * 2


def test_a_base_can_be_renamed_after_something_was_built_from_it(estate: Estate) -> None:
    built = version({"version": "corp/web/1.0.0"}, "corp/web", "1.0.1")
    estate.write([gallery(), web(), image(image="corp/web"), built])
    estate.apply()
    before = estate.tree()
    estate.write([gallery(), frontend(), image(), {**built, "image": "corp/frontend", **source()}, MOVED])
    outcome = estate.apply()
    assert {change.action for change in outcome.plan.changes} == {Action.RECORD}
    assert estate.tree() == before
    assert estate.plan().changes == ()
    with estate.engine() as engine:
        assert not engine.drift(deep=True).drifts


def source() -> dict[str, Any]:
    return {"source": {"version": "corp/frontend/1.0.0"}}


def test_a_rename_needs_no_source(estate: Estate) -> None:
    (estate.directory / "images" / "a.raw").unlink()
    estate.write([gallery(), frontend(), image(), MOVED])
    outcome = estate.apply()
    assert outcome.result is not None
    assert estate.plan().changes == ()


def test_a_rename_into_a_record_is_refused(estate: Estate) -> None:
    estate.write([gallery(), web(), image(image="corp/web"), definition(name="frontend")])
    estate.apply()
    estate.write([gallery(), definition(name="frontend"), MOVED])
    with pytest.raises(PlanRefused) as caught:
        estate.apply()
    assert "corp/frontend is recorded already" in caught.value.plan.errors[0].summary
    assert "corp/web/1.0.0" in records(estate)

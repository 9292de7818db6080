"""What is lost only with consent, with real files: publish, retain, replace, and what others put into our folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.estates import Document, Estate, definition, gallery, version

from reconciler.errors import PlanRefused
from reconciler.manifests.address import Address

A, B = {"file": "../images/a.raw"}, {"file": "../images/b.raw"}
V1 = "corp/ubuntu/1.0.0"


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path)
    made.image("a.raw", b"a")
    made.image("b.raw", b"b")
    publish(made, version(A))
    return made


def publish(made: Estate, *versions: Document) -> None:
    made.write([gallery(), definition(), *versions])
    outcome = made.apply()
    assert outcome.result is None or outcome.result.complete


def copies(made: Estate) -> dict[str, str]:
    return {path: digest for path, digest in made.tree().items() if path.endswith(".raw")}


def refused(made: Estate, **options: Any) -> str:
    before = made.tree()
    with pytest.raises(PlanRefused) as caught:
        made.apply(**options)
    assert made.tree() == before
    plan = caught.value.plan
    blocks = [*plan.blocks, *(change.block for change in plan.blocked if change.block)]
    return "\n".join([*(f"{block.why}: {block.remedy}" for block in blocks), *map(str, plan.errors)])


@pytest.mark.parametrize("way", ["retained", "removed", "forgotten"])
def test_a_version_that_is_no_longer_recorded_is_not_replaced_unasked(estate: Estate, way: str) -> None:
    publish(estate, version(A, lifecycle={"protect": True, "onRemove": "retain"}))
    before = copies(estate)
    if way == "forgotten":
        with estate.engine() as engine:
            engine.records.forget([Address.parse(V1)])
    elif way == "removed":
        publish(estate, {"kind": "Removed", "address": V1})
    else:
        publish(estate)
    estate.write([gallery(), definition(), version(B)])
    text = refused(estate)
    assert "a published version cannot change its source" in text or "is protected" in text
    assert copies(estate) == before


def test_a_replacement_needs_a_source_that_can_be_read(estate: Estate) -> None:
    (estate.directory / "images" / "a.raw").unlink()
    assert estate.plan().changes == ()
    estate.write([gallery(), definition(osState="Specialized"), version(A)])
    text = refused(estate, allow_replace=("corp/ubuntu",))
    assert "a.raw" in text
    assert "is missing or cannot be read" in text


def test_a_version_is_retired_by_name(estate: Estate) -> None:
    estate.write([gallery(), definition(), version(B, name="1.0.1")])
    assert f"--allow-loss {V1}" in refused(estate)
    removed = {"kind": "Removed", "address": V1, "destroy": True}
    publish(estate, version(B, name="1.0.1"), removed)
    assert all("1.0.1" in path for path in copies(estate))


def test_manifests_that_are_lost_delete_nothing(estate: Estate) -> None:
    (estate.directory / "manifests" / "all.yaml").rename(estate.directory / "manifests" / "all.YAML")
    assert "the manifests declare nothing" in refused(estate)
    (warning,) = estate.plan().warnings
    assert str(warning.position) == "manifests/all.YAML"


def test_a_foreign_file_in_a_folder_is_found_before_anything_is_deleted(estate: Estate) -> None:
    stray = estate.regions / "westus" / "corp" / "ubuntu" / "1.0.0" / "NOTES.txt"
    stray.write_text("mine")
    estate.write([gallery(), definition()])
    cases: tuple[dict[str, Any], ...] = ({"allow_loss": (V1,)}, {"destroy": True})
    for options in cases:
        assert "westus/corp/ubuntu/1.0.0/NOTES.txt" in refused(estate, **options)
    stray.unlink()
    outcome = estate.apply(allow_loss=(V1,))
    assert outcome.result is not None
    assert outcome.result.complete


def test_a_definition_with_a_version_that_was_retained_is_not_deleted(estate: Estate) -> None:
    publish(estate, version(A, lifecycle={"onRemove": "retain"}))
    publish(estate)
    estate.write([gallery()])
    text = refused(estate)
    assert "it contains what is not managed here" in text
    assert "1.0.0" in text


def test_everything_that_is_gone_is_not_forgotten_in_passing(estate: Estate) -> None:
    for region in ("eastus", "westus"):
        shutil.rmtree(estate.regions / region / "corp")
    estate.write([gallery("other")])
    assert "5 of 5 recorded objects would be forgotten" in refused(estate)
    assert "--allow-deletes 5" in refused(estate, destroy=True)
    outcome = estate.apply(allow_deletes=5)
    assert outcome.result is not None
    assert outcome.result.complete

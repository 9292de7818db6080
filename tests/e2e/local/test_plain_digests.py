"""What was published and planned before there were tree digests stays valid, and is compared as it was recorded.

`estate_with_plain_digests.tar.xz` was written by the last version that knew contents by the plain sha256 of all bytes:
versions 1.0.0 (two regions), 1.1.0 (pinned in the manifest) and 1.2.0 (made from 1.0.0), and a saved plan `next.plan`,
which never expires, of the versions in `planned.yaml`. Unpacked, every file has another inode, so all of it is read.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.content.digests import digest_of_path
from support.estates import Estate

from reconciler.applying.context import Interrupt
from reconciler.errors import StalePlan
from reconciler.manifests.address import Address
from reconciler.planning.actions import Action, AttributeChange
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.image_files import copying

OLD = Path(__file__).with_name("estate_with_plain_digests.tar.xz")
PLAN = "next.plan"
PINNED = Address.parse("corp/web/1.1.0")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path / "old")
    with tarfile.open(OLD) as archive:
        archive.extractall(made.directory, filter="data")
    return made


def edit(estate: Estate, change: Callable[[dict[str, dict[str, Any]]], object]) -> None:
    """Changes the versions in the manifests; `change` gets them by their names."""
    path = estate.directory / "manifests" / "published.yaml"
    documents = list(yaml.safe_load_all(path.read_text()))
    change({document["name"]: document for document in documents if document["kind"] == "ImageVersion"})
    path.write_text(yaml.safe_dump_all(documents))


def copy_of(estate: Estate, version: str, region: str = "eastus") -> Path:
    return estate.regions / region / "corp/web" / version / "replica-1.os.raw"


def described(estate: Estate, version: str, region: str = "eastus") -> ContentDigest:
    """What a region's description says of its disk."""
    description = json.loads(copy_of(estate, version, region).with_name("region.json").read_text())
    return ContentDigest.in_facts(description["computed"]["disks"]["os"])


def recorded(estate: Estate, address: Address) -> ContentDigest:
    with estate.engine() as engine:
        return ContentDigest.in_facts(engine.store.read().records[address].computed_values["disks"]["os"])


def declare_planned(estate: Estate) -> None:
    """The manifests as the saved plan was made for them."""
    (estate.directory / "planned.yaml").rename(estate.directory / "manifests" / "planned.yaml")


def apply_saved(estate: Estate) -> None:
    with estate.engine() as engine:
        outcome = engine.apply_saved(estate.directory / PLAN, Interrupt(), parallelism=4)
    assert outcome.result is not None
    assert outcome.result.complete


def drifted(estate: Estate) -> list[str]:
    with estate.engine() as engine:
        return [str(drift.address) for drift in engine.drift(deep=True).drifts]


def test_the_old_estate_matches_its_manifests(estate: Estate) -> None:
    """Its sources have other identities, and are compared by their plain sha256; so are its copies."""
    plan = estate.plan()
    assert (plan.changes, plan.errors) == ((), ())
    assert drifted(estate) == []
    estate.apply()
    assert estate.plan().reread == ()
    assert described(estate, "1.0.0").is_plain, "what nobody had to write is as it was"


def test_what_is_recorded_is_not_read_again(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the new fingerprints are recorded, nothing but the sources, which are other files now, is ever read."""
    estate.apply()
    read: list[str] = []
    real = copying.digest_extent

    def counted(extent: Any, *more: Any, **named: Any) -> ContentDigest:
        read.append(extent.path)
        return real(extent, *more, **named)

    monkeypatch.setattr("reconciler.providers.local.observation.copies.digest_extent", counted)
    assert estate.plan().changes == ()
    assert read == []


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_another_byte_in_an_old_copy_is_drift_and_repaired(estate: Estate, version: str) -> None:
    estate.apply()
    copy = copy_of(estate, version)
    before = copy.read_bytes()
    copy.write_bytes(before[:5] + b"?" + before[6:])
    assert drifted(estate) == [f"corp/web/{version}@eastus"]
    assert [change.action for change in estate.plan().changes] == [Action.REPLACE]
    estate.apply()
    assert copy.read_bytes() == before
    assert described(estate, version) == ContentDigest(digest_of_path(copy).tree, described(estate, version).plain)
    assert drifted(estate) == []
    assert estate.plan().changes == ()


def test_a_source_with_other_bytes_is_shown_in_the_kind_that_was_recorded(estate: Estate) -> None:
    shutil.copy(estate.directory / "images/next.raw", estate.directory / "images/one.raw")
    (blocked,) = estate.plan().blocked
    (change,) = [item for item in blocked.changes if isinstance(item, AttributeChange)]
    assert change.path == "source.sha256"
    assert [len(str(change.before)), len(str(change.after))] == [64, 64]


def test_a_region_that_is_added_has_both_digests(estate: Estate) -> None:
    """The copy is checked by the plain sha256, and the tree digest is made of the same read."""
    edit(estate, lambda versions: versions["1.1.0"].update(targetRegions=["eastus", "westus"]))
    estate.apply()
    copied = copy_of(estate, "1.1.0", "westus")
    assert described(estate, "1.1.0", "westus") == ContentDigest(
        digest_of_path(copied).tree, described(estate, "1.1.0").plain
    )
    assert described(estate, "1.1.0").is_plain
    assert recorded(estate, PINNED._replace(region="westus")) == described(estate, "1.1.0", "westus")
    assert recorded(estate, PINNED).is_plain, "no step of the plan wrote the version"
    assert estate.plan().changes == ()
    assert drifted(estate) == []
    copied.write_bytes(bytes(2048))
    assert drifted(estate) == ["corp/web/1.1.0@westus"]


def test_more_replicas_are_copied_from_an_old_one(estate: Estate) -> None:
    edit(estate, lambda versions: versions["1.0.0"].update(targetRegions=["eastus=3", "westus"]))
    estate.apply()
    assert estate.plan().changes == ()
    assert drifted(estate) == []


def test_a_lost_description_is_written_again(estate: Estate) -> None:
    copy_of(estate, "1.0.0").with_name("region.json").unlink()
    inode = copy_of(estate, "1.0.0").stat().st_ino
    estate.apply()
    assert copy_of(estate, "1.0.0").stat().st_ino == inode, "its copy was whole"
    assert described(estate, "1.0.0").is_plain
    assert estate.plan().changes == ()


def test_a_version_that_is_made_again_from_its_old_source_is_the_same(estate: Estate) -> None:
    """Without a copy anywhere, its image must be the one that was published."""
    for region in ("eastus", "westus"):
        shutil.rmtree(copy_of(estate, "1.0.0", region).parent)
    estate.apply()
    assert copy_of(estate, "1.0.0", "westus").read_bytes() == (estate.directory / "images/one.raw").read_bytes()
    assert described(estate, "1.0.0").tree
    assert estate.plan().changes == ()


def test_a_plan_that_was_saved_before_is_applied(estate: Estate) -> None:
    declare_planned(estate)
    apply_saved(estate)
    assert copy_of(estate, "1.3.0").read_bytes() == (estate.directory / "images/next.raw").read_bytes()
    assert described(estate, "1.3.0").tree == digest_of_path(copy_of(estate, "1.3.0")).tree
    assert estate.plan().changes == ()


def test_a_plan_that_was_saved_before_is_refused_for_another_content(estate: Estate) -> None:
    declare_planned(estate)
    shutil.copy(estate.directory / "images/two.raw", estate.directory / "images/next.raw")
    with pytest.raises(StalePlan) as refused:
        apply_saved(estate)
    assert "the content of its source changed since" in str(refused.value)
    assert not copy_of(estate, "1.3.0").exists()

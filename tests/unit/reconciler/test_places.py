"""The place behind a region: another one than recorded makes what is in it unknown, until somebody accepts it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.estates import Estate, definition, gallery, version
from support.worlds import inputs_of

from reconciler.applying.context import Interrupt
from reconciler.applying.place_changes import accept_place
from reconciler.engine import Engine
from reconciler.errors import Unreachable
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.actions import Action, Reason
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Provider, Scan, Scope

REGION = "corp/ubuntu/1.0.0@westus"
WORLD: dict[str, Any] = {
    "corp": {},
    "corp/ubuntu": {},
    "corp/ubuntu/1.0.0": {},
    "corp/ubuntu/1.0.0@eastus": {},
    REGION: {},
}
OTHER_DISK = "westus was disk-1 when its objects were recorded, and is disk-2 now; mount disk-1"


class PlacedProvider:
    """The local provider, with regions that are on disks of these names."""

    def __init__(self, provider: Provider, disks: Mapping[str, str]) -> None:
        self.provider = provider
        self.disks = disks

    def __getattr__(self, name: str) -> Any:
        return getattr(self.provider, name)

    def claim(self, regions: Collection[str], writer: Writer) -> Mapping[str, str]:
        return {region: self.disks[region] for region in regions if region in self.disks}

    def scan(self, scope: Scope, progress: Any = None) -> Scan:
        found = self.provider.scan(replace(scope, places={}), progress)
        moved = {region for region, disk in scope.places.items() if self.disks[region] != disk}
        unknown = {address: OTHER_DISK for address in scope.wanted if address.region in moved}
        seen = {address: each for address, each in found.observed.items() if address not in unknown}
        return replace(found, observed=seen, matching=found.matching - unknown.keys(), unreachable=unknown)


class Placed(Estate):
    """An estate on disks: `disks` says which one each region is on."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.disks = {"eastus": "disk-0", "westus": "disk-1"}
        self.image("a.raw", b"first")
        self.write([gallery(), definition(), version({"file": "../images/a.raw"})])

    def engine(self, reporter: Any = None) -> Engine:
        engine = super().engine(reporter)
        provider: Any = PlacedProvider(engine.providers["default"], self.disks)
        engine.__dict__["providers"] = {"default": provider}
        return engine

    def lose_west(self) -> None:
        """The disk of westus is not mounted: another one is there, with nothing on it."""
        self.disks["westus"] = "disk-2"
        (self.regions / "westus").rename(self.directory / "disk-1")
        (self.regions / "westus").mkdir()


@pytest.fixture
def placed(tmp_path: Path) -> Placed:
    estate = Placed(tmp_path)
    estate.apply()
    return estate


def test_the_places_of_regions_are_recorded_with_the_first_object(placed: Placed) -> None:
    with placed.engine() as engine:
        places = engine.state().places
    assert {key: place.identity for key, place in places.items()} == {
        ("default", "eastus"): "disk-0",
        ("default", "westus"): "disk-1",
    }


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "removed from the manifests"])
@pytest.mark.parametrize("destroy", [False, True])
def test_nothing_is_created_deleted_or_forgotten_in_another_place(
    placed: Placed, declared: bool, destroy: bool
) -> None:
    placed.lose_west()
    if not declared:
        placed.write([gallery(), definition()])
    before = placed.engine().state().records
    assert placed.plan(destroy=destroy).unreachable == ((Address.parse(REGION), OTHER_DISK),)
    with pytest.raises(Unreachable, match="disk-2"):
        placed.apply(destroy=destroy)
    assert placed.engine().state().records == before
    with placed.engine() as engine:
        report = engine.drift()
    assert (report.found, report.inconclusive, report.checked) == (False, True, 4)


def test_another_place_can_be_accepted_and_is_filled_again(placed: Placed) -> None:
    placed.lose_west()
    with placed.engine() as engine:
        accepted = accept_place(engine, "westus")
    assert (accepted.before, accepted.place.identity, accepted.objects) == ("disk-1", "disk-2", 1)
    plan = placed.plan()
    assert [(str(change.address), change.action, change.reason) for change in plan.changes] == [
        (REGION, Action.CREATE, Reason.VANISHED)
    ]
    placed.apply()
    assert not placed.plan().changes
    with placed.engine() as engine:
        assert not engine.drift().found


def test_the_same_place_can_be_accepted_again(placed: Placed) -> None:
    with placed.engine() as engine:
        accepted = accept_place(engine, "westus", "default")
        assert accepted.before == accepted.place.identity


@pytest.mark.parametrize(
    ("region", "provider", "says"),
    [
        ("westuss", "", "nothing is recorded of region 'westuss'"),
        ("westus", "other", "nothing is recorded of region 'westus' of provider 'other'"),
    ],
)
def test_a_region_of_which_nothing_is_recorded_is_refused(
    placed: Placed, region: str, provider: str, says: str
) -> None:
    with placed.engine() as engine, pytest.raises(ReconcilerError, match=says):
        accept_place(engine, region, provider)


def test_places_without_an_identity_cannot_be_accepted(placed: Placed) -> None:
    placed.disks.clear()
    with placed.engine() as engine, pytest.raises(ReconcilerError, match="have no identity"):
        accept_place(engine, "westus")


def test_an_unknown_region_is_kept_also_where_only_its_record_would_go() -> None:
    """Removed without destroying, and retained: both only forget, and neither may forget what it cannot see."""
    recorded = {**WORLD, REGION: {"$retain": True}}
    options = PlanOptions(destroy=False)
    plan = make_plan(inputs_of({}, recorded, {}, unreachable={REGION: OTHER_DISK}, options=options))
    assert Address.parse(REGION) not in {change.address for change in plan.changes}
    removed = make_plan(inputs_of({}, recorded, {}, unreachable={REGION: OTHER_DISK}, removals={"corp": False}))
    assert Address.parse(REGION) not in {change.address for change in removed.changes}
    assert not removed.applicable


def test_a_saved_plan_is_refused_as_well(placed: Placed, tmp_path: Path) -> None:
    placed.write([gallery(description="new"), definition(), version({"file": "../images/a.raw"})])
    with placed.engine() as engine:
        engine.save_plan(engine.plan(PlanOptions()), tmp_path / "plan.json")
    placed.lose_west()
    with placed.engine() as engine:
        result = engine.apply_saved(tmp_path / "plan.json", Interrupt()).result
    assert result is not None
    assert result.complete, "it touches nothing in westus"
    assert Address.parse(REGION) in placed.engine().state().records

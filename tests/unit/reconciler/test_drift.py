"""Drift: recorded against observed."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from support.worlds import LINEAGE, inputs_of

from reconciler.drift import DriftKind, DriftReport, DriftSeverity, find_drift
from reconciler.manifests.address import Address
from reconciler.planning.refresh import World
from reconciler.providers.protocol import Observed

GALLERY, VERSION, REGION = "corp", "corp/ubuntu/1.0.0", "corp/ubuntu/1.0.0@eastus"
TODAY = date(2030, 6, 1)


def drift(recorded: dict[str, Any], observed: dict[str, Any], **options: Any) -> DriftReport:
    desired = options.pop("desired", recorded)
    inputs = inputs_of(desired, recorded, observed, **options)
    return find_drift(inputs.state, inputs.world, inputs.manifest, TODAY)


def kinds(report: DriftReport) -> list[tuple[str, DriftKind]]:
    return [(str(item.address), item.kind) for item in report.drifts]


def test_nothing_changed() -> None:
    report = drift({GALLERY: {}, REGION: {}}, {GALLERY: {}, REGION: {}})
    assert not report.found
    assert report.checked == 2


def test_missing() -> None:
    assert kinds(drift({GALLERY: {}}, {})) == [(GALLERY, DriftKind.MISSING)]


def test_a_region_that_is_lost_is_critical_and_another_description_is_not() -> None:
    recorded = {GALLERY: {"description": "a"}, VERSION: {}, REGION: {}}
    report = drift(recorded, {GALLERY: {"description": "b"}, VERSION: {}})
    assert [(str(item.address), item.severity) for item in report.drifts] == [
        (GALLERY, DriftSeverity.WARNING),
        (REGION, DriftSeverity.CRITICAL),
    ]
    assert report.critical == 1


def test_changed_attributes_are_named_from_recorded_to_observed() -> None:
    report = drift({GALLERY: {"description": "a"}}, {GALLERY: {"description": "b"}})
    assert kinds(report) == [(GALLERY, DriftKind.CHANGED)]
    assert [(item.path, item.before, item.after) for item in report.drifts[0].changes] == [("description", "a", "b")]


def test_damaged_says_what_is_wrong() -> None:
    report = drift({REGION: {}}, {REGION: {"$condition": "damaged", "$defects": ["truncated"]}})
    assert kinds(report) == [(REGION, DriftKind.DAMAGED)]
    assert report.drifts[0].defects == ("truncated",)


def test_what_took_its_place_is_foreign() -> None:
    assert kinds(drift({GALLERY: {}}, {GALLERY: {"$mark": "foreign"}})) == [(GALLERY, DriftKind.FOREIGN)]


def test_unmanaged_objects_are_listed_and_are_no_drift() -> None:
    inputs = inputs_of({}, {})
    stranger = Observed(Address("theirs"), "id", None, "f", "{}")
    report = find_drift(inputs.state, World(unmanaged=(stranger,)), inputs.manifest, TODAY)
    assert [item.kind for item in report.unmanaged] == [DriftKind.UNMANAGED]
    assert not report.found


def test_manifest_changes_are_no_drift() -> None:
    assert not drift({GALLERY: {}}, {GALLERY: {}}, desired={GALLERY: {"description": "new"}}).found


def test_unreachable_is_neither_missing_nor_fine() -> None:
    report = drift({GALLERY: {}, REGION: {}}, {GALLERY: {}}, unreachable={REGION: "no answer"})
    assert not report.found
    assert report.unreachable == ((Address.parse(REGION), "no answer"),)
    assert report.checked == 1


def test_what_a_run_left_unfinished_is_not_drift() -> None:
    assert not drift({GALLERY: {}}, {}, journal={GALLERY: "delete"}).found


@pytest.mark.parametrize(("until", "alarm"), [("", False), ("2030-06-01", False), ("2030-05-31", True)])
def test_ignored_drift_is_counted_until_its_date(until: str, alarm: bool) -> None:
    exception = {"attribute": "tags.owner", "reason": "set by the cost team", "until": until}
    desired = {GALLERY: {"$lifecycle": {"ignoreDrift": [exception]}}}
    report = drift({GALLERY: {"tags": {"a": "1"}}}, {GALLERY: {"tags": {"a": "1", "owner": "x"}}}, desired=desired)
    assert report.found is alarm
    assert bool(report.ignored) is not alarm


def test_ignored_attributes_do_not_hide_others() -> None:
    desired = {GALLERY: {"$lifecycle": {"ignoreDrift": [{"attribute": "tags"}]}}}
    assert drift({GALLERY: {}}, {GALLERY: {"tags": {"a": "1"}, "description": "x"}}, desired=desired).found


def test_lineage_of_the_report_is_the_states() -> None:
    assert drift({}, {}).lineage == LINEAGE

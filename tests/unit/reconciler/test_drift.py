"""Drift: recorded against observed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from support.worlds import LINEAGE, inputs_of, observed_of

from reconciler.drift.comparison import find_drift
from reconciler.drift.report import DriftKind, DriftReport, DriftSeverity
from reconciler.manifests.address import Address
from reconciler.planning.refresh import World
from reconciler.providers.owner import OwnerMark
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


@pytest.mark.parametrize(
    ("verb", "observed", "says", "severity"),
    [
        ("create", None, "it does not exist", DriftSeverity.CRITICAL),
        ("delete", None, "it does not exist", DriftSeverity.WARNING),
        ("update", {}, "it exists and is complete", DriftSeverity.WARNING),
        ("replace", {"$condition": "damaged"}, "it is damaged", DriftSeverity.CRITICAL),
        ("create", {"$condition": "incomplete"}, "it is not complete", DriftSeverity.CRITICAL),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_what_is_in_the_journal_is_unsettled_whatever_is_there(
    verb: str, observed: dict[str, Any] | None, says: str, severity: DriftSeverity, recorded: bool
) -> None:
    seen = {} if observed is None else {REGION: observed}
    report = drift({GALLERY: {}, **({REGION: {}} if recorded else {})}, {GALLERY: {}, **seen}, journal={REGION: verb})
    assert kinds(report) == [(REGION, DriftKind.UNSETTLED)]
    assert report.drifts[0].defects[1] == says
    assert report.drifts[0].severity is severity
    assert (report.checked, report.unchanged, report.unsettled) == (1, 1, 1)
    assert report.found


def test_what_is_unsettled_and_cannot_be_asked_is_unknown_as_well() -> None:
    report = drift({GALLERY: {}}, {GALLERY: {}}, journal={REGION: "create"}, unreachable={REGION: "no answer"})
    assert kinds(report) == [(REGION, DriftKind.UNSETTLED)]
    assert report.drifts[0].defects[1] == "it cannot be asked: no answer"
    assert report.unreachable == ((Address.parse(REGION), "no answer"),)


def test_a_run_that_is_working_on_it_is_named() -> None:
    inputs = inputs_of({GALLERY: {}}, {}, {}, journal={GALLERY: "create"})
    busy = {GALLERY: "being changed by ann@host, since THEN"}
    (item,) = find_drift(inputs.state, inputs.world, inputs.manifest, TODAY, busy).drifts
    assert item.defects[0].endswith(", being changed by ann@host, since THEN")
    assert item.severity is DriftSeverity.WARNING


def test_an_incomplete_object_of_ours_without_a_record_is_unsettled() -> None:
    report = drift({GALLERY: {}}, {GALLERY: {}, VERSION: {"$condition": "incomplete", "$defects": ["no copies"]}})
    assert kinds(report) == [(VERSION, DriftKind.UNSETTLED)]
    assert report.drifts[0].defects == ("it bears our mark, and is in no record", "it is not complete", "no copies")


def test_an_empty_state_beside_declared_objects_is_not_green() -> None:
    report = drift({}, {GALLERY: {"$mark": "foreign"}}, desired={GALLERY: {}, VERSION: {}})
    assert not report.found
    assert report.inconclusive
    assert (report.checked, report.unrecorded, report.unrecorded_present) == (0, 2, 1)
    assert not drift({}, {}).inconclusive


def test_a_mark_that_is_not_sealed_by_this_state_is_foreign() -> None:
    inputs = inputs_of({GALLERY: {}}, {GALLERY: {}}, {GALLERY: {}})
    typed = replace(inputs.world.observed[Address(GALLERY)], mark=OwnerMark(LINEAGE, Address(GALLERY)))
    report = find_drift(inputs.state, World({Address(GALLERY): typed}), inputs.manifest, TODAY)
    assert kinds(report) == [(GALLERY, DriftKind.FOREIGN)]


DEFINITION, THEIRS = "corp/ubuntu", "corp/ubuntu/9.0.0@eastus"
PUBLISHED: dict[str, Any] = {GALLERY: {}, DEFINITION: {}, VERSION: {}, REGION: {}}


def takeover(**theirs: Any) -> DriftReport:
    """A drift report where somebody else published `corp/ubuntu/9.0.0` in eastus."""
    inputs = inputs_of(PUBLISHED, PUBLISHED)
    seen = observed_of(Address.parse(theirs.pop("$address", THEIRS)), {"$mark": "none", **theirs})
    return find_drift(inputs.state, replace(inputs.world, unmanaged=(seen,)), inputs.manifest, TODAY)


def test_a_version_of_somebody_else_that_is_latest_is_critical() -> None:
    report = takeover()
    assert kinds(report) == [(DEFINITION, DriftKind.LATEST)]
    (item,) = report.drifts
    assert [(move.region, move.before, move.after) for move in item.latest] == [("eastus", "1.0.0", "9.0.0")]
    assert item.severity is DriftSeverity.CRITICAL
    assert (report.checked, report.unchanged) == (4, 4)


def test_where_nothing_of_ours_is_latest_somebody_elses_version_still_takes_over() -> None:
    (item,) = takeover(**{"$address": "corp/ubuntu/0.1.0@westus"}).drifts
    assert [(move.region, move.before, move.after) for move in item.latest] == [("westus", None, "0.1.0")]


@pytest.mark.parametrize(
    "theirs",
    [
        {"$address": "corp/ubuntu/0.9.0@eastus"},
        {"$address": "corp/other/9.0.0@eastus"},
        {"$address": "corp/ubuntu/notes@eastus"},
        {"$address": "corp/ubuntu/1.0.0@westus"},
        {"excludeFromLatest": True},
        {"$condition": "incomplete"},
        {"$mark": "ours"},
    ],
    ids=lambda theirs: " ".join(f"{name}={value}" for name, value in theirs.items()),
)
def test_what_does_not_take_over_latest(theirs: dict[str, Any]) -> None:
    assert not takeover(**theirs).found


def test_somebody_elses_version_is_found_in_a_renamed_definition() -> None:
    inputs = inputs_of({}, PUBLISHED)
    records = {
        Address("corp", "frontend", *address[2:]): replace(
            record, address=Address("corp", "frontend", *address[2:]), named=address
        )
        for address, record in inputs.state.records.items()
        if address.definition
    }
    seen = observed_of(Address.parse(THEIRS), {"$mark": "none"})
    world = replace(inputs.world, unmanaged=(seen,))
    report = find_drift(replace(inputs.state, records=records), world, inputs.manifest, TODAY)
    assert kinds(report) == [("corp/frontend", DriftKind.LATEST)]


def test_what_is_declared_and_not_ours_is_unmanaged_too() -> None:
    report = drift({GALLERY: {}}, {GALLERY: {}, DEFINITION: {"$mark": "none"}}, desired={GALLERY: {}, DEFINITION: {}})
    assert [str(item.address) for item in report.unmanaged] == [DEFINITION]


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


def test_an_ignored_attribute_is_apart_from_those_that_drift() -> None:
    exception = {"attribute": "tags.scan", "reason": "written by the scanner", "until": "2035-01-01"}
    desired = {GALLERY: {"$lifecycle": {"ignoreDrift": [exception]}}}
    report = drift({GALLERY: {}}, {GALLERY: {"tags": {"scan": "clean", "team": "x"}}}, desired=desired)
    (item,) = report.drifts
    assert [(change.path, change.after) for change in item.changes] == [("tags", {"team": "x"})]
    (ignored,) = item.ignored
    assert (ignored.change.path, ignored.change.after) == ("tags", {"scan": "clean"})
    assert (ignored.reason, ignored.until) == ("written by the scanner", "2035-01-01")
    assert not report.ignored


def test_the_first_tag_of_an_object_can_be_ignored() -> None:
    desired = {GALLERY: {"$lifecycle": {"ignoreDrift": [{"attribute": "tags.scan"}]}}}
    report = drift({GALLERY: {}}, {GALLERY: {"tags": {"scan": "clean"}}}, desired=desired)
    assert not report.found
    assert len(report.ignored) == 1
    assert (report.checked, report.unchanged) == (1, 0)


def test_a_tag_with_dots_in_its_name_can_be_ignored() -> None:
    desired = {GALLERY: {"$lifecycle": {"ignoreDrift": [{"attribute": "tags.example.com/scan"}]}}}
    tags = {"a": "1", "example.com/scan": "clean"}
    assert not drift({GALLERY: {"tags": {"a": "1"}}}, {GALLERY: {"tags": tags}}, desired=desired).found


def test_lineage_of_the_report_is_the_states() -> None:
    assert drift({}, {}).lineage == LINEAGE

"""A run, a drift report, records and graphs as people and programs see them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from support.worlds import inputs_of, record_of

from reconciler.applying.apply import ApplyResult
from reconciler.drift.report import Drift, DriftKind, DriftReport, IgnoredChange
from reconciler.graph import resource_graph
from reconciler.latest import LatestChange
from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Position, error
from reconciler.manifests.errors import ManifestError, ReconcilerError
from reconciler.planning.actions import Action, AttributeChange
from reconciler.planning.diff import attribute_changes
from reconciler.planning.planner import make_plan
from reconciler.providers.errors import (
    ContractViolation,
    ObjectConflict,
    ProviderError,
    SourceError,
    Unavailable,
    Unsupported,
)
from reconciler.providers.protocol import Step, Verb
from reconciler.state.records import Run, State, Status
from reconciler.views.formats.json import JsonReporter
from reconciler.views.graphs.dot import dot_text
from reconciler.views.graphs.mermaid import mermaid_text
from reconciler.views.json_events import drift_event, error_event, plan_event, result_event
from reconciler.views.terminal.lines import text_of
from reconciler.views.terminal.output import Output
from reconciler.views.text.apply import PlainReporter, result_lines
from reconciler.views.text.diagnostics import error_lines
from reconciler.views.text.drift import drift_lines
from reconciler.views.text.heading import Heading
from reconciler.views.text.objects import overview_lines, record_lines

VERSION = Address("corp", "web", "1.0.0")
EAST, WEST = VERSION._replace(region="eastus"), VERSION._replace(region="westus")
NO_SPACE = ProviderError("no space is left in 'westus'", "make room there and apply again")
HEADING = Heading("default", {"default": "local"}, 7)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def steps(verb: Verb, *addresses: Address) -> list[Step]:
    return [Step(verb, address) for address in addresses]


def test_a_unit_is_reported_once_when_all_its_steps_have_ended() -> None:
    stream = io.StringIO()
    reporter = PlainReporter(Output(stream), Clock())
    version, east, west = steps(Verb.CREATE, VERSION, EAST, WEST)
    for step in (version, east, west):
        reporter.started(step)
    reporter.finished(version, 0.1)
    reporter.finished(east, 0.1)
    assert stream.getvalue() == ""
    reporter.finished(west, 2.04)
    assert stream.getvalue() == " + created   corp/web/1.0.0  @eastus @westus  2.0 s\n"


def test_a_failure_is_reported_at_once_and_the_rest_of_its_unit_after() -> None:
    stream = io.StringIO()
    reporter = PlainReporter(Output(stream), Clock())
    version, east, west = steps(Verb.CREATE, VERSION, EAST, WEST)
    for step in (version, east, west):
        reporter.started(step)
    reporter.failed(west, NO_SPACE)
    reporter.finished(version, 0.1)
    reporter.finished(east, 0.2)
    assert stream.getvalue().splitlines() == [
        " ! failed    corp/web/1.0.0@westus",
        " + created   corp/web/1.0.0  @eastus",
    ]


def test_a_long_copy_is_reported_once() -> None:
    stream, clock = io.StringIO(), Clock()
    reporter = PlainReporter(Output(stream), clock)
    reporter.started(steps(Verb.CREATE, EAST)[0])
    reporter.progress(EAST, 1 << 20, 8 << 30)
    assert stream.getvalue() == ""
    clock.now = 1.5
    reporter.progress(EAST, 1 << 30, 8 << 30)
    clock.now = 3
    reporter.progress(EAST, 2 << 30, 8 << 30)
    assert stream.getvalue() == "   copying   corp/web/1.0.0@eastus  1.0 GiB of 8.0 GiB\n"


def test_an_interrupt_says_what_is_waited_for() -> None:
    stream = io.StringIO()
    PlainReporter(Output(stream)).interrupted(2)
    assert "waiting for 2 running operations" in stream.getvalue()
    assert "Ctrl-C again" in stream.getvalue()


def test_a_complete_run_ends_with_one_line() -> None:
    result = ApplyResult({Action.CREATE: 3, Action.UPDATE: 1})
    assert [text_of(line) for line in result_lines(result, 1.26, 80)] == ["", "Done: 3 created · 1 updated · 1.3 s"]


def test_failures_have_remedies_and_skipped_ones_a_cause() -> None:
    definitions = [Address("corp", f"d{number}") for number in range(5)]
    result = ApplyResult({}, ((WEST, NO_SPACE),), tuple((address, WEST) for address in definitions))
    assert [text_of(line) for line in result_lines(result, 1, 100)] == [
        "",
        "failed: corp/web/1.0.0@westus: no space is left in 'westus'",
        "  make room there and apply again",
        "",
        "skipped, because corp/web/1.0.0@westus failed: corp/d0, corp/d1, corp/d2 and 2 more",
        "",
        "Incomplete: 1 failed · 5 skipped · 1.0 s",
        "Completed changes are recorded. Run apply again for the rest.",
    ]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ObjectConflict("a machine uses it"), "  conflict"),
        (Unavailable("nobody answers"), "  unreachable"),
        (SourceError("it is gone"), "  source"),
        (Unsupported("never"), "  not supported"),
        (ContractViolation("broken. This is a bug."), "  a bug"),
        (NO_SPACE, ""),
    ],
)
def test_the_row_of_a_failure_has_a_word_and_leaves_the_rest_to_the_end(error: ProviderError, word: str) -> None:
    stream = io.StringIO()
    reporter = PlainReporter(Output(stream), Clock())
    (step,) = steps(Verb.DELETE, WEST)
    reporter.started(step)
    reporter.failed(step, error)
    assert stream.getvalue() == f" ! failed    corp/web/1.0.0@westus{word}\n"


def test_a_failure_of_several_is_reported_once_with_all_of_them() -> None:
    used = f"{WEST} cannot be deleted: a machine uses it"
    failed: list[tuple[Address, ReconcilerError]] = [
        (VERSION, ObjectConflict(used, "remove the machine")),
        (EAST, NO_SPACE),
        (WEST, ObjectConflict(used, "remove the machine")),
    ]
    assert [text_of(line) for line in result_lines(ApplyResult({}, tuple(failed)), 1, 150)][1:7] == [
        f"failed: corp/web/1.0.0, corp/web/1.0.0@westus: {used}",
        "  remove the machine",
        "",
        "failed: corp/web/1.0.0@eastus: no space is left in 'westus'",
        "  make room there and apply again",
        "",
    ]
    alone = ApplyResult({}, ((WEST, ObjectConflict(used)),))
    assert [text_of(line) for line in result_lines(alone, 1, 150)][1] == f"failed: {used}"


def test_an_error_is_a_paragraph_with_what_to_do() -> None:
    lines = [text_of(line) for line in error_lines(NO_SPACE, 30)]
    assert lines == ["error: no space is left in", "'westus'", "  make room there and apply", "  again"]


REPORT = DriftReport(
    lineage="lineage-1",
    serial=7,
    checked=20,
    drifts=(
        Drift(Address("corp", "web"), DriftKind.CHANGED, (AttributeChange("description", "a", "b", True),), (), "id-1"),
        Drift(EAST, DriftKind.DAMAGED, (), ("replica-1.os.raw is truncated",), "eastus/corp/web/1.0.0"),
        Drift(WEST, DriftKind.MISSING, (), (), "westus/corp/web/1.0.0"),
        Drift(Address("base"), DriftKind.FOREIGN, (), (), "eastus/base.json"),
    ),
    unmanaged=(Drift(Address("old"), DriftKind.UNMANAGED, (), (), "eastus/old.json"),),
    ignored=(
        Drift(
            Address("corp"),
            DriftKind.CHANGED,
            ignored=(IgnoredChange(AttributeChange("tags.scan", None, "clean", True), "by the scanner", "2035-01-01"),),
        ),
    ),
    unreachable=((Address("far"), "it does not answer"),),
)

DRIFT_COUNTS = (
    " 4 drifted (3 critical) · 15 unchanged · 1 unknown · 1 ignored by lifecycle.ignoreDrift"
    " · 1 unmanaged object (--unmanaged lists them)"
)


def test_drift_says_what_where_and_what_to_do() -> None:
    assert [text_of(line) for line in drift_lines(REPORT, HEADING, 100)][2:] == [
        " ? unknown  far                    it does not answer",
        " ! foreign  base                   an object that is not ours has its name",
        "                                   eastus/base.json",
        "                                   move that object away, or drop the record with: reconciler state",
        "                                   forget base",
        " - missing  corp/web/1.0.0@westus  it no longer exists",
        "                                   westus/corp/web/1.0.0",
        " ! damaged  corp/web/1.0.0@eastus  replica-1.os.raw is truncated",
        "                                   eastus/corp/web/1.0.0",
        " ~ changed  corp/web               description  a -> b",
        "                                   id-1",
        " · ignored  corp                   tags.scan  (not set) -> clean  ignored: by the scanner, until",
        "                                   2035-01-01",
        "",
        DRIFT_COUNTS,
        "",
        " See what apply would do about it: reconciler plan",
    ]


def test_unmanaged_objects_are_listed_on_request() -> None:
    lines = [text_of(line) for line in drift_lines(REPORT, HEADING, 100, unmanaged=True)]
    assert any(text.startswith(" · unmanaged  old") and text.endswith("eastus/old.json") for text in lines)


def test_drift_for_programs() -> None:
    event = json.loads(json.dumps(drift_event(REPORT, "default")))
    assert event["type"] == "drift"
    assert (event["found"], event["critical"]) == (True, 3)
    assert [drift["severity"] for drift in event["drifts"]] == ["warning", "critical", "critical", "critical"]
    assert [drift["severity"] for drift in event["unmanaged"]] == ["warning"]
    assert [drift["kind"] for drift in event["drifts"]] == ["changed", "damaged", "missing", "foreign"]
    assert event["unreachable"] == [{"address": "far", "why": "it does not answer"}]
    (ignored,) = event["ignored"][0]["ignored_changes"]
    assert (ignored["path"], ignored["reason"], ignored["until"]) == ("tags.scan", "by the scanner", "2035-01-01")


def test_drift_shows_who_is_latest_what_is_unsettled_and_that_nothing_is_recorded() -> None:
    takeover = Drift(
        Address("corp", "web"),
        DriftKind.LATEST,
        object_id="id-9",
        latest=(LatestChange(Address("corp", "web"), "eastus", "1.0.0", "9.0.0"),),
    )
    unsettled = Drift(WEST, DriftKind.UNSETTLED, defects=("create started THEN", "it does not exist"), harmed=True)
    report = DriftReport("lineage-1", 7, 4, (takeover, unsettled))
    lines = [text_of(line) for line in drift_lines(report, HEADING, 120)]
    assert lines[2:] == [
        " ! latest     corp/web               latest eastus 1.0.0 -> 9.0.0, published by somebody else",
        "                                     id-9",
        "                                     delete that version, exclude it from latest, or publish a higher one",
        " ? unsettled  corp/web/1.0.0@westus  create started THEN",
        "                                     it does not exist",
        "",
        " 1 drifted (1 critical) · 1 unsettled (1 critical) · 4 unchanged",
        "",
        " See what apply would do about it: reconciler plan",
    ]
    event = json.loads(json.dumps(drift_event(report, "default")))
    assert (event["critical"], event["unsettled"], event["checked"], event["unchanged"]) == (2, 1, 4, 4)
    assert event["drifts"][0]["latest"] == [{"region": "eastus", "before": "1.0.0", "after": "9.0.0"}]
    empty = DriftReport("", 0, 0, (), unrecorded=5, unrecorded_present=4)
    said = " ".join(text_of(line) for line in drift_lines(empty, HEADING, 120))
    assert "5 objects are declared, and 4 of them exist, and nothing is recorded" in " ".join(said.split())
    assert "reconciler state rebuild" in said
    assert drift_event(empty, "default")["inconclusive"] is True


def test_a_plan_for_programs_has_objects_for_values() -> None:
    world: dict[str, dict[str, Any]] = {"corp": {}, "corp/web": {}, "corp/web/1.0.0": {}, "corp/web/1.0.0@eastus": {}}
    event = json.loads(json.dumps(plan_event(make_plan(inputs_of(world, {}, {})), "prod")))
    assert (event["type"], event["environment"], event["applicable"]) == ("plan", "prod", True)
    assert event["counts"] == {"create": 4}
    assert event["changes"][0]["address"] == "corp"
    assert event["changes"][0]["planned"]["location"] == "eastus"
    assert event["changes"][0]["prior"] is None


def test_results_and_errors_for_programs() -> None:
    result = result_event(ApplyResult({Action.CREATE: 1}, ((WEST, NO_SPACE),), ((EAST, WEST),), (VERSION,)))
    assert result["failed"] == [{"address": str(WEST), "error": NO_SPACE.message, "remedy": NO_SPACE.remedy}]
    assert result["skipped"] == [{"address": str(EAST), "because": str(WEST)}]
    assert result["complete"] is False
    assert result_event(None)["complete"] is True
    fault = error("bad", position=Position("a.yaml", 2, 3), address=VERSION)
    (told,) = error_event(ManifestError([fault]))["diagnostics"]
    assert (told["file"], told["line"], told["column"], told["address"]) == ("a.yaml", 2, 3, str(VERSION))


def test_every_event_is_one_line() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    (step,) = steps(Verb.CREATE, EAST)
    reporter.stage("apply")
    reporter.waiting("for\nsomething")
    reporter.started(step)
    for done in (1, 2, 3, 10):
        reporter.progress(EAST, done, 10)
    reporter.in_progress(step)
    reporter.finished(step, 0.25)
    reporter.failed(step, NO_SPACE)
    reporter.skipped(step, WEST)
    reporter.interrupted(1)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds == [
        "stage", "waiting", "started", "progress", "progress",
        "in_progress", "finished", "failed", "skipped", "interrupted",
    ]  # fmt: skip
    assert [event["done"] for event in events if event["type"] == "progress"] == [1, 10]


def records(*texts: str) -> dict[Address, Any]:
    return {Address.parse(text): record_of(Address.parse(text), {}) for text in texts}


def test_an_overview_of_what_is_recorded() -> None:
    known = records("corp", "corp/web", "corp/web/1.0.10", "corp/web/1.0.9", "corp/web/1.0.9@westus")
    run = Run("1", "apply", "ann@host", "2030-01-01T00:00:00Z", outcome="done", counts={"create": 5})
    lines = [text_of(line) for line in overview_lines(State("l", 7, "p", known), [run])]
    assert [text.split()[0] for text in lines[:4]] == ["corp", "corp/web", "corp/web/1.0.9", "corp/web/1.0.10"]
    assert lines[2].endswith("@westus  512 B")
    assert "5 create" in lines[5]
    assert lines[-1] == " 5 objects · state serial 7"


def test_one_object_in_full() -> None:
    known = records("corp/web/1.0.0", "corp/web/1.0.0@eastus")
    lines = [text_of(line) for line in record_lines(known[VERSION], known)]
    assert lines[0] == "corp/web/1.0.0  image version"
    assert "  object      id:corp/web/1.0.0" in lines
    assert "  contains    @eastus" in lines
    assert any(text.split() == ["disks.os.size", "512", "bytes", "(512", "B)"] for text in lines)
    assert any(text.split() == ["source.file", "images/a.raw"] for text in lines)


def test_a_tainted_object_is_marked() -> None:
    tainted = record_of(VERSION, {"$status": Status.TAINTED})
    lines = [text_of(line) for line in overview_lines(State("l", 7, "p", {VERSION: tainted}), [])]
    assert "tainted" in lines[0]


GRAPH_WORLD: dict[str, dict[str, Any]] = {
    "corp": {},
    "corp/web": {},
    "corp/web/1.0.0": {},
    "corp/web/1.0.0@eastus": {},
    "corp/web/2.0.0": {"source": {"version": "corp/web/1.0.0"}},
}


def test_dot_draws_containers_references_and_regions() -> None:
    resources = inputs_of(GRAPH_WORLD, {}).manifest.resources
    text = dot_text(resource_graph(resources), tuple(resources))
    assert '"corp/web/1.0.0" -> "corp/web/1.0.0@eastus";' in text
    assert '"corp/web/1.0.0" -> "corp/web/2.0.0" [style=dashed];' in text
    assert '"corp/web/1.0.0@eastus" [label="@eastus", shape=ellipse];' in text


def test_mermaid_draws_the_same() -> None:
    resources = inputs_of(GRAPH_WORLD, {}).manifest.resources
    assert mermaid_text(resource_graph(resources), tuple(resources)).splitlines() == [
        "flowchart LR",
        '  n0[("corp")]',
        '  n1["web"]',
        '  n2(["1.0.0"])',
        '  n3(("@eastus"))',
        '  n4(["2.0.0"])',
        "  n0 --> n1",
        "  n1 --> n2",
        "  n1 --> n4",
        "  n2 --> n3",
        "  n2 -.-> n4",
    ]


def test_only_what_was_asked_for_is_drawn() -> None:
    resources = inputs_of(GRAPH_WORLD, {}).manifest.resources
    graph, nodes = resource_graph(resources), (VERSION, EAST)
    assert "corp/web/2.0.0" not in dot_text(graph, nodes)
    assert mermaid_text(graph, nodes).splitlines()[1:] == ['  n0(["1.0.0"])', '  n1(("@eastus"))', "  n0 --> n1"]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a#b", "<b>"])
def test_names_cannot_break_out_of_a_drawing(name: str) -> None:
    resources = inputs_of({name: {}}, {}).manifest.resources
    graph = resource_graph(resources)
    dot = dot_text(graph, tuple(resources)).splitlines()[2]
    assert dot.replace("\\\\", "").replace('\\"', "").count('"') == 4
    assert mermaid_text(graph, tuple(resources)).splitlines()[1].count('"') == 2


def test_drift_of_a_list_names_the_elements_that_differ() -> None:
    before, after = ({"identity": {"userAssignedIdentities": [one]}} for one in ("/sub/a", "/sub/b"))
    changes = attribute_changes(before, after, Kind.GALLERY)
    report = replace(REPORT, drifts=(Drift(Address("corp"), DriftKind.CHANGED, changes),), unreachable=())
    lines = [text_of(line) for line in drift_lines(report, HEADING, 100)]
    assert " ~ changed  corp  identity.userAssignedIdentities  - /sub/a  + /sub/b" in lines
    (drift,) = json.loads(json.dumps(drift_event(report, "default")))["drifts"]
    assert drift["changes"] == [
        {
            "path": "identity.userAssignedIdentities",
            "before": ["/sub/a"],
            "after": ["/sub/b"],
            "elements": [
                {"key": "", "before": "/sub/a", "after": None},
                {"key": "", "before": None, "after": "/sub/b"},
            ],
            "more_elements": 0,
        }
    ]

"""Output formats: each renders every kind of result, and a new one is one file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.worlds import inputs_of, record_of

from reconciler.applying.apply import ApplyResult
from reconciler.cli.app import run
from reconciler.drift.report import Drift, DriftKind, DriftReport
from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Position, error, warning
from reconciler.manifests.errors import ManifestError, ReconcilerError
from reconciler.planning.actions import Action, AttributeChange
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.providers.errors import ObjectConflict
from reconciler.state.records import Intent, Run, State
from reconciler.views.output_format import OutputFormat, format_names, load_format
from reconciler.views.terminal.lines import Line, text_of
from reconciler.views.text.heading import Heading
from reconciler.views.validation import Validation, invalid_manifest

VERSION = Address("corp", "web", "1.0.0")
EAST, WEST = VERSION._replace(region="eastus"), VERSION._replace(region="westus")
WORLD: dict[str, dict[str, Any]] = {"corp": {}, "corp/web": {}, str(VERSION): {}, str(EAST): {}, str(WEST): {}}
HEADING = Heading("default", {"default": "local"}, 7, 1)
IN_USE = ObjectConflict("a machine uses it", "remove the machine")
PROBLEM = error("osType is not valid", "use Linux or Windows", address=VERSION, position=Position("a.yaml", 2, 3))
RECORDS = {Address.parse(text): record_of(Address.parse(text), {}) for text in WORLD}
REPORT = DriftReport(
    lineage="lineage-1",
    serial=7,
    checked=20,
    drifts=(
        Drift(Address("corp", "web"), DriftKind.CHANGED, (AttributeChange("description", "a", "b", True),), (), "id-1"),
        Drift(EAST, DriftKind.DAMAGED, (), ("replica-1.os.raw is truncated",), "eastus/corp/web/1.0.0"),
    ),
    unmanaged=(Drift(Address("old"), DriftKind.UNMANAGED, (), (), "eastus/old.json"),),
    unreachable=((Address("far"), "it does not answer"),),
)
INTENT = Intent(WEST, VERSION, "default", "create", "{}", "", "run-1", "2030-01-01T00:00:00Z")
LATEST_RUN = Run("1", "apply", "ann@host", "2030-01-01T00:00:00Z", outcome="done", counts={"create": 5})
BLOCKED = {**WORLD, str(VERSION): {"hostCaching": "None"}}

RESULTS: Mapping[str, tuple[Callable[[OutputFormat], Iterator[Line]], str]] = {
    "a plan": (lambda it: it.plan(make_plan(inputs_of(WORLD, {}, {})), HEADING, 100), "corp/web"),
    "no changes": (lambda it: it.plan(make_plan(inputs_of(WORLD, WORLD)), HEADING, 100), "5"),
    "a blocked plan": (lambda it: it.plan(make_plan(inputs_of(BLOCKED, WORLD)), HEADING, 100), "allow-replace"),
    "a destroy": (
        lambda it: it.plan(make_plan(inputs_of({}, WORLD, options=PlanOptions(destroy=True))), HEADING, 100),
        "delete",
    ),
    "a plan with problems": (
        lambda it: it.plan(
            replace(make_plan(inputs_of(WORLD, {}, {})), errors=(PROBLEM,), warnings=(warning("ends soon"),)),
            HEADING,
            100,
            verbose=True,
        ),
        "osType is not valid",
    ),
    "drift": (lambda it: it.drift(REPORT, HEADING, 100), "replica-1.os.raw is truncated"),
    "drift with unmanaged objects": (lambda it: it.drift(REPORT, HEADING, 100, unmanaged=True), "eastus/old.json"),
    "a complete run": (lambda it: it.result(ApplyResult({Action.CREATE: 3}), 1.2, 100), "3"),
    "an incomplete run": (
        lambda it: it.result(ApplyResult({}, ((EAST, IN_USE),), ((WEST, EAST),), (VERSION,)), 1.2, 100),
        "remove the machine",
    ),
    "valid manifests": (lambda it: it.validation(Validation((), {"gallery": 2}, 3), 100), "2"),
    "invalid manifests": (lambda it: it.validation(invalid_manifest(ManifestError([PROBLEM])), 100), "a.yaml"),
    "what is recorded": (lambda it: it.overview(State("l", 7, "p", RECORDS, {WEST: INTENT}), [LATEST_RUN]), "corp/web"),
    "an object": (lambda it: it.record(RECORDS[VERSION], RECORDS), "images/a.raw"),
    "latest": (lambda it: it.latest("corp/web", {"eastus": "1.0.0"}), "1.0.0"),
    "latest in one region": (lambda it: it.latest("corp/web", {"eastus": "1.0.0"}, alone=True), "1.0.0"),
    "an error": (lambda it: it.error(ReconcilerError("no space is left", "make room"), 100), "make room"),
    "an error in manifests": (lambda it: it.error(ManifestError([PROBLEM]), 100), "osType is not valid"),
}


def rendered(name: str, result: str) -> list[str]:
    return [text_of(line) for line in RESULTS[result][0](load_format(name))]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("name", format_names())
def test_every_format_renders_every_result(name: str, result: str) -> None:
    lines = rendered(name, result)
    assert RESULTS[result][1] in "\n".join(lines)
    assert all("\n" not in text for text in lines)


def test_a_run_without_changes_is_no_result_for_people() -> None:
    assert list(load_format("text").result(None, 1, 100)) == []
    assert list(load_format("markdown").result(None, 1, 100)) == []
    assert [text_of(line) for line in load_format("json").result(None, 1, 100)] != []


@pytest.mark.parametrize("result", RESULTS)
def test_json_is_one_object_per_line(result: str) -> None:
    assert all("type" in json.loads(text) for text in rendered("json", result))


def test_the_formats_are_the_files() -> None:
    assert format_names() == ("text", "json", "markdown")
    assert [load_format(name).name for name in format_names()] == list(format_names())


SHOUTING = """
from reconciler.views.output_format import OutputFormat
from reconciler.views.terminal.lines import line


def shouted(self, value, *others, **options):
    yield line(f"A {type(value).__name__}!".upper())


class Shouting(OutputFormat):
    plan = result = drift = validation = overview = record = latest = error = shouted


FORMAT = Shouting()
"""

WITH_FOLDER = """
import sys
from reconciler.views import formats
formats.__path__.append(sys.argv.pop(1))
from reconciler.cli.app import main
main()
"""


@pytest.mark.parametrize(
    ("command", "code", "output"),
    [
        ("plan", 0, "A PLAN!\n"),
        ("apply --auto-approve", 0, "A PLAN!\nA APPLYRESULT!\n"),
        ("drift", 3, "A DRIFTREPORT!\n"),
        ("validate", 0, "A VALIDATION!\n"),
        ("show", 0, "A STATE!\n"),
        ("latest corp/hello", 1, "A RECONCILERERROR!\n"),
    ],
)
def test_a_new_format_is_one_file(tmp_path: Path, command: str, code: int, output: str) -> None:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "shouting.py").write_text(SHOUTING)
    assert run(["init", str(tmp_path / "project")]) == 0

    def started(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", WITH_FOLDER, str(tmp_path / "formats"), *command.split(), *words]
        return subprocess.run(program, cwd=tmp_path / "project", capture_output=True, text=True, check=False)

    assert "--format text|json|markdown|shouting" in started("--help").stdout
    answer = started("--format", "shouting")
    assert (answer.returncode, answer.stdout) == (code, output), answer.stderr

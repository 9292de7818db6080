"""The command line from the outside: what commands print, where, and their exit codes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from reconciler import __version__
from reconciler.cli import commands
from reconciler.cli.app import command_modules, run, shared_first
from reconciler.cli.applying import Manner, require_an_answer
from reconciler.cli.failures import exit_code_of
from reconciler.engine import Engine
from reconciler.errors import Unreachable
from reconciler.views.output_format import format_names, load_format


class Cli:
    """Runs commands in one folder; `code`, `out` and `err` of the last one."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *words: str) -> int:
        self._capture.readouterr()
        self.code = run(["--project", str(self.folder), *words])
        self.out, self.err = self._capture.readouterr()
        return self.code

    def events(self, *words: str) -> list[dict[str, Any]]:
        self(*words)
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("RECONCILER_ENVIRONMENT", raising=False)
    return Cli(tmp_path / "project", capsys)


@pytest.fixture
def project(cli: Cli) -> Cli:
    """What `init` writes."""
    assert cli("init", str(cli.folder)) == 0
    return cli


@pytest.fixture
def applied(project: Cli) -> Cli:
    assert project("apply", "--auto-approve") == 0
    return project


def rewrite(cli: Cli, before: str, after: str) -> None:
    path = cli.folder / "manifests" / "hello.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_init_writes_a_project_that_plans(project: Cli) -> None:
    assert "Next: cd" in project.out
    assert ".reconciler/" in (project.folder / ".gitignore").read_text().splitlines()
    assert project("plan", "--detailed-exitcode") == 2
    assert "corp/hello/1.0.0  @eastus  @westus x2" in project.out


def test_init_never_overwrites(project: Cli) -> None:
    (project.folder / "manifests" / "hello.yaml").write_text("mine")
    (project.folder / "reconciler.yaml").unlink()
    assert project("init", str(project.folder)) == 1
    assert "manifests/hello.yaml" in project.err
    assert (project.folder / "manifests" / "hello.yaml").read_text() == "mine"
    assert not (project.folder / "reconciler.yaml").exists()


@pytest.mark.parametrize("name", ["my images!", "Ünï", "123", "-"])
def test_init_finds_a_name_for_any_folder(cli: Cli, name: str) -> None:
    cli.folder = cli.folder / name
    assert cli("init", str(cli.folder)) == 0
    assert cli("validate") == 0


def test_init_knows_its_providers(cli: Cli) -> None:
    assert cli("init", str(cli.folder), "--provider", "clouds") == 1
    assert "--provider local" in cli.err
    assert not cli.folder.exists()


def test_the_whole_story(project: Cli) -> None:
    assert project("apply", "--auto-approve") == 0
    assert "Done: 5 created" in project.out
    assert project("plan", "--detailed-exitcode") == 0
    assert project.out == "No changes. 5 objects match the manifests (environment default).\n"
    assert project("apply", "--auto-approve") == 0
    assert "No changes." in project.out
    assert project("drift") == 0
    damaged = project.folder / "regions" / "westus" / "corp" / "hello" / "1.0.0"
    damaged.chmod(0o755)
    shutil.rmtree(damaged)
    assert project("drift") == 2
    assert "missing  corp/hello/1.0.0@westus" in project.out
    assert project("apply", "--auto-approve") == 0
    assert project("drift", "--deep") == 0
    assert project("destroy", "--auto-approve") == 0
    assert "Done: 5 deleted" in project.out
    assert project("destroy", "--auto-approve") == 0
    assert "Nothing is recorded" in project.out


def test_a_saved_plan_is_applied_once(project: Cli, tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    assert project("plan", "--out", saved) == 0
    assert f"reconciler apply {saved}" in " ".join(project.out.split())
    assert project("apply", saved) == 0
    assert "Done: 5 created" in project.out
    assert project("apply", saved) == 0
    assert "Nothing to do: this plan was applied" in project.out
    assert project("destroy", "--auto-approve") == 0
    assert project("apply", saved) == 1
    assert "stale" in project.err
    assert project("apply", saved, "--target", "corp") == 1


def test_a_plan_that_cannot_be_applied_is_not_saved(applied: Cli, tmp_path: Path) -> None:
    (applied.folder / "images" / "hello-1.0.0.img").write_bytes(b"\x01" * 1024)
    assert applied("plan", "--out", str(tmp_path / "plan.json")) == 1
    assert "Not saved" in applied.out
    assert not (tmp_path / "plan.json").exists()


def test_a_blocked_plan_is_shown_and_refused(applied: Cli) -> None:
    (applied.folder / "images" / "hello-1.0.0.img").write_bytes(b"\x01" * 1024)
    assert applied("plan", "--detailed-exitcode") == 1
    assert "--allow-replace corp/hello/1.0.0" in applied.out
    assert applied("apply", "--auto-approve") == 1
    assert "blocked  corp/hello/1.0.0" in applied.out
    assert "nothing was applied" in applied.err
    assert applied("plan", "--allow-replace", "corp/hello/1.0.0", "--detailed-exitcode") == 2


@pytest.mark.parametrize(("refresh", "code"), [("true", 2), ("false", 0)])
def test_refresh_can_be_left_out(applied: Cli, refresh: str, code: int) -> None:
    (applied.folder / "regions" / "westus" / "corp" / "hello" / "1.0.0").rename(applied.folder / "taken away")
    assert applied("plan", f"--refresh={refresh}", "--detailed-exitcode") == code


def test_refresh_takes_true_or_false(project: Cli) -> None:
    assert project("plan", "--refresh", "maybe") == 1
    assert "true or false" in project.err


def test_selection(project: Cli) -> None:
    assert project("plan", "--exclude", "corp/hello/1.0.0") == 0
    assert " 2 create " in project.out
    assert project("plan", "--target", "nothing/*") == 1
    assert "--target nothing/*: no such address" in project.out + project.err


def test_no_question_is_asked_without_a_terminal(project: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project("apply") == 1
    assert "--auto-approve" in project.err
    assert project("destroy", "--json") == 1
    assert "--auto-approve" in project.err
    assert not (project.folder / "regions").exists()
    require_an_answer(Manner(approved=True, format=load_format("json"), verbose=False))


class Typist:
    """A terminal at which somebody types."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._answer


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("y\n", 1), ("", 1), ("no\n", 1)])
def test_only_yes_is_a_yes(project: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    monkeypatch.setattr("sys.stdin", Typist(answer))
    assert project("apply") == code
    assert "Apply these changes? Only 'yes' will be accepted: " in project.out
    assert (project.folder / "regions").exists() is (code == 0)
    assert ("Nothing was changed." in project.out) is (code == 1)


def test_destroy_asks_a_question_of_its_own(applied: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Typist("no\n"))
    assert applied("destroy") == 1
    assert "delete   corp  with 1 definition, 1 version, 2 regions, 3 copies" in applied.out
    assert "Permanently delete these objects?" in applied.out


def test_validate_reports_every_problem_with_place_line_and_caret(project: Cli) -> None:
    assert project("validate") == 0
    assert project.out == "Valid: 1 gallery, 1 image definition, 1 image version, 2 target regions, in 2 files\n"
    rewrite(project, "osType: Linux", "osType: Lunix")
    rewrite(project, "hyperVGeneration:", "hyperVGenerashun:")
    assert project("validate") == 1
    assert project.out == ""
    assert "manifests/hello.yaml:4:" in project.err
    assert "| osType: Lunix" in project.err
    assert "^" in project.err
    assert "did you mean 'Linux'?" in project.err
    assert "did you mean 'hyperVGeneration'?" in project.err
    assert "2 errors" in project.err


def test_validate_finds_versions_that_are_built_from_each_other(project: Cli) -> None:
    rewrite(project, "source: {file: ../images/hello-1.0.0.img}", "source: {version: corp/hello/1.1.0}")
    with (project.folder / "manifests" / "hello.yaml").open("a") as file:
        file.write("---\nkind: ImageVersion\nimage: corp/hello\nname: 1.1.0\nsource: {version: corp/hello/1.0.0}\n")
    assert project("validate") == 1
    assert "corp/hello/1.0.0 -> corp/hello/1.1.0 -> corp/hello/1.0.0" in project.err


def test_validate_for_programs(project: Cli) -> None:
    (event,) = project.events("validate", "--json")
    assert event["valid"] is True
    assert event["counts"]["target region"] == 2
    rewrite(project, "osType: Linux", "osType: Lunix")
    (event,) = project.events("validate", "--json")
    assert project.code == 1
    assert event["valid"] is False
    assert event["diagnostics"][0]["file"] == "manifests/hello.yaml"


def test_json_is_all_that_is_on_stdout(project: Cli) -> None:
    (plan,) = project.events("plan", "--json")
    assert plan["counts"] == {"create": 5}
    events = project.events("apply", "--json", "--auto-approve")
    assert project.code == 0
    kinds = [event["type"] for event in events]
    assert kinds[-1] == "result"
    assert kinds.index("plan") < kinds.index("started") < kinds.index("finished")
    finished = {event["address"] for event in events if event["type"] == "finished"}
    assert finished == {change["address"] for change in plan["changes"]}
    events = project.events("apply", "--json", "--auto-approve")
    assert [event["type"] for event in events if event["type"] != "stage"] == ["plan", "result"]
    (report,) = project.events("drift", "--json")
    assert report["checked"] == 5


def test_a_refused_apply_for_programs(applied: Cli) -> None:
    (applied.folder / "images" / "hello-1.0.0.img").write_bytes(b"\x01" * 1024)
    events = applied.events("apply", "--json", "--auto-approve")
    assert applied.code == 1
    assert [event["type"] for event in events][-2:] == ["plan", "error"]
    assert next(event for event in events if event["type"] == "plan")["applicable"] is False


def test_a_failure_leaves_the_rest_done_and_says_what_to_do(project: Cli) -> None:
    in_the_way = project.folder / "regions" / "westus"
    in_the_way.parent.mkdir()
    in_the_way.write_text("a file where a folder should be")
    code = project("apply", "--auto-approve")
    assert code in (1, 3)
    assert "westus" in project.out + project.err


def test_a_region_that_does_not_answer_is_exit_code_3(project: Cli) -> None:
    regions = project.folder / "places"
    for region in ("eastus", "westus"):
        (regions / region).mkdir(parents=True)
    provider = "{type: local, regions: {eastus: places/eastus, westus: places/westus}}"
    (project.folder / "reconciler.yaml").write_text(f"project: p\nprovider: {provider}\n")
    assert project("apply", "--auto-approve") == 0
    (regions / "westus").rename(regions / "elsewhere")
    assert project("plan") == 3
    assert "unknown" in project.out
    assert project("drift") == 3
    assert project("apply", "--auto-approve") == 3
    assert "nothing was changed" in project.err


def test_show(applied: Cli) -> None:
    assert applied("show") == 0
    assert "5 objects" in applied.out
    assert applied("show", "corp/hello/1.0.0@westus") == 0
    assert "replicas" in applied.out
    (event,) = applied.events("show", "corp/hello", "--json")
    assert event["attributes"]["osType"] == "Linux"
    assert applied("show", "corp/nothing") == 1
    assert applied("show", "a/b/c/d") == 1
    assert "is not an address" in applied.err


def test_graph(project: Cli) -> None:
    assert project("graph") == 0
    assert project.out.startswith("digraph")
    assert project("graph", "--format", "mermaid", "corp/hello/1.0.0") == 0
    assert len(project.out.splitlines()) == 6
    assert project("graph", "nothing") == 1
    assert project("graph", "--format", "png") == 1


def test_latest(applied: Cli) -> None:
    assert applied("latest", "corp/hello") == 0
    assert applied.out == "eastus  1.0.0\nwestus  1.0.0\n"
    assert applied("latest", "corp/hello", "--region", "West US") == 0
    assert applied.out == "1.0.0\n"
    assert applied("latest", "corp/hello", "--region", "northeurope") == 1
    assert "eastus, westus" in applied.err
    assert applied("latest", "corp/hello", "--region", "?") == 1
    assert applied("latest", "corp/nothing") == 1


def test_state_list_and_show(applied: Cli) -> None:
    assert applied("state", "list") == 0
    assert applied.out.splitlines()[0] == "corp"
    assert applied("state", "list", "corp/hello/*@westus") == 0
    assert applied.out == "corp/hello/1.0.0@westus\n"
    assert applied("state", "show", "corp") == 0
    assert applied.out.startswith("corp  gallery")


def test_state_forget_leaves_objects(applied: Cli) -> None:
    assert applied("state", "forget", "corp/hello/1.0.0") == 0
    assert applied.out.splitlines()[0] == "forgot corp/hello/1.0.0"
    assert (applied.folder / "regions" / "eastus" / "corp" / "hello" / "1.0.0").is_dir()
    assert applied("state", "forget", "corp/hello/1.0.0") == 1
    assert "state list" in applied.err


def test_state_mv_renames_without_touching(applied: Cli) -> None:
    assert applied("state", "mv", "corp/hello", "corp/greeting") == 0
    assert "moved corp/hello/1.0.0@westus -> corp/greeting/1.0.0@westus" in applied.out
    rewrite(applied, "name: hello", "name: greeting")
    rewrite(applied, "corp/hello", "corp/greeting")
    assert applied("plan", "--detailed-exitcode") == 0, applied.out
    for source, target in (("corp/nothing", "corp/x"), ("corp/greeting", "x"), ("corp/greeting", "other/greeting")):
        assert applied("state", "mv", source, target) == 1


def test_state_taint_and_untaint(applied: Cli) -> None:
    address = "corp/hello/1.0.0@westus"
    assert applied("state", "taint", address) == 0
    assert applied("plan", "--detailed-exitcode") == 2
    assert "replace  corp/hello/1.0.0@westus  tainted" in applied.out
    assert applied("state", "untaint", address) == 0
    assert applied("plan", "--detailed-exitcode") == 0
    assert applied("state", "taint", "corp/nothing") == 1


def test_schema(cli: Cli) -> None:
    assert cli("schema") == 0
    assert "ImageVersion" in json.loads(cli.out)["$defs"]
    assert cli("schema", "--project-file") == 0
    assert "environments" in json.loads(cli.out)["properties"]


def test_shared_options_stand_anywhere() -> None:
    words = ["plan", "--project", "a", "--target", "x", "--debug", "--environment=prod", "--", "--debug"]
    assert shared_first(words) == (
        ["--project", "a", "--debug", "--environment=prod"],
        ["plan", "--target", "x", "--", "--debug"],
    )


@pytest.mark.parametrize("by", ["option", "variable"])
def test_environments(project: Cli, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (project.folder / "reconciler.yaml").open("a") as file:
        file.write("environments:\n  prod: {provider: {type: local, root: prod}}\n")
    if by == "variable":
        monkeypatch.setenv("RECONCILER_ENVIRONMENT", "prod")
    assert project("plan", *(["--environment", "prod"] if by == "option" else [])) == 0
    assert "environment prod" in project.out
    assert project("plan", "--environment", "prud") == 1
    assert "prod" in project.err


def test_a_missing_project_is_explained(cli: Cli) -> None:
    cli.folder.mkdir()
    assert cli("plan") == 1
    assert "reconciler init" in cli.err
    assert "Traceback" not in cli.err


def test_a_bug_is_one_sentence_and_a_traceback_on_request(project: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(Engine, "plan", broken)
    assert project("plan") == 1
    assert "ZeroDivisionError: by nothing. This is a bug." in project.err
    assert "Traceback" not in project.err
    assert project("plan", "--debug") == 1
    assert "Traceback" in project.err


def test_the_systems_refusals_are_not_bugs(project: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr(Engine, "plan", refused)
    assert project("plan") == 1
    assert "/somewhere: Permission denied" in project.err
    assert "bug" not in project.err


def test_ctrl_c_is_exit_code_130(project: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "plan", interrupted)
    assert project("plan") == 130
    assert exit_code_of(KeyboardInterrupt()) == 130
    assert exit_code_of(Unreachable({})) == 3


@pytest.mark.parametrize(
    "words", [["--nonsense"], ["nonsense"], ["plan", "--nonsense"], ["apply", "--parallelism", "0"]]
)
def test_misuse_is_exit_code_1(cli: Cli, words: list[str]) -> None:
    """2 is what misuse gives elsewhere, and means here that changes are pending."""
    assert cli(*words) == 1
    assert "--help" in cli.err


def test_version(cli: Cli) -> None:
    assert cli("--version") == 0
    assert cli.out == f"reconciler {__version__}\n"


ALL = [module.__name__.rpartition(".")[2] for module in command_modules()]
SUBCOMMANDS = [f"state {verb}" for verb in ("list", "show", "mv", "forget", "taint", "untaint")]
SUBCOMMANDS += ["plan approve", "image inspect"]
SUBCOMMANDS += [f"vm {verb}" for verb in ("create", "delete", "list", "log")]
WITH_EXIT_CODES = {"init", "validate", "plan", "apply", "destroy", "drift", "latest", "image inspect"}


def test_help_lists_the_commands_in_the_order_of_their_work(cli: Cli) -> None:
    assert cli("--help") == 0
    shown = [line.split()[0] for line in cli.out.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert shown[:6] == ["init", "validate", "plan", "apply", "destroy", "drift"]


@pytest.mark.parametrize("command", ["", *ALL, *SUBCOMMANDS])
def test_every_command_has_help(cli: Cli, command: str) -> None:
    assert cli(*command.split(), "--help") == 0
    assert cli.out.startswith("Usage: reconciler")
    assert cli.err == ""
    assert "..." not in cli.out.replace("ADDRESS...", "").replace("[ARGS]...", "")
    if not command or command in WITH_EXIT_CODES:
        assert "Exit codes:" in " ".join(cli.out.split())


HELLO = """
import typer

ORDER = 15


def register(app):
    app.command("hello")(hello)


def hello(context: typer.Context):
    \"\"\"Say hello.\"\"\"
    typer.echo("hello there")
    return 3
"""


def test_a_new_command_is_one_file(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    assert cli("hello") == 3
    assert cli.out == "hello there\n"
    assert cli("--help") == 0
    listed = [line.split()[0] for line in cli.out.partition("Commands:\n")[2].splitlines() if line.strip()]
    assert listed[:3] == ["init", "hello", "validate"]


def test_each_command_has_its_own_place_in_the_list() -> None:
    places = [module.ORDER for module in command_modules()]
    assert places == sorted(set(places))


def test_only_the_command_that_runs_is_loaded(cli: Cli) -> None:
    assert [module.__name__.rpartition(".")[2] for module in command_modules("plan")] == ["plan"]
    assert len(command_modules("pla")) == len(command_modules()) > 5
    assert cli("pla") == 1
    assert "plan" in cli.err
    assert cli("plan", "--help") == 0
    assert "--detailed-exitcode" in cli.out


def formatted(cli: Cli, *words: str) -> str:
    """What a command prints without times, which differ from run to run."""
    cli(*words)
    return re.sub(r'"(seconds|started|finished)":[^,}]+|\d+\.\d s', "", cli.out)


@pytest.mark.parametrize(
    "words", ["plan", "drift", "validate", "show", "show corp/hello", "state show corp", "latest corp/hello"]
)
def test_json_is_short_for_a_format(applied: Cli, words: str) -> None:
    assert formatted(applied, *words.split(), "--json") == formatted(applied, *words.split(), "--format", "json")
    assert json.loads(applied.out.splitlines()[0])["type"]


def test_json_and_another_format_contradict_each_other(project: Cli) -> None:
    assert project("plan", "--json", "--format", "markdown") == 1
    assert "contradict" in project.err
    assert project("plan", "--json", "--format=json") == 0


def test_an_unknown_format_is_refused(project: Cli) -> None:
    assert project("plan", "--format", "sarif") == 1
    assert all(name in project.err for name in format_names())


def test_apply_in_json_is_the_event_stream(project: Cli) -> None:
    kinds = [event["type"] for event in project.events("apply", "--format", "json", "--auto-approve")]
    assert {"stage", "plan", "started", "finished", "result"} <= set(kinds)


def test_markdown_is_a_document_of_plan_and_result(project: Cli, tmp_path: Path) -> None:
    assert project("plan", "--format", "markdown", "--out", str(tmp_path / "plan.json")) == 0
    assert project.out.startswith("### Plan: 5 create")
    assert "Saved" in project.err
    assert project("apply", "--format=markdown") == 1
    assert "the output is markdown" in project.err
    assert project("apply", "--format=markdown", "--auto-approve") == 0
    assert [line.split(":")[0] for line in project.out.splitlines() if line.startswith("#")] == [
        "### Plan",
        "### Apply",
    ]


def test_markdown_contains_the_error_that_ended_the_command(project: Cli) -> None:
    rewrite(project, "osType: Linux", "osType: Lunix")
    assert project("plan", "--format", "markdown") == 1
    assert project.out.startswith("### Error\n\n| problem | where | what to do |")
    assert "did you mean 'Linux'?" in project.err
    assert project("validate", "--format", "markdown") == 1
    assert project.out.startswith("### Manifests: invalid · 1 error")

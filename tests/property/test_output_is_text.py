"""Whatever others write into manifests, objects, the state and file names: what commands print is harmless text."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.cli.app import run

REFUSED = [
    "\x1b[2J",
    "\x9b31m",
    "\u202etxt",
    "\u2028::set-env name=a::b",
    "\x85::warning::x",
    "\u2066x",
    "\x07",
    "\x7f",
]
"""Nothing that a manifest may hold; the state and objects may."""
ALLOWED = [
    "x\n::error file=x::PWN",
    "x\r::stop-commands::t",
    "::error::PWN",
    "\u3000::error::PWN",
    "\ufeff::error::PWN",
    "##[add-matcher]x",
    "###[x",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[x]",
    "zero\u200bwidth\u200d\u00ad",
    "tag\U000e0041",
    "blank\u3164\u115f",
    "[red]x[/red]",
    "<script>alert(1)</script>",
    "| a | b |",
    "@ann #1 ![x](http://x)",
    "\t\t::x",
    "'; $(id) `id` \"",
    "word " * 60 + "::error::x",
]
READING = [
    ("validate",),
    ("plan",),
    ("plan", "--verbose"),
    ("show",),
    ("show", "corp"),
    ("show", "corp/web"),
    ("show", "corp/web/1.0.0"),
    ("state", "list"),
    ("state", "show", "corp"),
    ("state", "check"),
    ("drift",),
    ("drift", "--unmanaged"),
    ("history",),
    ("history", "corp"),
    ("latest", "corp/web"),
    ("graph",),
    ("graph", "--format", "mermaid"),
    ("schema",),
    ("plan", "--environment", "none"),
    ("show", "none"),
    ("plan", "--nothing"),
]
FORMATS = ("text", "json", "markdown")
PROJECT = "project: p\nprovider: {type: local, root: regions}\n"


def is_harmless(output: str) -> bool:
    """Written apart from the code: no control, format or separator characters, no workflow command."""
    for line in output.split("\n"):
        odd = [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")]
        if odd or line.strip().startswith("::") or re.search(r"##\w*\[", line):
            raise AssertionError(f"{line!r}: {odd}")
    return True


class Estate:
    """A gallery, a definition and a version in which `text` is everywhere where it may be."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        self.text = text
        (folder / "manifests").mkdir(parents=True)
        (folder / "reconciler.yaml").write_text(PROJECT)
        (folder / "image.raw").write_bytes(b"\0" * 512)
        self.write("a.yaml", text)

    def write(self, name: str, text: str, **more: str) -> None:
        documents = [
            {"kind": "Gallery", "name": "corp", "location": "eastus", "description": text, "tags": {"team": text}},
            {
                "kind": "ImageDefinition", "gallery": "corp", "name": "web", "osType": "Linux",
                "osState": "Generalized", "description": text, "eula": text,
                "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
            },
            {
                "kind": "ImageVersion", "image": "corp/web", "name": "1.0.0", "source": {"file": "../image.raw"},
                "tags": {"team": text},
            },
        ]  # fmt: skip
        written = "\n---\n".join(json.dumps({**document, **more}) for document in documents)
        (self.folder / "manifests" / name).write_text(written)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("RECONCILER_ENVIRONMENT", raising=False)


def said(capture: pytest.CaptureFixture[str], folder: Path, *words: str) -> str:
    """What a command prints on both streams."""
    capture.readouterr()
    run(["--project", str(folder), *words])
    out, err = capture.readouterr()
    return f"{out}{err}"


def forms(command: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A command in every format that it has."""
    if command[0] in ("graph", "schema") or command[:2] == ("state", "list"):
        yield command
    else:
        yield from ((*command, "--format", name) for name in FORMATS)


@pytest.mark.parametrize("text", ALLOWED)
def test_texts_of_manifests(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    estate = Estate(tmp_path / "p", text)
    assert is_harmless(said(capsys, estate.folder, "plan"))
    assert is_harmless(said(capsys, estate.folder, "apply", "--auto-approve"))
    estate.write("a.yaml", f"{text} {text}")
    for command in READING:
        for form in forms(command):
            assert is_harmless(said(capsys, estate.folder, *form))
    assert is_harmless(said(capsys, estate.folder, "apply", "--auto-approve", "--format", "json"))
    assert is_harmless(said(capsys, estate.folder, "destroy", "--auto-approve", "--format", "markdown"))


@pytest.mark.parametrize("text", [*REFUSED, *ALLOWED])
def test_texts_of_the_state_and_of_objects(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    estate = Estate(tmp_path / "p", "PLACEHOLDER")
    said(capsys, estate.folder, "apply", "--auto-approve")
    replace_in_objects(estate.folder / "regions", text)
    for command in READING:
        for form in forms(command):
            assert is_harmless(said(capsys, estate.folder, *form))
    replace_in_state(estate.folder / ".reconciler" / "state.db", text)
    for command in READING:
        for form in forms(command):
            assert is_harmless(said(capsys, estate.folder, "--debug", *form))


def replace_in_objects(regions: Path, text: str) -> None:
    for path in regions.rglob("*.json"):
        written = path.read_text()
        path.chmod(0o600)
        path.write_text(written.replace("PLACEHOLDER", json.dumps(text)[1:-1]))


def replace_in_state(database: Path, text: str) -> None:
    """Writes `text` over the placeholder, and over who ran which command."""
    connection = sqlite3.connect(database)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for column in [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]:
            replaced = "?" if column in ("holder", "command") else f"replace({column}, 'PLACEHOLDER', ?)"
            written = text if column in ("holder", "command") else json.dumps(text)[1:-1]
            with connection:
                connection.execute(f"UPDATE OR IGNORE {table} SET {column} = {replaced}", (written,))  # noqa: S608
    connection.close()


@pytest.mark.parametrize("text", [*REFUSED, *ALLOWED])
def test_what_manifests_may_not_say(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Estate(tmp_path / "p", "x").folder
    for key in ("kind", "name", "location", "source", "provider", text):
        document = {"kind": "Gallery", "name": "corp", "location": "eastus", key: text}
        (folder / "manifests" / "a.yaml").write_text(json.dumps(document, ensure_ascii=False))
        for form in forms(("validate",)):
            assert is_harmless(said(capsys, folder, "--debug", *form))
        (folder / "reconciler.yaml").write_text(PROJECT + json.dumps({key: text})[1:-1] + "\n")
        assert is_harmless(said(capsys, folder, "plan"))
        (folder / "reconciler.yaml").write_text(PROJECT)


@pytest.mark.parametrize("text", [text.replace("/", "") for text in [*REFUSED, *ALLOWED] if len(text) < 100])
def test_names_of_files(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Estate(tmp_path / "p", "x").folder
    (folder / "manifests" / f"{text}.yaml").write_text("kind: Nothing\n")
    (folder / "manifests" / f"{text}.yml.bak").write_text("kind: Nothing\n")
    for form in forms(("plan",)):
        assert is_harmless(said(capsys, folder, "--debug", *form))
    moved = tmp_path / f"p{text}"
    shutil.copytree(folder, moved)
    assert is_harmless(said(capsys, moved, "validate"))
    assert is_harmless(said(capsys, tmp_path / f"none{text}", "--debug", "validate"))


def test_a_name_that_is_not_unicode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Estate(tmp_path / "p", "x").folder
    (folder / "manifests" / "b\udcff.yaml").write_text("kind: Nothing\n")
    for form in forms(("plan",)):
        assert "\\udcff" in said(capsys, folder, *form)


@pytest.mark.parametrize("text", [*REFUSED, *ALLOWED])
def test_words_of_the_command_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Estate(tmp_path / "p", "x").folder
    for words in (
        (text,),
        ("plan", text),
        ("plan", f"--{text}"),
        ("plan", "--target", text),
        ("--environment", text, "plan"),
        ("show", text),
        ("apply", text),
        ("latest", text),
        ("history", text),
        ("plan", "--format", text),
        ("vm", "log", text, "--region", text),
    ):
        assert is_harmless(said(capsys, folder, "--debug", *words))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(st.sampled_from([*REFUSED, *ALLOWED]) | st.text(max_size=8), max_size=4).map("".join))
def test_any_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        estate = Estate(Path(name) / "p", text.encode("utf-8", "replace").decode())
        for command in (("plan",), ("validate",), ("show",), ("drift",)):
            for form in forms(command):
                assert is_harmless(said(capsys, estate.folder, *form))

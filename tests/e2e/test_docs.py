"""The documents are true: every command is run in a copy of the quickstart, every manifest is loaded, every link leads
somewhere, the picture is current, and nothing is installed by a name that strangers can register."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.console import Block, blocks, file_of, run, same, scratch_project, search_path, steps, write_files
from support.paths import ROOT
from support.pictures.terminal import PICTURE, plan_picture, visible_text
from support.words import product_files

from reconciler.manifests.loading.manifest_loading import read_manifest
from reconciler.manifests.loading.project_loading import read_project
from reconciler.manifests.trust import Trust
from reconciler.providers.emulator.core.injected_faults import read_faults

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LANGUAGES = {"console", "yaml", "text", "json", "sh", "python", "toml"}
TARGETS = ("check", "crash-matrix", "demo", "demo-libvirt", "fuzz", "fuzz-images", "test", "test-az")
SHELL = {f"make {name}" for name in TARGETS}
"""Lines of sh blocks, which tests cannot run in themselves: CI runs the tests, and tests play the demos."""

ELSEWHERE = ("apt-get install ", "az ", "npm install ", "pip install ", "pipx install ", "usermod ")
"""How lines of sh blocks begin that change Azure, hosts, or the reader's machine."""

documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def of_language(path: Path, language: str) -> list[Block]:
    return [block for block in blocks(path.read_text()) if block.language == language]


NEEDS = {"azure.md": pytest.mark.azurite, "libvirt.md": pytest.mark.libvirt}
"""Document -> what its commands take."""


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=NEEDS.get(path.name, ()), id=str(path.relative_to(ROOT))) for path in DOCUMENTS]
)
def test_commands_do_what_is_shown(path: Path, tmp_path: Path) -> None:
    project = scratch_project(tmp_path)
    write_files(path.read_text(), project)
    with search_path(path.read_text()) as binaries:
        for block in of_language(path, "console"):
            shown = steps(block)
            answers = run([step.command for step in shown], project, binaries)
            for step, (code, real) in zip(shown, answers, strict=True):
                assert code == 0, f"{path.name}:{block.line}: {step.command}\n{real}"
                assert same(step.output, real), f"{path.name}:{block.line}: {step.command}\nnow says:\n{real}"


@documents
def test_every_block_is_of_a_kind_that_is_checked(path: Path) -> None:
    found = list(blocks(path.read_text()))
    assert {block.language for block in found} <= LANGUAGES
    text = "".join(block.text for block in found if block.language == "sh").replace("\\\n", "")
    lines = {line.partition("#")[0].strip() for line in text.splitlines()}
    assert {line for line in lines - SHELL if not line.startswith(ELSEWHERE)} == set()


@documents
def test_code_is_run(path: Path) -> None:
    """Every python and toml block is a file, and the commands of its document run it, or what it describes."""
    commands = "".join(step.command for block in of_language(path, "console") for step in steps(block))
    described = "".join(block.text for block in of_language(path, "toml"))
    for block in (*of_language(path, "python"), *of_language(path, "toml")):
        file = Path(file_of(block))
        assert file.name, f"{path.name}:{block.line}: a comment with the path of the file comes first"
        module = f"{file.parent.name}.{file.stem}"
        assert file.name in commands or module in described or file.name == "pyproject.toml", f"nothing runs {file}"


TRUSTED = Trust(directories=(Path("/srv"), Path("/mnt")))
"""What the settings of the reader name, as the pages say where regions are outside of a project."""


@documents
def test_manifests_load(path: Path, tmp_path: Path) -> None:
    """A yaml block that begins with `kind:` is a manifest, with `project:` a project file; each stands by itself."""
    for number, block in enumerate(of_language(path, "yaml")):
        folder = tmp_path / str(number)
        (folder / "manifests").mkdir(parents=True)
        is_project = block.text.startswith("project:")
        assert is_project or block.text.startswith("kind:"), f"{path.name}:{block.line}: what is it?"
        project_text = block.text if is_project else "project: docs\nprovider: {type: local, root: regions}\n"
        (folder / "reconciler.yaml").write_text(project_text)
        (folder / "manifests" / "shown.yaml").write_text("" if is_project else block.text)
        project = read_project(folder, None, TRUSTED)
        assert is_project or read_manifest(project)[1].resources, f"{path.name}:{block.line}: declares nothing"


@documents
def test_faults_are_understood(path: Path) -> None:
    """A json block that is a list holds faults for the emulator."""
    for block in of_language(path, "json"):
        content = json.loads(block.text)
        assert not isinstance(content, list) or read_faults(content)


@documents
def test_links_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", prose)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_the_commands_of_a_block_share_a_shell_that_leaves_nothing_running(tmp_path: Path) -> None:
    with search_path("") as path:
        commands = ["export WORD=kept", "echo $WORD; false", "sleep 60 > /dev/null & echo $! > pid", "cat pid"]
        answers = run(commands, tmp_path, path)
    assert [code for code, _ in answers] == [0, 1, 0, 0]
    assert answers[1][1] == "kept\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_output_is_compared_for_what_it_says() -> None:
    assert same("made  2 in 0.3 s\n", "made 2 in 11.75 s\n")
    assert same("first\n...\nlast\n", "first\nsecond\nthird\nlast\n")
    assert not same("2 created\n", "3 created\n")
    assert not same("first\n", "first\nsecond\n")


def test_the_picture_shows_the_program_as_it_is() -> None:
    assert visible_text(PICTURE.read_text("utf-8")) == visible_text(plan_picture()), "run: make docs"


def test_the_picture_loads_nothing_from_elsewhere() -> None:
    svg = PICTURE.read_text("utf-8")
    assert re.findall(r"(?:href|src|url)\W*(?:https?:)?//", svg) == []
    assert "\x1b" not in svg


INSTALL = re.compile(r"\b(?:pip3?|pipx|uv tool|uv pip) install\b(?=([^`\n]*))")
FROM_FILES = re.compile(r"\.(\[[\w,-]+\])?|\S+\.whl(\[[\w,-]+\])?")
"""The checkout or a wheel, with extras or without."""


def installed(text: str) -> Iterator[str]:
    """What the install commands in a text install."""
    for match in INSTALL.finditer(text):
        words = shlex.split(match[1].partition(" #")[0])
        yield from [word for word in words if not word.startswith("-")] or [""]


def strings(path: Path) -> Iterator[str]:
    """What people may read in a file: a document as a whole, of a program its strings."""
    if path.suffix != ".py":
        yield path.read_text("utf-8")
        return
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    texts = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    pieces = {id(piece) for text in texts for piece in text.values}
    for text in texts:
        yield "".join(str(piece.value) if isinstance(piece, ast.Constant) else "x" for piece in text.values)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            yield node.value


@pytest.mark.parametrize("path", [*product_files()], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_installed_by_name(path: Path) -> None:
    """The name is not registered on any package index: whoever registers it could be installed instead."""
    names = (name for text in strings(path) for name in installed(text))
    assert [name for name in names if not FROM_FILES.fullmatch(name)] == []


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("pipx install .    # or: uv tool install .", [".", "."]),
        ("run `pip install '.[azure]'` there", [".[azure]"]),
        ("pip install -e . dist/a.whl", [".", "dist/a.whl"]),
        ("pip install 'reconciler[azure]'", ["reconciler[azure]"]),
        ("uv tool install --python 3.12 gallery-reconciler", ["3.12", "gallery-reconciler"]),
        ("pip install", [""]),
    ],
)
def test_install_commands_are_understood(line: str, names: list[str]) -> None:
    assert list(installed(line)) == names

"""Hostile projects are looked at by every command that only reads: nothing of what they try happens."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile.canaries import ENVIRONMENT, found_in
from hostile.corpus import COMMANDS, CORPUS, KINDS
from hostile.listeners import Listeners, listening
from hostile.running import MEMORY, Commands, Ended, commands_in
from hostile.scene import Hostile, Scene, new_scene

LEAST = 60
CODES = {0, 1, 2, 3}
WORKFLOW_COMMAND = re.compile(r"^\s*(::|##\[|##vso)", re.MULTILINE)

Found = dict[str, tuple[int, int, int, str]]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with commands_in(tmp_path_factory.mktemp("commands")) as commands:
        yield commands


@pytest.fixture(scope="module")
def listeners() -> Iterator[Listeners]:
    with listening() as listeners:
        yield listeners


@pytest.fixture
def scene(tmp_path: Path, listeners: Listeners) -> Scene:
    listeners.received.clear()
    return new_scene(tmp_path / "scene", listeners.ports, listeners.authority)


def environment_in(scene: Scene, listeners: Listeners) -> dict[str, str]:
    """What CI has: a path to programs with a loose end, a home, secrets; and a proxy, so that nothing leaves this
    machine."""
    proxy = f"http://127.0.0.1:{listeners.ports['http']}"
    return {
        **ENVIRONMENT,
        "HOME": str(scene.home),
        "HTTPS_PROXY": proxy,
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": f":.:{os.environ['PATH']}",
    }


def everything(folder: Path) -> Found:
    """All below a folder, without what commands may write: its kind, size, time of change, and target of a link."""
    found: Found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        name = str(path.relative_to(folder))
        if name.partition("/")[0] not in (".reconciler", ".azure") or (name == ".reconciler" and path.is_symlink()):
            facts = path.lstat()
            target = os.readlink(path) if stat.S_ISLNK(facts.st_mode) else ""
            when = 0 if stat.S_ISDIR(facts.st_mode) and path == folder else facts.st_mtime_ns
            found[name] = (facts.st_mode, facts.st_size if not path.is_dir() else 0, when, target)
    found.pop(".", None)
    return found


def written_canaries(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode)]
    return [f"{path}: {found!r}" for path in files for found in found_in(path.read_bytes())]


def unescaped(output: str) -> list[str]:
    """The characters of an output that a terminal, or who reads it, takes for something else."""
    return [c for c in output if c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") or c == "\x7f")]


def wrong_with(ended: Ended) -> list[str]:
    """What is wrong with how a command ended, and what it said."""
    checks = {
        f"exit code {ended.code}": ended.code not in CODES,
        "it says nothing": ended.code == 1 and not ended.output.strip(),
        "a traceback": "Traceback" in ended.output,
        "a bug": "This is a bug" in ended.output,
        "only the last wall held": "refused: " in ended.output,
        f"canaries {found_in(ended.output.encode())}": bool(found_in(ended.output.encode())),
        f"controls {unescaped(ended.output)}": bool(unescaped(ended.output)),
        "a command for a workflow": bool(WORKFLOW_COMMAND.search(ended.output)),
        f"touched {ended.touched}": bool(ended.touched),
        f"{ended.memory} bytes of memory": ended.memory > MEMORY,
    }
    return [what for what, is_so in checks.items() if is_so]


@pytest.mark.slow(60)
@pytest.mark.parametrize("hostile", CORPUS, ids=str)
def test_nothing_that_a_project_tries_happens(
    hostile: Hostile, scene: Scene, commands: Commands, listeners: Listeners
) -> None:
    hostile.build(scene)
    assert not written_canaries(scene.project)
    before = {folder: everything(folder) for folder in (scene.project, scene.home, scene.elsewhere)}
    environment = environment_in(scene, listeners)
    for name, words in COMMANDS.items():
        ended = commands.run(words, scene.project, environment, scene.elsewhere)
        assert not wrong_with(ended), f"{name}: {ended}"
        assert not scene.ran.exists(), f"{name}: {scene.ran.read_text()}"
    assert {folder: everything(folder) for folder in before} == before
    assert not written_canaries(scene.project)
    assert not found_in(b"\n".join(listeners.received)), listeners.received


def test_there_are_enough_of_them_and_each_is_another() -> None:
    assert len(CORPUS) >= LEAST
    assert len({str(hostile) for hostile in CORPUS}) == len(CORPUS)
    assert all(KINDS.values())

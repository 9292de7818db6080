"""`plan --untrusted`: a stranger's project is planned from what is in its folder, with no credentials at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.estates import Estate, definition, gallery, version
from support.paths import ROOT

from reconciler.cli.app import run

PROVIDERS = {
    "local": "{type: local, root: regions}",
    "azure": "{type: azure, subscription: 11111111-2222-3333-4444-555555555555, resourceGroup: images}",
    "libvirt": "{type: libvirt, regions: {eastus: {uri: 'qemu:///system', pool: images}}}",
}
NOT_READ = "Planned as untrusted, without looking at: the objects"
WATCHED = """
import sys
seen = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork"):
        seen.append((event, str(arguments)))
sys.addaudithook(watch)
for name in {hidden!r}:
    sys.modules[name] = None
from reconciler.cli.app import run
code = run(sys.argv[1:])
assert not seen, seen
sys.exit(code)
"""
EXTRAS = ("azure", "libvirt", "psycopg", "jwt", "starlette", "uvicorn", "trustme", "msal", "cryptography")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    """A project with something to publish, which was never applied."""
    estate = Estate(tmp_path / "project")
    estate.write([gallery(), definition(), version({"file": estate.image("a.raw", b"first")})])
    return estate


def settings(estate: Estate, provider: str, more: str = "") -> None:
    (estate.directory / "reconciler.yaml").write_text(f"project: estate\nprovider: {provider}\n{more}")


def plan(estate: Estate, *words: str) -> int:
    return run(["--project", str(estate.directory), "plan", "--untrusted", *words])


def everything(folder: Path) -> dict[str, int]:
    """Path -> time of change of all below a folder but its cache."""
    return {
        str(path): path.lstat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "cache" not in path.relative_to(folder).parts
    }


@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_backend_is_planned_without_its_libraries(estate: Estate, kind: str) -> None:
    settings(estate, PROVIDERS[kind])
    before = everything(estate.directory)
    code = WATCHED.replace("{hidden!r}", repr(EXTRAS))
    command = [sys.executable, "-c", code, "--project", str(estate.directory), "plan", "--untrusted"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(estate.directory.parent), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(NOT_READ)
    assert done.stdout.count("create") >= 2
    assert everything(estate.directory) == before


def test_a_state_in_the_project_is_read(estate: Estate, capsys: pytest.CaptureFixture[str]) -> None:
    estate.apply()
    before = everything(estate.directory)
    assert plan(estate) == 0
    said = capsys.readouterr().out
    assert said.startswith(NOT_READ)
    assert "No changes." in said
    assert "everything shows as new" not in said
    assert everything(estate.directory) == before


@pytest.mark.parametrize("state", ["sqlite:////srv/x.db", "sqlite:///../x.db", "postgresql://127.0.0.1:1/x"])
def test_another_state_is_not_read(estate: Estate, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings(estate, PROVIDERS["local"], f"state: {state}\n")
    assert plan(estate) == 0
    assert "the state, so that everything shows as new" in capsys.readouterr().out


def test_what_the_runner_trusts_does_not_count(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = estate.directory.parent
    (outside / "s.yaml").write_text("directories: [/]\nstate: sqlite:///x.db\n")
    (outside / "x.raw").write_bytes(bytes(1024))
    monkeypatch.setenv("RECONCILER_STATE", "sqlite:////srv/x.db")
    estate.write([gallery(), definition(), version({"file": "../../x.raw"})])
    assert plan(estate, "--settings", str(outside / "s.yaml")) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "everything shows as new" not in said
    assert "is outside of the project" in said


def test_programs_get_what_was_not_read(estate: Estate, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(estate, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["not_read"][0] == "the objects"
    assert plan(estate, "--format", "markdown") == 0
    assert NOT_READ in capsys.readouterr().out
    assert run(["--project", str(estate.directory), "plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_read"] == []


@pytest.mark.parametrize(
    "words", [["--out", "p.json"], ["--refresh", "true"], ["--refresh=false"], ["--expires", "1h"]]
)
def test_what_needs_more_is_refused(estate: Estate, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(estate, *words) == 1
    assert "contradict each other" in " ".join(capsys.readouterr().err.split())

"""What commands that only read write: below `.reconciler`, never through a link, or where the command line says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.estates import Estate, definition, gallery, version

from reconciler.cli.app import run
from reconciler.errors import BadPlanFile
from reconciler.planning.saved.plan_file import read_plan

READING = (
    ["validate"], ["plan"], ["plan", "--json"], ["drift"], ["show"], ["graph"], ["latest", "corp/ubuntu"],
    ["history"], ["state", "list"], ["state", "check"],
)  # fmt: skip


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    """A project with something to publish, which was never applied."""
    estate = Estate(tmp_path / "project")
    estate.write([gallery(), definition(), version({"file": estate.image("a.raw", b"first")})])
    return estate


@pytest.fixture(params=[0o000, 0o022, 0o377])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def command(estate: Estate, *words: str) -> int:
    return run(["--project", str(estate.directory), *words])


def everything(folder: Path) -> dict[str, bytes | None]:
    """Path -> content of everything below a folder, None for folders."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_reading_makes_no_state(estate: Estate, words: list[str]) -> None:
    command(estate, *words)
    assert [path.name for path in estate.directory.rglob("*.db*")] == []


@pytest.mark.parametrize("words", READING, ids=" ".join)
@pytest.mark.parametrize("link", [".reconciler", ".reconciler/cache"])
def test_nothing_is_written_through_a_link(estate: Estate, words: list[str], link: str) -> None:
    outside = estate.directory.parent / "outside"
    (outside / "cache").mkdir(parents=True)
    path = estate.directory / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside)
    before = everything(outside)
    command(estate, *words)
    assert everything(outside) == before


def test_links_in_the_cache_are_replaced(estate: Estate) -> None:
    command(estate, "validate")
    victim = estate.directory.parent / "victim"
    victim.write_text("precious")
    cached = list((estate.directory / ".reconciler" / "cache").iterdir())
    assert cached
    for path in cached:
        path.unlink()
        path.symlink_to(victim)
    assert command(estate, "validate") == 0
    assert victim.read_text() == "precious"
    assert not any(path.is_symlink() for path in cached)


def test_a_pipe_in_the_cache_is_not_waited_for(estate: Estate) -> None:
    command(estate, "validate")
    for path in (estate.directory / ".reconciler" / "cache").iterdir():
        path.unlink()
        os.mkfifo(path)
    assert command(estate, "validate") == 0


def test_the_name_of_a_temporary_file_cannot_be_guessed(estate: Estate) -> None:
    victim = estate.directory.parent / "victim"
    victim.write_text("precious")
    for number in range(1, 2000):
        (estate.directory / f".plan.json.{number}").symlink_to(victim)
    assert command(estate, "plan", "--out", str(estate.directory / "plan.json")) == 0
    assert victim.read_text() == "precious"
    assert not (estate.directory / "plan.json").is_symlink()


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("words", [["validate"], ["plan", "--out", "PLAN"], ["apply", "--auto-approve"]], ids=" ".join)
def test_our_folder_is_for_its_owner(estate: Estate, words: list[str]) -> None:
    plan = str(estate.directory.parent / "plan.json")
    assert command(estate, *[plan if word == "PLAN" else word for word in words]) == 0
    folder = estate.directory / ".reconciler"
    assert mode(folder) == 0o700
    for path in folder.rglob("*"):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_an_open_folder_is_closed(estate: Estate) -> None:
    (estate.directory / ".reconciler" / "cache").mkdir(parents=True)
    for folder in (estate.directory / ".reconciler", estate.directory / ".reconciler" / "cache"):
        folder.chmod(0o777)
    command(estate, "validate")
    assert mode(estate.directory / ".reconciler") == mode(estate.directory / ".reconciler" / "cache") == 0o700


@pytest.mark.parametrize(
    "url",
    ["postgresql://ada:CANARY@db.example/x", "postgresql://db.example/x?password=CANARY",
     "postgresql://db.example/x?%70assword=CANARY", "postgresql://ada:${values.secret}@db.example/x"],
)  # fmt: skip
def test_no_password_is_in_a_cache(estate: Estate, url: str) -> None:
    settings = estate.directory / "reconciler.yaml"
    settings.write_text(f"{settings.read_text()}state: {url}\nvalues: {{secret: CANARY}}\n")
    with estate.engine() as engine:
        assert "CANARY" in engine.project.state
        assert engine.manifest.resources
    for path in (estate.directory / ".reconciler").rglob("*"):
        assert path.is_dir() or b"CANARY" not in path.read_bytes()


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "list", "surrogates", "numbers"])
@pytest.mark.parametrize("words", [["apply"], ["show"], ["plan", "approve"]], ids=" ".join)
def test_what_is_no_plan_is_refused_at_once(
    estate: Estate, kind: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = estate.directory / "plan.json"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "folder":
            path.mkdir()
        case "list":
            path.write_text("[" * 200_000)
        case "surrogates":
            path.write_text('{"signature": "\\ud800", "body": "{\\"format\\": 5, \\"x\\": \\"\\ud800\\"}"}')
        case _:
            path.write_text('{"signature": "", "body": "' + "9" * 10_000 + '"}')
    assert command(estate, *words, str(path)) == 1
    said = capsys.readouterr().err
    assert str(path) in said or "plan" in said
    assert "This is a bug" not in said
    assert "sys.set_int_max" not in said
    with pytest.raises(BadPlanFile):
        read_plan(path)


def test_a_signature_of_other_letters_is_no_signature(estate: Estate, capsys: pytest.CaptureFixture[str]) -> None:
    path = estate.directory / "plan.json"
    assert command(estate, "plan", "--out", str(path)) == 0
    for signature in ("Ünsigniert", "\ud800"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "signature": signature}))
        assert command(estate, "apply", str(path)) == 1
        assert "was altered" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_a_plan_replaces_no_device(estate: Estate, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = estate.directory / "target"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/full")
    before = path.lstat().st_mode
    assert command(estate, "plan", "--out", str(path)) == 1
    assert path.lstat().st_mode == before
    assert "is not a regular file" in capsys.readouterr().err

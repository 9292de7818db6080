"""Secrets are made once, and private files are seen whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from reconciler.manifests.private_files import private_file_beside, read_or_create, replacing, write_private


@pytest.fixture(params=[0o000, 0o022, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_was_created_stays(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert read_or_create(path, lambda: "first") == "first"
    assert read_or_create(path, lambda: "second") == "first"
    assert mode_of(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_all_who_create_it_at_the_same_time_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with ThreadPoolExecutor(16) as pool:
        contents = set(pool.map(lambda _: read_or_create(path, lambda: str(uuid4())), range(64)))
    assert contents == {path.read_text()}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o666)
    write_private(path, "é")
    assert path.read_text("utf-8") == "é"
    assert mode_of(path) == 0o600
    write_private(path, "for all", mode=0o644)
    assert mode_of(path) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    write_private(tmp_path / "private", "x")
    write_private(tmp_path / "public", "x", mode=0o644)
    read_or_create(tmp_path / "secret", lambda: "x")
    with private_file_beside(tmp_path / "database") as path:
        assert mode_of(path) == 0o600
    assert {path.name: mode_of(path) for path in tmp_path.iterdir()} == {
        "private": 0o600,
        "public": 0o644,
        "secret": 0o600,
    }


def test_nobody_else_can_read_it_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path, mode=0o644) as file:
        file.write(b"half")
        file.flush()
        (beside,) = tmp_path.iterdir()
        assert mode_of(beside) == 0o600
        assert not path.exists()
    assert mode_of(path) == 0o644


@pytest.mark.parametrize("failure", [OSError, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("durable", [True, False])
def test_a_failure_leaves_neither_half_a_file_nor_a_temporary_one(
    tmp_path: Path, failure: type[BaseException], durable: bool
) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def write() -> None:
        with replacing(path, durable=durable, suffix=".part") as file:
            file.write(b"half of it")
            raise failure

    with pytest.raises(failure):
        write()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "file"
    path.write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="large"):
            write_private(path, "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom reconciler.manifests.private_files import replacing\n"
        "with replacing(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "before"


def test_a_symbolic_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_text("untouched")
    path.symlink_to(victim)
    write_private(path, "new")
    assert victim.read_text() == "untouched"
    assert not path.is_symlink()
    assert path.read_text() == "new"


@pytest.mark.parametrize("write", [write_private, lambda path, text: read_or_create(path, lambda: text)])
def test_a_taken_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object) -> None:
    """A link is waiting at the first name that the writer tries."""
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_text("untouched")
    (tmp_path / ".file-guessed").symlink_to(victim)
    names = iter(["guessed", "free"])
    monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: names)
    assert callable(write)
    write(path, "new")
    assert victim.read_text() == "untouched"
    assert path.read_text() == "new"
    assert next(names, "") == ""


def test_a_file_for_others_to_open_is_removed_unless_it_was_moved(tmp_path: Path) -> None:
    path = tmp_path / "database"
    with private_file_beside(path) as unused:
        assert unused.parent == tmp_path
        assert unused.read_bytes() == b""
    assert list(tmp_path.iterdir()) == []
    with private_file_beside(path) as beside:
        beside.replace(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_or_create(tmp_path / "none" / "secret", lambda: "x")
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "none" / "file", "x")

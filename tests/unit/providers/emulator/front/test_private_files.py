"""Secrets are made once, and files are seen whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from reconciler.providers.emulator.http.private_files import kept, write_private


def test_what_is_made_stays(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert kept(path, lambda: "first") == "first"
    assert kept(path, lambda: "second") == "first"
    assert path.stat().st_mode & 0o777 == 0o600


def test_all_who_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: kept(path, lambda: str(uuid4())), range(64)))
    assert found == {path.read_text()}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o666)
    write_private(path, "é")
    assert path.read_text("utf-8") == "é"
    assert path.stat().st_mode & 0o777 == 0o600
    write_private(path, "for all", mode=0o644)
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        kept(tmp_path / "none" / "secret", lambda: "x")

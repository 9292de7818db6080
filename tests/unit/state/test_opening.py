"""A store is one file: what is in `reconciler.state.stores` is what a URL can name."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.state import stores
from reconciler.state.errors import StateError
from reconciler.state.opening import open_store

NEW_STORE = """
from reconciler.state.sql_store import open_sql_store
from reconciler.state.sql_store.sqlite import SqliteDatabase

FORM = "scratch://NAME"


def open_store(url, project, base, clock, trust):
    return open_sql_store(SqliteDatabase(base / f"{url.partition('://')[2]}.db"), project, clock)
"""


def test_a_new_store_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch.py").write_text(NEW_STORE)
    monkeypatch.setattr(stores, "__path__", [*stores.__path__, str(tmp_path)])
    store = open_store("scratch://mine", "corp", tmp_path)
    store.signing_key()
    store.close()
    assert (tmp_path / "mine.db").is_file()
    with pytest.raises(StateError) as caught:
        open_store("elsewhere://x", "corp", tmp_path)
    assert "scratch://NAME" in caught.value.remedy


@pytest.mark.parametrize("url", ["../sqlite://x", "os.path://x", "__init__://x", "stores.sqlite:///x", "Sqlite:///x"])
def test_a_scheme_is_a_name_and_nothing_else(url: str, tmp_path: Path) -> None:
    with pytest.raises(StateError):
        open_store(url, "corp", tmp_path)

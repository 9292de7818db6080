"""What can be said of PostgreSQL without a server: what is missing, wrong or out of reach, and no password in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT
from support.stores import PROJECT

from reconciler.state.errors import StateError, StateUnreadable
from reconciler.state.opening import open_store

PASSWORD = "c0rrect-horse"


def test_a_server_out_of_reach_is_named_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StateUnreadable) as caught:
        open_store(f"postgresql://ada:{PASSWORD}@/images?host={tmp_path}", PROJECT, tmp_path)
    assert f"{tmp_path}/images cannot be reached" in caught.value.message
    assert PASSWORD not in caught.value.message + caught.value.remedy


@pytest.mark.parametrize("url", ["postgresql://ada:{}@[db/images", "postgresql://ada:{}@db/images?colour=red"])
def test_an_invalid_address_is_refused_without_the_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="is not valid") as caught:
        open_store(url.format(PASSWORD), PROJECT, tmp_path)
    assert caught.value.__cause__ is None
    assert PASSWORD not in caught.value.message + caught.value.remedy


@pytest.mark.parametrize(
    "query",
    ["schema=", "schema=Corp", "schema=a;drop", "schema=1a", "schema=pg_x", "schema=a&schema=b", f"schema={'a' * 64}"],
)
def test_a_schema_is_an_identifier_or_refused(query: str, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="the schema in the state's URL is not valid") as caught:
        open_store(f"postgresql://ada:{PASSWORD}@db/images?{query}", PROJECT, tmp_path)
    assert PASSWORD not in caught.value.message + caught.value.remedy


def test_a_schema_is_part_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    with pytest.raises(StateUnreadable, match=f"{tmp_path}/images, schema team_a cannot be reached"):
        open_store(f"postgresql://ada@/images?schema=team_a&host={tmp_path}", PROJECT, tmp_path)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_missing_driver_says_how_to_get_it() -> None:
    told = run(
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path\n"
        "from reconciler.state.opening import open_store\n"
        "from reconciler.state.errors import StateError\n"
        "try: open_store('postgresql://db/images', 'p', Path())\n"
        "except StateError as error: print(error.message, error.remedy)"
    )
    assert told.startswith("a postgresql:// state needs psycopg")
    assert "pip install '.[postgresql]'" in told


def test_a_state_file_needs_no_driver_of_another() -> None:
    told = run(
        "import sys; from pathlib import Path; from reconciler.state.opening import open_store\n"
        "open_store('sqlite:///nowhere/state.db', 'p', Path()).read()\n"
        "print(sorted({'psycopg', 'sqlalchemy', 'pydantic', 'uuid'} & sys.modules.keys()))"
    )
    assert told == "[]\n"

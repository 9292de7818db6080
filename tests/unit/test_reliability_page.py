"""Every promise of docs/reliability.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.paths import ROOT

NAMED = sorted(
    set(re.findall(r"`((?:tests|reconciler)/[\w/]+\.py)::(\w+)`", (ROOT / "docs/reliability.md").read_text()))
)


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_named_test_exists(path: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (ROOT / Path(path)).read_text(), re.MULTILINE)


def test_every_promise_names_one() -> None:
    table = (ROOT / "docs/reliability.md").read_text().partition("## Promises")[2].partition("\n## ")[0]
    rows = [
        line for line in table.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| ---"))
    ]
    assert rows
    assert all("::test_" in row for row in rows)

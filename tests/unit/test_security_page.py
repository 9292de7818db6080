"""Every promise of .github/SECURITY.md names tests that exist, and its links lead somewhere."""

from __future__ import annotations

import re

import pytest
from support.paths import ROOT

FILE = ROOT / ".github" / "SECURITY.md"
PAGE = FILE.read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_named_test_exists(path: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_every_promise_names_one() -> None:
    table = PAGE.partition("## Promises")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert rows
    assert all("::test_" in row for row in rows)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert targets
    assert [target for target in targets if not (FILE.parent / target.partition("#")[0]).exists()] == []

"""What people read uses the project's words: no phrase that docs/contributing/words.md avoids."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.paths import ROOT
from support.words import avoided, findings, product_files


@pytest.mark.parametrize("path", [*product_files()], ids=lambda path: str(path.relative_to(ROOT)))
def test_phrases_that_are_avoided_are_not_there(path: Path) -> None:
    assert [str(found) for found in findings(path)] == []


@pytest.mark.parametrize("phrase", avoided())
def test_each_is_found_in_strings_comments_and_documents(phrase: str, tmp_path: Path) -> None:
    spread = phrase.replace(" ", "\n")
    program, document = tmp_path / "program.py", tmp_path / "document.md"
    program.write_text(f'"""First.\n\nThis {spread} twice."""\nx = "{phrase.upper()}"  # {phrase}\n')
    document.write_text(f"This {spread} that.\n")
    assert len({found.line for found in findings(program)}) == 2
    assert len(list(findings(program))) >= 3
    assert list(findings(document))

"""Where CI is set a skip is a failure, in a test and in a whole module; elsewhere it is a skip."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.suite.inner import run_tests

IN_TEST = "import pytest\ndef test_one():\n    pytest.skip('no such program')\n"
IN_MODULE = "import pytest\npytest.skip('no such program', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_one():\n    raise ValueError\n"


@pytest.mark.parametrize("test", [IN_TEST, IN_MODULE], ids=["test", "module"])
def test_a_skip_fails_in_ci(tmp_path: Path, test: str) -> None:
    answer = run_tests(tmp_path, test, "-n", "1", CI="true")
    assert answer.returncode != 0
    assert "in CI that is a failure" in answer.stdout
    assert "no such program" in answer.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    answer = run_tests(tmp_path, IN_TEST, "-n", "1", CI="")
    assert answer.returncode == 0
    assert "1 skipped" in answer.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert run_tests(tmp_path, EXPECTED_FAILURE, "-n", "1", CI="true").returncode == 0

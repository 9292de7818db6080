"""Where CI is set a skip is a failure, in a test and in a whole module; elsewhere it is a skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import TESTS

CONFTEST = TESTS / "conftest.py"
IN_TEST = "import pytest\ndef test_one():\n    pytest.skip('no such program')\n"
IN_MODULE = "import pytest\npytest.skip('no such program', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_one():\n    raise ValueError\n"


def outcome(folder: Path, test: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_bytes(CONFTEST.read_bytes())
    (folder / "test_it.py").write_text(test)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "1", "--rootdir", folder, folder],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "CI": ci, "PYTHONPATH": str(TESTS)},
    )


@pytest.mark.parametrize("test", [IN_TEST, IN_MODULE], ids=["test", "module"])
def test_a_skip_fails_in_ci(tmp_path: Path, test: str) -> None:
    answer = outcome(tmp_path, test, ci="true")
    assert answer.returncode != 0
    assert "in CI that is a failure" in answer.stdout
    assert "no such program" in answer.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    answer = outcome(tmp_path, IN_TEST, ci="")
    assert answer.returncode == 0
    assert "1 skipped" in answer.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert outcome(tmp_path, EXPECTED_FAILURE, ci="true").returncode == 0

"""Test runs within the test run: small test files under the conftest of this suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.paths import TESTS


def run_tests(folder: Path, test: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of one test file, written to `folder`, with further arguments and environment variables."""
    (folder / "conftest.py").write_bytes((TESTS / "conftest.py").read_bytes())
    (folder / "test_it.py").write_text(test)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    base = ["--strict-markers", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *base, *arguments, str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**inherited, "PYTHONPATH": str(TESTS), **environment},
    )

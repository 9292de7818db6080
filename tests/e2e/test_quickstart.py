"""The demo: it runs to its end, shows what it promises, and stops at the first surprise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import reconciler.manifests.examples

DEMO = Path(reconciler.manifests.examples.__path__[0]) / "demo.sh"


def play(folder: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """One run of the demo that keeps its temporary folder below `folder`; `path` comes first on PATH."""
    binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", DEMO],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PATH": f"{path}:{binaries}" if path else binaries, "TMPDIR": str(folder)},
    )


def sections(output: str) -> dict[str, str]:
    """Heading -> what is printed under it."""
    parts = re.split(r"^== (.*)$", output, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_tells_the_whole_story(tmp_path: Path) -> None:
    answer = play(tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    told = sections(answer.stdout)
    assert len(told) == 8
    assert "corp/web/1.1.0" in told["What would apply do?"]
    copies = told["Apply: every region gets its copies"].splitlines()
    assert len([line for line in copies if line.startswith("regions/") and line.endswith((".raw", ".vhd"))]) == 12
    found = told["The drift job finds it"]
    assert "corp/web/1.1.0@westus" in found
    assert "northeurope" not in found
    (folder,) = tmp_path.iterdir()
    assert str(folder) in answer.stdout.splitlines()[0]
    images = folder / "images" / "web-1.1.0.img"
    assert (folder / "regions/westus/corp/web/1.1.0/replica-1.os.raw").read_bytes() == images.read_bytes()


@pytest.mark.parametrize("code", [0, 1])
def test_stops_at_the_first_surprise(tmp_path: Path, code: int) -> None:
    """A program that finds nothing to do, or fails, where changes were expected."""
    program = tmp_path / "bin" / "reconciler"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    answer = play(tmp_path, str(program.parent))
    assert answer.returncode == 1
    assert f"'reconciler plan --detailed-exitcode' ended with exit code {code} instead of 2" in answer.stderr
    assert "reconciler apply" not in answer.stdout

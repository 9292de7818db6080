"""The demo on hypervisor hosts: it runs to its end, shows what it promises, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import ROOT

pytestmark = pytest.mark.libvirt

DEMO = ROOT / "manifests" / "examples" / "demo-libvirt.sh"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A path that is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


def play(folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    """One run on hosts of its own, all temporary files in `folder`; `path` comes first on PATH."""
    return subprocess.run(
        [sys.executable, "-m", "support.libvirt.ssh", DEMO],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            **os.environ,
            "PATH": f"{path}{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "TMPDIR": str(folder),
        },
    )


@pytest.mark.slow
def test_tells_the_whole_story_and_leaves_nothing(folder: Path) -> None:
    answer = play(folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "2 drifted" in answer.stdout
    assert "corp-web-1.1.0" in answer.stdout.partition("The drift job finds both")[2]
    assert "hello from web-1.1.0\n$ reconciler vm delete" in answer.stdout
    assert "Done: 15 deleted" in answer.stdout
    assert list(folder.iterdir()) == []


def test_leaves_nothing_after_a_surprise(folder: Path) -> None:
    program = folder / "bin" / "reconciler"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    answer = play(folder, f"{program.parent}:")
    assert answer.returncode == 1
    assert "ended with exit code 1 instead of 2" in answer.stderr
    assert "reconciler apply" not in answer.stdout
    assert [path.name for path in folder.iterdir()] == ["bin"]

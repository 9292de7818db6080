"""A few thousand damaged images, the same ones every time; `make fuzz-images` tries others, and more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.qemu
@pytest.mark.slow(15)
def test_no_damaged_image_stops_the_recogniser_and_qemu_agrees_about_those_that_are_accepted() -> None:
    """In a process of its own, whose memory is limited."""
    run = subprocess.run(
        [sys.executable, "-m", "fuzz_images", "--mutants", "5000", "--comparisons", "60"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5000 mutants" in run.stdout
    assert "60 opened by QEMU, " in run.stdout

"""The benchmark runs, small and without Terraform, and says what it measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.engines import EngineCosts
from benchmarks.measuring import CommandFailed, Cost, run
from benchmarks.report import Results, as_text, growth
from support.paths import TESTS


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--directory", folder, "--no-terraform", *arguments],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_measures_a_small_estate(tmp_path: Path) -> None:
    answer = bench(tmp_path, "--only", "engines", "--size", "100", "--rounds", "1", "--json")
    assert answer.returncode == 0, answer.stderr
    measured: dict[str, Any] = json.loads(answer.stdout)["reconciler"]["100"]
    assert measured.keys() == {"apply", "plan", "cold_plan", "changed_plan"}
    assert all(cost["seconds"] > 0 and cost["peak_mib"] > 1 for cost in measured.values())
    assert list(tmp_path.iterdir()) == []


def test_measures_copying_and_start_up(tmp_path: Path) -> None:
    answer = bench(tmp_path, "--only", "copying", "--only", "start", "--copy-mib", "4", "--rounds", "1")
    assert answer.returncode == 0, answer.stderr
    assert "Copying images" in answer.stdout
    assert "4 MiB sparse" in answer.stdout
    assert "reconciler --help" in answer.stdout


@pytest.mark.libvirt
@pytest.mark.slow
def test_measures_cloning_beside_virsh(tmp_path: Path) -> None:
    answer = bench(tmp_path, "--only", "cloning", "--copy-mib", "4", "--rounds", "1", "--json")
    assert answer.returncode == 0, answer.stderr
    measured = json.loads(answer.stdout)["cloning"]
    both = [("tiny", 1), ("dense", 4), ("sparse", 4)]
    assert [(clone["image"], clone["size_mib"], clone["place"]) for clone in measured] == [
        *((*image, place) for image in both for place in ("another pool", "another host")),
        ("dense", 16, "another pool"),
    ]
    assert all(clone[who]["seconds"] > 0 for clone in measured for who in ("reconciler", "virsh"))
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_size_that_is_not_whole_galleries(tmp_path: Path) -> None:
    answer = bench(tmp_path, "--size", "150")
    assert answer.returncode == 2
    assert "150 is not a multiple of 100" in answer.stderr


def test_a_command_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="exit code 3 instead of 0\nbroken"):
        run([sys.executable, "-c", "print('broken'); raise SystemExit(3)"], tmp_path)


MEASURE_ANOTHER = """
import pathlib, sys
from benchmarks.measuring import run
print(run([sys.executable, "-c", "x = b'1' * (512 << 20)"], pathlib.Path(sys.argv[1])).peak_mib)
"""


def test_the_peak_is_that_of_the_process(tmp_path: Path) -> None:
    """Measured from a small process, as the benchmarks are: what the measuring one holds counts as well."""
    command = [sys.executable, "-c", MEASURE_ANOTHER, str(tmp_path)]
    answer = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=True
    )
    assert 512 <= float(answer.stdout) < 640


def costs(seconds: float) -> EngineCosts:
    cost = Cost(seconds, 50)
    return EngineCosts(cost, cost, cost, cost)


def test_growth_is_the_exponent_of_a_power() -> None:
    squares = {size: costs(size**2 / 1e6) for size in (1000, 3000, 10_000)}
    assert growth(squares)["apply"] == pytest.approx(2)
    assert growth({100: costs(1), 1000: costs(2)}) == {}


def test_ratios_stand_beside_both_times() -> None:
    text = as_text(Results(reconciler={100: costs(0.5)}, terraform={100: costs(10.0)}))
    row = next(line for line in text.splitlines() if "nothing to do" in line)
    assert row.split()[-8:] == ["0.50", "s", "50", "10.00", "s", "50", "20.0", "100%"]

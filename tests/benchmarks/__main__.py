"""`python -m benchmarks` from the folder `tests`, or `make bench`: measures, and prints what came of it."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import copying, engines, hosts, start, workload
from benchmarks.measuring import CommandFailed, progress
from benchmarks.report import Results, as_text

PARTS = ("engines", "growth", "copying", "cloning", "start")
SMALL_SIZES = (100, 1000)
GROWTH_SIZES = (1000, 3000, 10_000)
LARGEST_SIZE = 100_000


def main() -> int:
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-", dir=options.directory) as folder:
        try:
            results = measure(Path(folder), options)
        except CommandFailed as failure:
            progress(str(failure))
            return 1
    sys.stdout.write(json.dumps(results.as_data(), indent=2) if options.json else as_text(results))
    sys.stdout.write("\n")
    return 0


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--size", type=_size, default=1000, help="largest number of resources beside Terraform (1000)")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone; may be repeated")
    parser.add_argument("--large", action="store_true", help=f"growth up to {LARGEST_SIZE:,} resources")
    parser.add_argument("--no-terraform", action="store_true", help="leave Terraform out")
    parser.add_argument("--rounds", type=int, help="how often to measure; 5 for plans, 3 for copies when absent")
    parser.add_argument("--copy-mib", type=int, default=2048, help="size of the images that are copied (2048)")
    parser.add_argument("--directory", type=Path, help="where to work; the system's temporary folder when absent")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def _size(text: str) -> int:
    try:
        workload.galleries(int(text))
    except ValueError as cause:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of {workload.PER_GALLERY}") from cause
    return int(text)


def measure(folder: Path, options: argparse.Namespace) -> Results:
    """Runs the parts that were asked for, each in `folder`."""
    parts = options.only or PARTS
    results = Results()
    if "start" in parts:
        results.start = start.measure_start(folder, options.rounds or start.ROUNDS)
    sizes = beside_sizes(options.size) if "engines" in parts else []
    more = [*GROWTH_SIZES, *([LARGEST_SIZE] if options.large else [])] if "growth" in parts else []
    for size in sorted({*sizes, *more}):
        results.reconciler[size] = engines.measure_reconciler(folder, size, options.rounds or engines.ROUNDS)
    if not options.no_terraform:
        _beside_terraform(folder, sizes, options.rounds or engines.ROUNDS, results)
    if "copying" in parts:
        rounds = options.rounds or copying.ROUNDS
        results.copying = list(copying.measure_copying(folder, options.copy_mib, rounds))
    if "cloning" in parts:
        results.cloning = list(hosts.measure_cloning(folder, options.copy_mib, options.rounds or hosts.ROUNDS))
    return results


def beside_sizes(largest: int) -> list[int]:
    """The sizes at which both engines are measured."""
    return [*(size for size in SMALL_SIZES if size < largest), largest]


def _beside_terraform(folder: Path, sizes: list[int], rounds: int, results: Results) -> None:
    if sizes and engines.terraform() is None:
        progress("terraform is not on PATH and left out")
    for size in sizes:
        costs = engines.measure_terraform(folder, size, rounds)
        if costs is not None:
            results.terraform[size] = costs


if __name__ == "__main__":
    sys.exit(main())

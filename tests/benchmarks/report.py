"""The results as tables for people and as data for programs."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.copying import CopyCosts
from benchmarks.engines import EngineCosts
from benchmarks.hosts import COMMANDS, TINY, CloneCosts
from benchmarks.measuring import Cost
from benchmarks.start import StartCosts

Row = Sequence[str]
MEASURES = {
    "apply": "apply from empty",
    "plan": "plan, nothing to do",
    "cold_plan": "the same, caches removed",
    "changed_plan": "plan, one version changed",
}


@dataclass(slots=True)
class Results:
    """All that was measured, by size in resources; what was not asked for is empty."""

    reconciler: dict[int, EngineCosts] = field(default_factory=dict)
    terraform: dict[int, EngineCosts] = field(default_factory=dict)
    copying: list[CopyCosts] = field(default_factory=list)
    cloning: list[CloneCosts] = field(default_factory=list)
    start: StartCosts | None = None

    def as_data(self) -> dict[str, Any]:
        """JSON-shaped; seconds and MiB."""
        return {**asdict(self), "growth": growth(self.reconciler), "machine": machine()}


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"


def as_text(results: Results) -> str:
    """Every table for which there are results."""
    parts = [machine()]
    if results.reconciler:
        parts.append(_engines(results))
    exponents = growth(results.reconciler)
    if exponents:
        parts.append(_growth(exponents, list(results.reconciler)))
    if results.copying:
        parts.append(_copying(results.copying))
    if results.cloning:
        parts.append(_cloning(results.cloning))
    if results.start:
        parts.append(_start(results.start))
    return "\n\n".join(parts)


def growth(by_size: Mapping[int, EngineCosts]) -> dict[str, float]:
    """The exponent e of time ~ n^e for each measure, fitted to all sizes from 1,000 up; empty below two such sizes."""
    large = {size: costs for size, costs in by_size.items() if size >= 1000}
    if len(large) < 2:
        return {}
    return {
        name: _slope(
            [
                (math.log(size), math.log(cost.seconds))
                for size, costs in large.items()
                if (cost := getattr(costs, name))
            ]
        )
        for name in MEASURES
    }


def _slope(points: Sequence[tuple[float, float]]) -> float:
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def _engines(results: Results) -> str:
    rows = [
        _engine_row(size, name, getattr(costs, name), _theirs(results.terraform.get(size), name))
        for size, costs in results.reconciler.items()
        for name in MEASURES
    ]
    head = ("resources", "", "reconciler", "MiB", "terraform", "MiB", "times faster", "of its memory")
    shown = len(head) if results.terraform else 4
    return table("Plan and apply", head[:shown], [row[:shown] for row in rows])


def _theirs(costs: EngineCosts | None, name: str) -> Cost | None:
    if costs is None:
        return None
    cost: Cost | None = getattr(costs, "plan" if name == "cold_plan" else name)
    return cost


def _engine_row(size: int, name: str, ours: Cost, theirs: Cost | None) -> Row:
    beside = ("-", "-", "-", "-")
    if theirs is not None:
        faster, memory = theirs.seconds / ours.seconds, ours.peak_mib / theirs.peak_mib
        beside = (seconds(theirs), f"{theirs.peak_mib:.0f}", f"{faster:.1f}", f"{memory:.0%}")
    return (f"{size:,}", MEASURES[name], seconds(ours), f"{ours.peak_mib:.0f}", *beside)


def _growth(exponents: Mapping[str, float], sizes: Sequence[int]) -> str:
    large = [size for size in sizes if size >= 1000]
    title = f"Growth from {large[0]:,} to {large[-1]:,} resources: time ~ n^e"
    return table(title, ("", "e"), [(MEASURES[name], f"{value:.2f}") for name, value in exponents.items()])


def _copying(copies: Iterable[CopyCosts]) -> str:
    rows = [
        (
            f"{copy.size_mib:,} MiB {copy.image}",
            str(copy.regions),
            seconds(copy.reconciler),
            seconds(copy.cp),
            f"{copy.reconciler.seconds / copy.cp.seconds:.2f}",
            seconds(copy.digest),
            "yes" if copy.shared else "no",
        )
        for copy in copies
    ]
    head = ("image", "regions", "reconciler apply", "cp and sync", "ratio", "sha256sum", "file system shares blocks")
    return table("Copying images", head, rows)


def _cloning(clones: Sequence[CloneCosts]) -> str:
    tiny = {clone.place: clone for clone in clones if clone.image == TINY}
    rows = [
        (
            f"{clone.size_mib:,} MiB {clone.image}",
            clone.place,
            seconds(clone.reconciler),
            seconds(clone.virsh),
            f"{clone.reconciler.seconds / clone.virsh.seconds:.2f}",
            _beyond(clone, tiny[clone.place]),
            COMMANDS[clone.place],
        )
        for clone in clones
    ]
    head = ("volume", "to", "reconciler apply", "virsh", "ratio", "beyond the tiny one", "commands of virsh")
    return table("Copying volumes", head, rows)


def _beyond(clone: CloneCosts, tiny: CloneCosts) -> str:
    """The ratio of what the bytes alone took; `-` where that is nothing."""
    ours = clone.reconciler.seconds - tiny.reconciler.seconds
    theirs = clone.virsh.seconds - tiny.virsh.seconds
    return f"{ours / theirs:.2f}" if theirs > 0 and ours > 0 else "-"


def _start(start: StartCosts) -> str:
    rows = [("reconciler --help", seconds(start.help)), ("python -c pass", seconds(start.interpreter))]
    return table("Start-up", ("command", "time"), rows)


def seconds(cost: Cost) -> str:
    return f"{cost.seconds:.2f} s"


def table(title: str, head: Row, rows: Sequence[Row]) -> str:
    """Columns as wide as their widest entry; those of figures stand to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    figures = [all(_is_figure(row[column]) for row in rows) for column in range(len(head))]
    lines = [_line(row, widths, figures) for row in [head, ["-" * width for width in widths], *rows]]
    return "\n".join([title, "", *lines])


def _line(row: Row, widths: Sequence[int], figures: Sequence[bool]) -> str:
    cells = [
        cell.rjust(width) if figure else cell.ljust(width)
        for cell, width, figure in zip(row, widths, figures, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _is_figure(cell: str) -> bool:
    return cell == "-" or (cell[:1].isdigit() and "MiB" not in cell)

"""A plan for people: danger first; what is unchanged is only counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from reconciler.latest import LatestChange
from reconciler.manifests.address import Address, version_number
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan
from reconciler.views.terminal.lines import BLANK, Cell, Line, Row, line, table
from reconciler.views.terminal.units import human_bytes, plural
from reconciler.views.text.diagnostics import diagnostics_lines
from reconciler.views.text.heading import Heading, heading_line
from reconciler.views.text.no_changes import no_changes_lines, not_read_lines
from reconciler.views.text.plan_rows import MOST_ROWS, plan_rows

_NOTHING = "none"


def plan_lines(plan: Plan, heading: Heading, width: int, *, verbose: bool = False) -> Iterator[Line]:
    """The whole plan, ending with one line of counts."""
    if not plan.changes and plan.applicable:
        yield from no_changes_lines(plan, heading, width)
        return
    yield from not_read_lines(plan)
    if plan.warnings:
        yield from diagnostics_lines(plan.warnings, width)
        yield BLANK
    yield heading_line(heading)
    yield BLANK
    if plan.errors:
        yield from diagnostics_lines(plan.errors, width)
        yield BLANK
    rows = plan_rows(plan, verbose=verbose)
    if rows:
        yield from table(rows, width)
        yield BLANK
    latest = latest_rows(plan.latest, verbose=verbose)
    if latest:
        yield from table(latest, width)
        yield BLANK
    yield line(" ", " · ".join(counts(plan)))


def counts(plan: Plan) -> Iterator[str]:
    """`1 remove`, `1 create`, `2 blocked`, `812 unchanged`, `8.0 GiB to copy`: how much there is of each."""
    numbers = plan.counts
    if plan.removals:
        yield f"{len(plan.removals):,} remove"
    for action in (
        Action.CREATE,
        Action.UPDATE,
        Action.REPLACE,
        Action.DELETE,
        Action.ADOPT,
        Action.RECORD,
        Action.FORGET,
    ):
        if action in numbers:
            yield f"{numbers[action]:,} {action}"
    blocked = len(plan.blocked) + len(plan.blocks)
    stops = {"blocked": blocked, "unknown": len(plan.unreachable)}
    yield from (f"{number:,} {what}" for what, number in stops.items() if number)
    if plan.errors:
        yield plural(len(plan.errors), "error")
    yield f"{plan.unchanged:,} unchanged"
    if plan.reread:
        yield f"{len(plan.reread):,} read again"
    size = sum(change.move_bytes for change in plan.changes if not change.block)
    if size:
        yield f"{human_bytes(size)} to copy"


def latest_rows(changes: Iterable[LatestChange], *, verbose: bool = False) -> list[Row]:
    """A row for each definition whose `latest` moves; those where it moves back, or is lost, come first."""
    definitions: dict[Address, list[LatestChange]] = defaultdict(list)
    for change in changes:
        definitions[change.definition].append(change)
    rows = sorted((_latest_row(definition, moves) for definition, moves in definitions.items()), key=_worst_first)
    if len(rows) <= MOST_ROWS or verbose:
        return rows
    worse = [row for row in rows if row.style][:MOST_ROWS]
    others = len(rows) - len(worse)
    return [*worse, Row(" ", "latest", f"moves in {others:,} {'more ' if worse else ''}definitions (-v shows all)")]


def _worst_first(row: Row) -> bool:
    return not row.style


def _latest_row(definition: Address, changes: Iterable[LatestChange]) -> Row:
    moves: dict[tuple[str | None, str | None], list[str]] = defaultdict(list)
    for change in changes:
        moves[change.before, change.after].append(change.region)
    shown = " · ".join(
        f"{', '.join(regions)} {before or _NOTHING} -> {after or _NOTHING}"
        for (before, after), regions in sorted(moves.items(), key=lambda item: item[1])
    )
    back = any(_moves_back(before, after) for before, after in moves)
    mark = Cell(shown, "moves back" if back else "", "danger" if back else "")
    return Row("!" if back else " ", "latest", str(definition), [mark], "danger" if back else "")


def _moves_back(before: str | None, after: str | None) -> bool:
    return before is not None and (after is None or version_number(after) < version_number(before))

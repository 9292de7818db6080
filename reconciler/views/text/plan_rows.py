"""A plan's entries as rows, danger first, grouped if there are too many."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.values import source_style
from reconciler.planning.actions import Action, AttributeChange, Block, Reason, ResourceChange
from reconciler.planning.plan import Plan
from reconciler.planning.sources import disk_sources
from reconciler.providers.content_digest import TREE
from reconciler.views.terminal.lines import Cell, Row
from reconciler.views.terminal.units import plural
from reconciler.views.text.attribute_changes import change_text
from reconciler.views.text.entries import Entry, contents, copies_gone, costs, entries_of

MOST_ROWS = 25
"""More rows of one action than this are grouped, except with --verbose."""

_SHOWN = {
    Action.REPLACE: ("±", "danger"),
    Action.DELETE: ("-", "remove"),
    Action.UPDATE: ("~", "change"),
    Action.CREATE: ("+", "add"),
    Action.ADOPT: (">", "note"),
    Action.RECORD: (">", "note"),
    Action.FORGET: (">", "note"),
}
"""Action -> symbol and style, in the order in which they are shown."""

_WHY = {
    Reason.INTERRUPTED: "started by an earlier run and not completed",
    Reason.UNFINISHED: "not completed by an earlier run",
    Reason.RUNNING: "being changed by another run",
    Reason.MARKED: "ours by its mark; only the record is written",
    Reason.VANISHED: "no longer exists; will be recreated",
    Reason.UNDESIRED: "removed from the manifests",
    Reason.DESTROY: "",
    Reason.GONE: "already gone; only the record is dropped",
    Reason.RETAINED: "removed from the manifests; the object is kept",
    Reason.REMOVED: "removed without destroying; the object is kept",
    Reason.UNSEALED: "its owner mark gets a seal, once after the upgrade",
    Reason.LIFECYCLE: "lifecycle changed; only the record changes",
    Reason.ACCEPTED: "it is as the manifests say now; only the record changes",
    Reason.TAINTED: "tainted",
    Reason.DAMAGED: "damaged",
    Reason.CONTAINER: "its container is replaced",
}


_SHORT = 16
"""Hexadecimal digits of a digest that are shown where people only glance at it."""


def plan_rows(plan: Plan, *, verbose: bool = False, sources: bool = True) -> list[Row]:
    """The rows of a plan: what is unknown, what is blocked, then by action from the dangerous to the harmless.
    `sources`: with the content of versions that are published, in full if `verbose`."""
    entries = entries_of(plan.changes)
    rows = [*unknown_rows(plan.unreachable), *_plan_block_rows(plan)]
    blocked = [_blocked_row(entry.change, block) for entry in entries if (block := entry.change.block)]
    rows += _at_most(blocked, "blocked changes", verbose=verbose)
    rows += removal_rows(plan)
    for action in _SHOWN:
        section = [entry for entry in entries if entry.change.action is action and not entry.change.block]
        if len(section) <= MOST_ROWS or verbose:
            shown = 64 if verbose else _SHORT
            rows += [_with_sources(_row(entry), entry.change, shown if sources else 0) for entry in section]
        else:
            rows += _at_most(_grouped(action, section), "galleries", verbose=False)
    return rows


def _with_sources(row: Row, change: ResourceChange, digits: int) -> Row:
    """The row with a line for the content of each disk that is published; `digits` of its digest, 0 for no line."""
    lines = [Cell(_content(text, digits), name, "dim") for name, text in content_rows(change)] if digits else []
    return replace(row, cells=[*row.cells, *lines]) if lines else row


def _content(text: str, digits: int) -> str:
    kind, value = (TREE, text.removeprefix(TREE)) if text.startswith(TREE) else ("sha256 ", text)
    return f"{kind}{value[:digits]}{'…' if digits < len(value) else ''}" if _is_sha256(value) else text


def _is_sha256(text: str) -> bool:
    """Whether this is a digest in hexadecimal, and not an identity."""
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)


def content_rows(change: ResourceChange) -> Iterator[tuple[str, str]]:
    """(source, its digest or identity) of every disk that a change publishes, as far as they are known."""
    declared = dict(disk_sources(change.planned_attributes)) if change.sources else {}
    for bound in change.sources:
        style, value = source_style(declared.get(bound.disk, {"disk": bound.disk}))
        shown = {"file": str(value), "url": f"{value}, to be downloaded", "version": str(value)}
        yield shown.get(style, bound.disk), bound.digest or bound.identity


def _at_most(rows: Sequence[Row], what: str, *, verbose: bool) -> list[Row]:
    if verbose or len(rows) <= MOST_ROWS:
        return list(rows)
    more = len(rows) - MOST_ROWS
    return [*rows[:MOST_ROWS], Row(" ", "", "", [Cell(f"… and {more:,} more {what} (-v shows all)", style="dim")])]


def unknown_rows(unreachable: Iterable[tuple[Address, str]]) -> Iterator[Row]:
    """A row for each reason why something is unknown."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for address, why in unreachable:
        reasons[why].append(str(address))
    for why, addresses in reasons.items():
        others = f" and {len(addresses) - 1:,} more" if len(addresses) > 1 else ""
        yield Row("?", "unknown", addresses[0] + others, [Cell(why)], "danger")


def removal_rows(plan: Plan) -> Iterator[Row]:
    """A row for each thing that making a version also removes; none is ever grouped."""
    for address, what in plan.removals:
        why = f"once {address} is complete in all its regions (removeSource)"
        yield Row("-", "remove", what, [Cell(why)], "danger")


def _plan_block_rows(plan: Plan) -> Iterator[Row]:
    for block in plan.blocks:
        yield Row("!", "blocked", "the whole plan", [Cell(block.why), Cell(block.remedy, style="note")], "danger")


def _blocked_row(change: ResourceChange, block: Block) -> Row:
    changed = _fixed(change)
    what = f"{changed} changed" if changed else _WHY.get(change.reason, change.reason.value)
    cells = [
        Cell(f"{change.action}: {what}", _place(change)),
        *_why_blocked(change, block),
        Cell(block.remedy, style="note"),
        *_attribute_cells(change.changes),
    ]
    return Row("!", "blocked", str(change.address), cells, "danger")


def _why_blocked(change: ResourceChange, block: Block) -> Iterator[Cell]:
    """Each effect that blocks the change on a line of its own, or the sentence of another rule."""
    refused = [effect.text for effect in change.effects if not effect.consent]
    yield from map(Cell, refused if block.why == "; ".join(refused) else [block.why])


def _fixed(change: ResourceChange) -> str:
    """The names of the immutable attributes that changed."""
    return ", ".join(sorted({item.path.split(".")[0] for item in change.changes if not item.in_place}))


def _row(entry: Entry) -> Row:
    change = entry.change
    symbol, style = _SHOWN[change.action]
    cells = [*_details(entry), *_effect_cells(change), *_cause_cells(change)]
    return Row(symbol, change.action.value, str(change.address), cells, "danger" if change.effects else style)


def _details(entry: Entry) -> Iterator[Cell]:
    change = entry.change
    match change.action:
        case Action.CREATE:
            yield _creation(entry)
        case Action.DELETE:
            yield Cell(", ".join(filter(None, [_WHY[change.reason], _inside(entry), _gone(entry)])))
        case Action.UPDATE:
            if not change.changes and change.reason in _WHY:
                yield Cell(_bookkeeping(entry), costs(entry.all))
            yield from _attribute_cells(change.changes, costs(entry.all))
        case Action.REPLACE:
            yield from _replacement(entry)
        case _:
            yield Cell(_bookkeeping(entry))
            yield from _attribute_cells(change.changes)


def _creation(entry: Entry) -> Cell:
    change = entry.change
    why = "" if change.reason is Reason.NEW else _WHY.get(change.reason, change.reason.value)
    regions = "  ".join(_region_text(region) for region in entry.inside)
    return Cell("  ".join(filter(None, [regions or _gist(change), why])), costs(entry.all))


def _region_text(change: ResourceChange) -> str:
    replicas = int(change.planned_attributes.get("replicas", 1))
    return f"@{change.address.region}{f' x{replicas}' if replicas != 1 else ''}"


def _gist(change: ResourceChange) -> str:
    """What a new object is, in a few words."""
    planned = change.planned_attributes
    match change.kind:
        case Kind.GALLERY:
            names = ["location"]
        case Kind.IMAGE_DEFINITION:
            names = ["osType", "osState", "hyperVGeneration", "architecture"]
        case Kind.IMAGE_VERSION:
            return ""
        case Kind.TARGET_REGION:
            return "" if change.copies else plural(int(planned.get("replicas", 1)), "replica")
    return " ".join(str(planned[name]) for name in names if name in planned)


def _inside(entry: Entry) -> str:
    inside = contents(entry.inside)
    return f"with {inside}" if inside else ""


def _gone(entry: Entry) -> str:
    copies = copies_gone(entry.all)
    return plural(copies, "copy") if copies else ""


def _replacement(entry: Entry) -> Iterator[Cell]:
    change = entry.change
    why = "; ".join(change.defects) if change.reason is Reason.DAMAGED else ""
    if change.reason is Reason.IMMUTABLE:
        why = f"{_fixed(change)} cannot be changed in place"
    parts = [why or _WHY.get(change.reason, change.reason.value), _inside(entry)]
    yield Cell(", ".join(filter(None, parts)), costs(entry.all) or _place(change))
    yield from _attribute_cells(change.changes)


def _bookkeeping(entry: Entry) -> str:
    change = entry.change
    why = f"moved from {change.moved_from}" if change.moved_from else _WHY.get(change.reason, "")
    if change.action is Action.ADOPT and change.reason is Reason.INTERRUPTED:
        why = "an earlier run did not record how it ended; only the record is written"
    return ", ".join(filter(None, [why or change.reason.value, _inside(entry)]))


def _attribute_cells(changes: Sequence[AttributeChange], cost: str = "") -> Iterator[Cell]:
    """`attribute  before -> after`, aligned, with the place in the manifests."""
    width = max((len(change.path) for change in changes), default=0)
    for number, change in enumerate(changes):
        place = f"{change.position.file}:{change.position.line}" if change.position else ""
        right = ", ".join(filter(None, [cost if not number else "", place]))
        yield Cell(f"{change.path.ljust(width)}  {change_text(change)}", right)


def _effect_cells(change: ResourceChange) -> Iterator[Cell]:
    """What the change does to those who use the images, and what allowed it."""
    for effect in change.effects:
        yield Cell(f"! {effect.text}", f"allowed by {effect.consent}" if effect.consent else "", "danger")


def _cause_cells(change: ResourceChange) -> Iterator[Cell]:
    for cause in change.causes:
        yield Cell(f"because of {cause.action} {cause.address}: {cause.reason}", style="dim")


def _place(change: ResourceChange) -> str:
    return f"{change.origin.file}:{change.origin.line}" if change.origin else ""


def _grouped(action: Action, entries: Sequence[Entry]) -> list[Row]:
    """A row for each gallery, or for each definition if there is only one gallery."""
    by_gallery = len({entry.change.address.gallery for entry in entries}) > 1
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        address = entry.change.address
        groups[address.gallery if by_gallery else "/".join(address[:2]).rstrip("/")].append(entry)
    return [_row(group[0]) if len(group) == 1 else _group_row(action, name, group) for name, group in groups.items()]


def _group_row(action: Action, name: str, entries: Sequence[Entry]) -> Row:
    symbol, style = _SHOWN[action]
    inside = [change for entry in entries for change in entry.all]
    own = any(str(change.address) == name for change in inside)
    others = [change for change in inside if str(change.address) != name]
    cells = [Cell(f"{'with ' if own else ''}{contents(others)}", costs(inside))]
    if action is Action.UPDATE:
        names = Counter(item.path for change in inside for item in change.changes)
        cells.append(Cell(", ".join(f"{path} ({number:,})" for path, number in names.most_common(6))))
    return Row(symbol, action.value, name if own else f"{name}/…", cells, style)

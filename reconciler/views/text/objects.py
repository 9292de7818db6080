"""Recorded objects, for people: an overview, one object in full, lists and `latest`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.manifests.address import Address
from reconciler.state.records import Intent, Record, Run, State, Status
from reconciler.state.upkeep import Change
from reconciler.views.terminal.lines import BLANK, Line, Span, line
from reconciler.views.terminal.units import human_bytes, plural, value_text

_SIZES = frozenset({"size", "virtualSize", "allocated"})


def overview_lines(state: State, runs: Iterable[Run]) -> Iterator[Line]:
    """Everything recorded, one line per gallery, definition and version, and the latest runs."""
    shown = object_gists(state.records)
    room = max((len(str(address)) for address in shown), default=0) + 2
    for address, gist in shown.items():
        yield line(" ", Span(str(address).ljust(room), "subject"), gist)
    if shown:
        yield BLANK
    for address, intent in sorted(state.intents.items()):
        yield line(Span(" journal  ", "change"), f"{address}  {intent_text(intent)}")
    yield from run_lines(runs)
    yield line(" ", state_text(state))


def run_lines(runs: Iterable[Run]) -> Iterator[Line]:
    """A line for each run."""
    for run in runs:
        *cells, holder, commit = run_cells(run)
        at = f"  commit {commit}" if commit else ""
        yield line(Span(" run  ", "dim"), f"{'  '.join(cells)}  by {holder}{at}")


def change_cells(change: Change, run: Run | None) -> Sequence[str]:
    """When, what was done to which address, by which command and whom, and at which commit; empty strings if not
    known."""
    known = (run.command, run.holder, run.git_commit[:10]) if run else ("", "", "")
    return change.at, change.action, str(change.address), *known


def change_lines(changes: Iterable[tuple[Change, Run | None]]) -> Iterator[Line]:
    """A line for each change."""
    rows = [change_cells(change, run) for change, run in changes]
    if not rows:
        yield line("No change is remembered.")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        at, action, address, command, holder, commit = (
            text.ljust(width) for text, width in zip(row, widths, strict=True)
        )
        by = f"  {command}  by {holder}" if holder.strip() else ""
        yield line(Span(f" {at}  ", "dim"), f"{action}  ", Span(address, "subject"), by, f"  {commit}".rstrip())


def object_gists(records: Mapping[Address, Record]) -> Mapping[Address, str]:
    """What a recorded object is, in a few words; regions are part of their version. Sorted by address."""
    replicas: dict[Address, list[Record]] = defaultdict(list)
    for address, record in _sorted(records):
        if address.region:
            replicas[address.unit].append(record)
    return {address: _gist(record, replicas[address]) for address, record in _sorted(records) if not address.region}


def intent_text(intent: Intent) -> str:
    """`create, started 2030-01-01T00:00:00Z, not finished yet`."""
    return f"{intent.verb}, started {intent.started}, not finished yet"


def run_cells(run: Run) -> Sequence[str]:
    """When, what, how it ended, how many of each action, by whom and at which commit; empty strings if not known."""
    done = ", ".join(f"{number:,} {action}" for action, number in sorted(run.counts.items()))
    return run.started, run.command, run.outcome, done, run.holder, run.git_commit[:10]


def state_text(state: State) -> str:
    """`15 objects · state serial 8`."""
    return f"{plural(len(state.records), 'object')} · state serial {state.serial}"


def _sorted(records: Mapping[Address, Record]) -> list[tuple[Address, Record]]:
    return sorted(records.items(), key=lambda pair: pair[0].sort_key)


def _gist(record: Record, replicas: Iterable[Record]) -> str:
    address = record.address
    parts: list[str] = []
    if record.status is Status.TAINTED:
        parts.append("tainted")
    if not address.version:
        parts.append(str(record.attributes.get("location", "")))
    else:
        parts += [_region_text(replica) for replica in replicas]
        size = sum(int(disk.get("size", 0)) for disk in record.computed_values.get("disks", {}).values())
        parts += [human_bytes(size)] if size else []
    return "  ".join(filter(None, parts))


def _region_text(record: Record) -> str:
    replicas = int(record.attributes.get("replicas", 1))
    return f"@{record.address.region}{f' x{replicas}' if replicas != 1 else ''}"


def record_lines(record: Record, records: Mapping[Address, Record]) -> Iterator[Line]:
    """One object: what it is, where, what it depends on, its attributes, and what the provider computed."""
    yield line(Span(str(record.address), "subject"), f"  {record.address.kind}")
    for name, value in record_facts(record, records).items():
        yield line(Span(f"  {name.ljust(12)}", "dim"), value)
    yield from _values_lines("attributes", record.attributes)
    yield from _values_lines("computed", record.computed_values)


def record_facts(record: Record, records: Mapping[Address, Record]) -> Mapping[str, str]:
    """What is recorded besides attributes; what does not apply is left out."""
    address = record.address
    facts = {"provider": record.provider, "object": record.object_id, "status": record.status.value}
    if record.named:
        facts["object name"] = str(record.named)
    if record.protect:
        facts["protected"] = "yes"
    if record.retain:
        facts["on removal"] = "kept"
    facts["depends on"] = ", ".join(map(str, record.dependencies))
    inside = [at for at, _ in _sorted(records) if at.parent == address]
    facts["contains"] = ", ".join(f"@{at.region}" if at.region else at.name for at in inside)
    return {name: value for name, value in facts.items() if value}


def _values_lines(title: str, values: Mapping[str, Any]) -> Iterator[Line]:
    shown = value_texts(values)
    width = max((len(path) for path in shown), default=0)
    if shown:
        yield line(Span(f"  {title}", "dim"))
    for path, text in shown.items():
        yield line(f"    {path.ljust(width)}  {text}")


def value_texts(values: Mapping[str, Any]) -> Mapping[str, str]:
    """Path of a value -> the value as people read it."""
    return {
        path: f"{value:,} bytes ({human_bytes(value)})" if _is_size(path, value) else _plain(value)
        for path, value in _leaves(values, "")
    }


def _is_size(path: str, value: Any) -> bool:
    return isinstance(value, int) and path.rpartition(".")[2] in _SIZES


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value else value_text(value)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in sorted(value.items()):
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif path:
        yield path, value


def address_lines(records: Mapping[Address, Record], pattern: str = "") -> Iterator[Line]:
    """The recorded addresses, one per line; with a `pattern`, those that match and everything under them."""
    for address, record in _sorted(records):
        if not pattern or address.matches(pattern):
            yield line(f"{address}{'  tainted' if record.status is Status.TAINTED else ''}")


NOT_MANAGED = "not managed here"


def latest_lines(versions: Mapping[str, str], foreign: Collection[str] = ()) -> Iterator[Line]:
    """Region and version, one pair per line, and whether the version is somebody else's (`foreign`: the regions)."""
    width = max((len(region) for region in versions), default=0)
    for region, version in sorted(versions.items()):
        yield line(f"{region.ljust(width)}  {version}{f'  {NOT_MANAGED}' if region in foreign else ''}")

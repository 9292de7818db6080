"""What is recorded, for people: an overview, one object in full, lists and `latest`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.state.records import Record, Run, State, Status
from reconciler.views.terminal.lines import BLANK, Line, Span, line
from reconciler.views.terminal.units import human_bytes, plural, value_text

_SIZES = frozenset({"size", "virtualSize", "allocated"})


def overview_lines(state: State, runs: Iterable[Run]) -> Iterator[Line]:
    """Everything recorded, a line for each gallery, definition and version, and the latest runs."""
    replicas: dict[Address, list[Record]] = defaultdict(list)
    for address, record in _sorted(state.records):
        if address.region:
            replicas[address.unit].append(record)
    shown = [(address, record) for address, record in _sorted(state.records) if not address.region]
    room = max((len(str(address)) for address, _ in shown), default=0) + 2
    for address, record in shown:
        yield line(" ", Span(str(address).ljust(room), "subject"), _gist(record, replicas[address]))
    if shown:
        yield BLANK
    for address, intent in sorted(state.intents.items()):
        yield line(Span(" journal  ", "change"), f"{address}  {intent.verb}, begun {intent.started}, not settled yet")
    for run in runs:
        done = ", ".join(f"{number:,} {action}" for action, number in sorted(run.counts.items()))
        commit = f"  commit {run.git_commit[:10]}" if run.git_commit else ""
        yield line(
            Span(" run  ", "dim"), f"{run.started}  {run.command}  {run.outcome}  {done}  by {run.holder}{commit}"
        )
    yield line(f" {plural(len(state.records), 'object')} · state serial {state.serial}")


def _sorted(records: Mapping[Address, Record]) -> list[tuple[Address, Record]]:
    return sorted(records.items(), key=lambda pair: pair[0].sort_key)


def _gist(record: Record, replicas: Iterable[Record]) -> str:
    address, said = record.address, []
    if record.status is Status.TAINTED:
        said.append("tainted")
    if not address.version:
        said.append(str(record.attributes.get("location", "")))
    else:
        said += [_region_text(replica) for replica in replicas]
        size = sum(int(disk.get("size", 0)) for disk in record.computed_values.get("disks", {}).values())
        said += [human_bytes(size)] if size else []
    return "  ".join(filter(None, said))


def _region_text(record: Record) -> str:
    replicas = int(record.attributes.get("replicas", 1))
    return f"@{record.address.region}{f' x{replicas}' if replicas != 1 else ''}"


def record_lines(record: Record, records: Mapping[Address, Record]) -> Iterator[Line]:
    """One object: what it is, where, what it depends on, attributes, and what the provider worked out."""
    address = record.address
    yield line(Span(str(address), "subject"), f"  {address.kind}")
    facts: dict[str, Any] = {"provider": record.provider, "object": record.object_id, "status": record.status.value}
    if record.named:
        facts["made as"] = str(record.named)
    if record.protect:
        facts["protected"] = "yes"
    if record.retain:
        facts["on removal"] = "kept"
    facts["depends on"] = ", ".join(map(str, record.dependencies))
    inside = [at for at, _ in _sorted(records) if at.parent == address]
    facts["holds"] = ", ".join(f"@{at.region}" if at.region else at.name for at in inside)
    for name, value in facts.items():
        if value:
            yield line(Span(f"  {name.ljust(12)}", "dim"), str(value))
    yield from _mapping_lines("attributes", record.attributes)
    yield from _mapping_lines("worked out", record.computed_values)


def _mapping_lines(title: str, values: Mapping[str, Any]) -> Iterator[Line]:
    leaves = list(_leaves(values, ""))
    if not leaves:
        return
    width = max(len(path) for path, _ in leaves)
    yield line(Span(f"  {title}", "dim"))
    for path, value in leaves:
        shown = f"{value:,} bytes ({human_bytes(value)})" if _is_size(path, value) else _plain(value)
        yield line(f"    {path.ljust(width)}  {shown}")


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
    """The recorded addresses, one a line; those that `pattern` names, with what is in them."""
    for address, record in _sorted(records):
        if not pattern or address.matches(pattern):
            yield line(f"{address}{'  tainted' if record.status is Status.TAINTED else ''}")


def latest_lines(versions: Mapping[str, str]) -> Iterator[Line]:
    """Region and version, a line each."""
    width = max((len(region) for region in versions), default=0)
    for region, version in sorted(versions.items()):
        yield line(f"{region.ljust(width)}  {version}")

"""Machines for people: the one that was created, or a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.manifests.words import for_shell
from reconciler.views.terminal.lines import Line, Span, line

if TYPE_CHECKING:
    from reconciler.providers.protocol import Machine


def created_lines(machine: Machine) -> Iterator[Line]:
    """What was created from what, what to know about it, and how to reach it."""
    yield line(
        Span("created ", "add"), Span(machine.name, "subject"), f" from {machine.mark.address} on {machine.host}"
    )
    for note in machine.notes:
        yield line(Span("  note: ", "change"), note)
    yield line(f"  console: {machine.console}")
    region = machine.mark.address.region
    yield line(f"  output so far: reconciler vm log {for_shell(machine.name)} --region {for_shell(region)}")


def machine_lines(machines: Sequence[Machine]) -> Iterator[Line]:
    """One machine per line: name, state, image, host."""
    names = max((len(machine.name) for machine in machines), default=0)
    states = max((len(machine.state) for machine in machines), default=0)
    for machine in machines:
        yield line(
            Span(machine.name.ljust(names), "subject"),
            f"  {machine.state.ljust(states)}  {machine.mark.address}  {machine.host}",
        )


def unreachable_lines(regions: Mapping[str, str]) -> Iterator[Line]:
    """The regions that could not be reached, and why."""
    for region, why in sorted(regions.items()):
        yield line(Span(f"{region}: ", "danger"), why)

"""`Heading`: which project, environment and state an output is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.views.terminal.lines import Line, line
from reconciler.views.terminal.units import plural


@dataclass(frozen=True, slots=True)
class Heading:
    """`providers` maps names to backend types. `galleries` is None if they were not counted."""

    environment: str
    providers: Mapping[str, str]
    serial: int
    galleries: int | None = None


def heading_line(heading: Heading, *more: str) -> Line:
    """`environment default · provider local · 1 gallery · state serial 7`."""
    named = sorted(heading.providers.items())
    kinds = [kind if name in ("default", kind) else f"{kind} ({name})" for name, kind in named]
    parts = [
        f"environment {heading.environment}",
        f"{'provider' if len(kinds) == 1 else 'providers'} {', '.join(kinds)}",
        *([plural(heading.galleries, "gallery")] if heading.galleries is not None else []),
        f"state serial {heading.serial}",
        *more,
    ]
    return line(" · ".join(parts))

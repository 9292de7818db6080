"""Options that several commands share."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.views.output_format import DEFAULT, format_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from reconciler.manifests.address import Address
    from reconciler.planning.plan import PlanOptions
    from reconciler.views.output_format import OutputFormat

_FORMAT = "--format"
_JSON = "--json"

Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="ADDRESS",
        help="Only this and what it depends on; an address or a pattern. Repeatable.",
    ),
]
Excludes = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="ADDRESS",
        help="Skip this and everything that depends on it; an address or a pattern. Repeatable.",
    ),
]
AllowReplace = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-replace",
        metavar="ADDRESS",
        help="Allow this published object, and all in it, to be replaced. Repeatable.",
    ),
]
AllowLoss = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-loss",
        metavar="ADDRESS",
        help="Allow what the plan says this takes away from users: a version or region, or all in it. Repeatable.",
    ),
]
AllowDeletes = Annotated[
    int,
    typer.Option(
        "--allow-deletes", metavar="N", help="Allow up to N objects to be deleted, replaced or forgotten at once."
    ),
]
Refresh = Annotated[
    str,
    typer.Option("--refresh", metavar="true|false", help="Refresh from the provider first; false trusts the state."),
]
Format = Annotated[str, typer.Option(_FORMAT, metavar="|".join(format_names()), help="Output format.")]
Json = Annotated[bool, typer.Option(_JSON, help="Same as --format json: one JSON object per line on stdout.")]
JsonEvents = Annotated[bool, typer.Option(_JSON, help="Same as --format json: one JSON event per line on stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every change instead of grouping them.")]
AutoApprove = Annotated[bool, typer.Option("--auto-approve", help="Apply without asking for approval.")]
LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        metavar="SECONDS",
        help="Wait this long for galleries that another run is changing.",
        show_default="0: fail at once",
        min=0.0,
        max=86_400.0,
    ),
]
Parallelism = Annotated[
    int | None,
    typer.Option(
        "--parallelism", metavar="N", help="Concurrent operations.", show_default="set by the provider", min=1, max=256
    ),
]


def plan_options(
    targets: list[str] | None,
    excludes: list[str] | None,
    allow_replace: list[str] | None,
    allow_deletes: int,
    allow_loss: list[str] | None = None,
    *,
    destroy: bool = False,
) -> PlanOptions:
    """The options of a plan. Raises: typer.BadParameter if one of them is not valid."""
    from reconciler.planning.plan import PlanOptions

    return PlanOptions(
        targets=tuple(targets or ()),
        excludes=tuple(excludes or ()),
        allow_replace=tuple(str(parsed_address(text)) for text in allow_replace or ()),
        allow_deletes=allow_deletes,
        allow_loss=tuple(str(parsed_address(text)) for text in allow_loss or ()),
        destroy=destroy,
    )


def output_format(name: str, *, json: bool) -> OutputFormat:
    """The format that --format and --json select. Raises: typer.BadParameter."""
    from reconciler.views.output_format import load_format

    if json and name not in (DEFAULT, "json"):
        raise typer.BadParameter(f"{_JSON} and {_FORMAT} {name} contradict each other")
    if name not in format_names():
        raise typer.BadParameter(f"{_FORMAT} takes one of {', '.join(format_names())}, not '{name}'")
    return load_format("json" if json else name)


def format_in(arguments: Sequence[str]) -> str:
    """The name of the format that a command line asks for, as far as it can be known before it is parsed."""
    if _JSON in arguments:
        return "json"
    values = [word.partition("=")[2] for word in arguments if word.startswith(f"{_FORMAT}=")]
    values += [value for word, value in pairwise(arguments) if word == _FORMAT]
    return next((value for value in values if value in format_names()), DEFAULT)


def refresh_wanted(text: str) -> bool:
    """The value of --refresh. Raises: typer.BadParameter."""
    wanted = {"true": True, "false": False}.get(text.lower())
    if wanted is None:
        raise typer.BadParameter(f"--refresh takes true or false, not '{text}'")
    return wanted


def parsed_address(text: str) -> Address:
    """The address in an argument. Raises: typer.BadParameter."""
    from reconciler.manifests.address import Address

    try:
        return Address.parse(text)
    except ValueError as cause:
        raise typer.BadParameter(str(cause)) from cause


def parsed_region(text: str) -> str:
    """The canonical name of the region in an argument. Raises: typer.BadParameter."""
    from reconciler.manifests.regions import canonical_region

    try:
        return canonical_region(text)
    except ValueError as cause:
        raise typer.BadParameter(str(cause)) from cause


def duration(text: str) -> timedelta | None:
    """How long, from `30m`, `12h` or `7d`; None for `never`. Raises: typer.BadParameter."""
    from datetime import timedelta

    if text == "never":
        return None
    units = {"m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isascii() or not number.isdigit() or len(number) > 5 or not int(number):
        raise typer.BadParameter(f"'{text}' is not a time: write minutes, hours or days as 30m, 12h or 7d, or never")
    return timedelta(**{units[unit]: int(number)})

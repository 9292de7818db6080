"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reconciler.manifests.address import Address
    from reconciler.planning.plan import PlanOptions

Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="ADDRESS", help="Only this and what it needs; an address or a glob. Repeatable."),
]
Excludes = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ADDRESS", help="Not this, nor what needs it; an address or a glob. Repeatable."),
]
AllowReplace = Annotated[
    list[str] | None,
    typer.Option("--allow-replace", metavar="ADDRESS", help="This published object may be replaced. Repeatable."),
]
AllowDeletes = Annotated[
    int, typer.Option("--allow-deletes", metavar="N", help="So many objects may be deleted or replaced at once.")
]
Refresh = Annotated[
    str,
    typer.Option("--refresh", metavar="true|false", help="Look at the objects; false takes them to be as recorded."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, an object a line, and nothing else to stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every change; group nothing.")]
AutoApprove = Annotated[bool, typer.Option("--auto-approve", help="Do not ask.")]
Parallelism = Annotated[
    int | None,
    typer.Option(
        "--parallelism", metavar="N", help="How many operations run at once; what suits the provider.", min=1, max=256
    ),
]


def plan_options(
    targets: list[str] | None,
    excludes: list[str] | None,
    allow_replace: list[str] | None,
    allow_deletes: int,
    *,
    destroy: bool = False,
) -> PlanOptions:
    """What was asked for, checked. Raises: typer.BadParameter."""
    from reconciler.planning.plan import PlanOptions

    return PlanOptions(
        targets=tuple(targets or ()),
        excludes=tuple(excludes or ()),
        allow_replace=tuple(str(parsed_address(text)) for text in allow_replace or ()),
        allow_deletes=allow_deletes,
        destroy=destroy,
    )


def refresh_wanted(text: str) -> bool:
    """Whether `--refresh` says true. Raises: typer.BadParameter."""
    wanted = {"true": True, "false": False}.get(text.lower())
    if wanted is None:
        raise typer.BadParameter(f"--refresh takes true or false, not '{text}'")
    return wanted


def parsed_address(text: str) -> Address:
    """The address that an argument spells. Raises: typer.BadParameter."""
    from reconciler.manifests.address import Address

    try:
        return Address.parse(text)
    except ValueError as cause:
        raise typer.BadParameter(str(cause)) from cause


def parsed_region(text: str) -> str:
    """The canonical name of the region that an argument spells. Raises: typer.BadParameter."""
    from reconciler.manifests.regions import canonical_region

    try:
        return canonical_region(text)
    except ValueError as cause:
        raise typer.BadParameter(str(cause)) from cause

"""`reconciler state place`: which directory, pool or resource group each region is, and what to do when it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, Session, session_of
from reconciler.manifests.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterable

ORDER = 60


def register(group: typer.Typer) -> None:
    group.command("place")(place)


def place(
    context: typer.Context,
    region: Annotated[str, typer.Argument(metavar="[REGION]", help="A region; without it, all of them.")] = "",
    accept: Annotated[
        bool, typer.Option("--accept", help="Record the place that the region is in now, as after a lost disk.")
    ] = False,
    provider: Annotated[
        str, typer.Option("--provider", metavar="NAME", help="Needed where several providers have that region.")
    ] = "",
) -> int:
    """Show the places of regions, or accept another one.

    With the first object, the identity of the directory, pool or resource group behind a region is recorded. If another
    one is found there later, as when a disk is not mounted, nothing is known of the region, and nothing is changed
    in it. --accept says that the other one is right: what is not in it counts as gone, and apply creates it again.
    """
    session = session_of(context)
    if accept and not region:
        raise typer.BadParameter("--accept needs a region")
    wanted = options.parsed_region(region) if region else ""
    return _accept(session, wanted, provider) if accept else _show(session, wanted, provider)


def _accept(session: Session, region: str, provider: str) -> int:
    from reconciler.applying.place_changes import accept_place

    with session.engine() as engine:
        accepted = accept_place(engine, region, provider)
    identity = accepted.place.identity
    if accepted.before == identity:
        return _print(session, [f"{region} is in the recorded place: {identity}"])
    objects = f"{accepted.objects:,} {'object is' if accepted.objects == 1 else 'objects are'} recorded in it"
    return _print(
        session,
        [
            f"accepted {region}: {identity}, before {accepted.before or 'none'}",
            f"{objects}; see what apply would create again: reconciler plan",
        ],
    )


def _show(session: Session, region: str, provider: str) -> int:
    with session.engine() as engine:
        places = engine.state().places.values()
    shown = [each for each in places if region in ("", each.region) and provider in ("", each.provider)]
    if region and not shown:
        raise ReconcilerError(f"no place is recorded for region '{region}'", "list all of them: reconciler state place")
    shown.sort(key=lambda each: (each.provider, each.region))
    return _print(session, [f"{each.provider}  {each.region}  {each.identity}" for each in shown])


def _print(session: Session, sentences: Iterable[str]) -> int:
    from reconciler.views.terminal.lines import line

    session.output.lines([line(sentence) for sentence in sentences])
    return Exit.DONE

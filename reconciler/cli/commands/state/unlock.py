"""`reconciler state unlock`: ends a lease that another run holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of
from reconciler.cli.state_editing import ask, editing, require_approval, say, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.state.store import LeaseInfo

ORDER = 100


def register(group: typer.Typer) -> None:
    group.command("unlock")(unlock)


def unlock(
    context: typer.Context,
    gallery: Annotated[str, typer.Argument(metavar="GALLERY", help="The gallery that is being changed.")],
    auto_approve: options.AutoApprove = False,
) -> int:
    """End the lease on a gallery, whoever holds it. Only for a run that has certainly ended.

    A run that lives on loses its right to write, and stops at its next step.
    """
    require_approval(approved=auto_approve)
    session = session_of(context)
    with editing(session, "unlock") as engine:
        held = next((lease for lease in engine.store.leases() if lease.gallery == gallery), None)
        if held is None:
            say(session, [f"No run holds a lease on '{gallery}'."])
            return Exit.DONE
        if not ask(session, _sentences(held), "End this lease?", approved=auto_approve):
            return unchanged(session)
        freed = engine.store.break_lease(gallery)
    return say(session, [f"unlocked {name}" for name in freed])


def _sentences(held: LeaseInfo) -> Iterator[str]:
    until = f"{'expired' if held.expired else 'expires'} at {held.expires}"
    yield f"'{held.gallery}' is held by {held.holder}, since {held.since}; the lease {until}."
    if held.in_future:
        yield "That is later than a lease taken now would expire: the clock here, or where it was taken, is wrong."
    if held.expired:
        yield "It has expired: the next run takes over without this command."
    yield (
        "If that run still lives, it stops where it is, and what it has started may be left unfinished until the next "
        "apply. Make sure that it has ended."
    )

"""`reconciler state rebuild`: makes records again from the owner marks that objects bear."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of
from reconciler.cli.state_editing import ask, editing, require_approval, say, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.maintenance.rebuilding import Found

ORDER = 110
_SHOWN = 20
"""How many of the objects that are left out are named: there may be very many of others."""


def register(group: typer.Typer) -> None:
    group.command("rebuild")(rebuild_state)


def rebuild_state(
    context: typer.Context,
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="The key that was exported before.")] = "",
    accept_unverified: Annotated[
        str,
        typer.Option(
            "--accept-unverified", metavar="LINEAGE", help="Trust every mark of this lineage, whoever made it."
        ),
    ] = "",
    auto_approve: options.AutoApprove = False,
    lock_timeout: options.LockTimeout = 0.0,
) -> int:
    """Record existing objects again.

    Every object that bears this state's owner mark and is not recorded. Reads the objects and changes none. What is
    recorded already stays as it is.

    Exit codes: 0 success; 1 error, or not approved; 3 a provider was unreachable, so there may be more.
    """
    from reconciler.maintenance.key_files import read_key
    from reconciler.maintenance.rebuild import Request, rebuild

    require_approval(approved=auto_approve)
    session = session_of(context)
    request = Request(read_key(Path(key)) if key else None, accept_unverified)

    def approve(found: Found) -> bool:
        return ask(session, _sentences(found), "Record these objects?", approved=auto_approve)

    with editing(session, "rebuild", lock_timeout) as engine:
        found = rebuild(engine, request, approve)
    if found is None:
        return unchanged(session)
    if found.records:
        say(session, [f"Done: {len(found.records)} recorded. Check with: reconciler plan"])
    else:
        say(session, [*_sentences(found), "Nothing to record."])
    return Exit.UNREACHABLE if found.unreachable else Exit.DONE


def _sentences(found: Found) -> Iterator[str]:
    from reconciler.views.text.objects import object_gists

    for address, gist in object_gists(found.records).items():
        yield f" + record   {address}  {gist}"
    for address, why in found.left_out[:_SHOWN]:
        yield f" · left     {address}  {why}"
    if len(found.left_out) > _SHOWN:
        yield f" · left     {len(found.left_out) - _SHOWN} more"
    for address, why in found.unreachable:
        yield f" ? unknown  {address}  {why}"
    if found.records and not found.sealed:
        yield " ! These marks were not all verified: anyone who can write there could have made them."

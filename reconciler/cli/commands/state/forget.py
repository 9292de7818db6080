"""`reconciler state forget`: drops records, and keeps the objects."""

from __future__ import annotations

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of
from reconciler.cli.state_editing import Addresses, editing, say

ORDER = 40


def register(group: typer.Typer) -> None:
    group.command("forget")(forget)


def forget(context: typer.Context, addresses: Addresses, lock_timeout: options.LockTimeout = 0.0) -> int:
    """Drop records with everything under them. The objects are kept and become unmanaged."""
    session = session_of(context)
    wanted = tuple(options.parsed_address(text) for text in addresses)
    with editing(session, "forget", lock_timeout) as engine:
        forgotten = engine.records.forget(wanted)
    return say(session, (f"forgot {address}" for address in forgotten))

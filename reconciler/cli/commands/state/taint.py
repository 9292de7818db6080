"""`reconciler state taint` and `untaint`: whether the next apply recreates objects."""

from __future__ import annotations

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of
from reconciler.cli.state_editing import Addresses, editing, say

ORDER = 50


def register(group: typer.Typer) -> None:
    group.command("taint")(taint)
    group.command("untaint")(untaint)


def taint(context: typer.Context, addresses: Addresses, lock_timeout: options.LockTimeout = 0.0) -> int:
    """Mark objects to be recreated by the next apply."""
    return _mark(context, addresses, lock_timeout, tainted=True)


def untaint(context: typer.Context, addresses: Addresses, lock_timeout: options.LockTimeout = 0.0) -> int:
    """Remove the mark that taint sets."""
    return _mark(context, addresses, lock_timeout, tainted=False)


def _mark(context: typer.Context, addresses: list[str], lock_timeout: float, *, tainted: bool) -> int:
    session, word = session_of(context), "taint" if tainted else "untaint"
    wanted = tuple(options.parsed_address(text) for text in addresses)
    with editing(session, word, lock_timeout) as engine:
        marked = engine.records.mark(wanted, tainted=tainted)
    return say(session, (f"{word}ed {address}" for address in marked))

"""`Database`: what the store needs from a SQL database, so that one store serves SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = tuple[Any, ...]
Statement: TypeAlias = tuple[str, Sequence[Any]]
"""Portable SQL, with `?` where a value goes, and the values."""


class Database(Protocol):
    """A database that holds one state. Its errors are StateErrors; `place` names it for people, without a password.

    `execute`, `execute_many` and `now` are called inside `reading()` or `writing()` only.
    """

    @property
    def place(self) -> str: ...

    def open(self) -> bool:
        """Connects. False when there is no state yet; nothing is created then. Raises: StateUnreadable."""
        ...

    def create(self, statements: Iterable[Statement]) -> None:
        """Creates the state with `statements`, whole or not at all; does nothing when another process was faster."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """A consistent snapshot for the length of a `with` block. Never waits for a writer."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that excludes all other writers: committed durably at the end, rolled back by an exception."""
        ...

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Iterable[Row]: ...

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...

    def objects_only(self, column: str) -> str | None:
        """An SQL condition that holds where a column contains a JSON object; None where SQL cannot express it."""
        ...

    def stamp(self) -> str:
        """Changes whenever anything was written, by whomever; empty where that cannot be known."""
        ...

    def integrity(self) -> tuple[str, ...]:
        """What is wrong with the database itself, a sentence each. Reads all of it where the database can be asked."""
        ...

    def drop(self) -> None:
        """Removes the state with all that is in it. Raises: StateError."""
        ...

    def back_up(self, label: str) -> None:
        """Keeps a copy of what is committed, where the database does not protect an upgrade itself."""
        ...

    def now(self) -> float:
        """Seconds since 1970, by the clock that all users of this database share."""
        ...

    def close(self) -> None: ...

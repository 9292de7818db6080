"""What the upkeep of a state works with: its history, its latest edit, damage, copies, and whose objects it owns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.manifests.address import Address
from reconciler.state.records import Run


@dataclass(frozen=True, slots=True)
class Change:
    """What a run did to one object: `action` is a word of the plan, or what an edit of the state did.

    `at` is the time of the commit, ISO 8601 in UTC, which the store fills in.
    """

    address: Address
    action: str
    run: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes objects this state's own: the lineage in their marks, the key of the seals, and whether all have one
    (`sealed`, see State)."""

    lineage: str
    key: bytes = field(repr=False)
    sealed: bool


@dataclass(frozen=True, slots=True)
class LastEdit:
    """The latest edit of the state that can be taken back: `run` is what it is recorded as.

    `galleries` are those it wrote to, `source` the URL of the state that a migration came from. `untouched`: nothing
    has been written since.
    """

    run: Run
    galleries: frozenset[str]
    source: str = ""
    untouched: bool = True


@dataclass(frozen=True, slots=True)
class Damage:
    """Something in the state that is not as the program writes it. `row` names it for people.

    `unreadable`: the row cannot be used, and commands that need it are refused; otherwise it is only inconsistent.
    `table` and `key` find the row; they are empty for damage that belongs to no row.
    """

    row: str
    problem: str
    unreadable: bool = True
    table: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class StateCopy:
    """All that a state contains except for leases, as rows; its keys are among it."""

    meta: tuple[Any, ...] = field(repr=False)
    tables: Mapping[str, tuple[tuple[Any, ...], ...]] = field(repr=False)

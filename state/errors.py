"""Why the state store refuses.

StateError
├── StateUnreadable    corrupt, not a state file, or not readable
├── StateTooNew        written by a newer version of this program
├── ForeignState       belongs to another project
├── StateMoved         was migrated to another store
├── LockHeld           another run holds a lease on what is to be changed
└── StaleWrite         our lease was lost, so nothing was written
"""

from __future__ import annotations

from reconciler.manifests.errors import ReconcilerError


class StateError(ReconcilerError):
    """The state cannot be used. It was left unchanged."""


class StateUnreadable(StateError):
    """The state is corrupt, is something else, or cannot be opened."""


class StateTooNew(StateError):
    """The state's schema is newer than this program knows."""


class ForeignState(StateError):
    """The state belongs to another project."""


class StateMoved(StateError):
    """The state was migrated: another store holds it now, and this one is kept only as it was."""


class LockHeld(StateError):
    """Another run holds a lease. `holder`, `since` and `expires` (ISO times) say who and for how long."""

    def __init__(self, message: str, remedy: str, *, holder: str, since: str, expires: str) -> None:
        super().__init__(message, remedy)
        self.holder = holder
        self.since = since
        self.expires = expires


class StaleWrite(StateError):
    """The lease that guarded this write has been lost, so the write was refused."""

"""How this program and its extras are installed: one place for every hint that says so."""

from __future__ import annotations

DISTRIBUTION = "gallery-reconciler"
"""What the wheel is called. Hints do not name it: nobody has registered it on a package index yet, and an unregistered
name installs whatever a stranger registers under it."""


def install_extra(extra: str) -> str:
    """The command that adds an extra, run in a checkout of this project."""
    return f"pip install '.[{extra}]'"

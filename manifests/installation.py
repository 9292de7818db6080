"""How this program and its extras are installed: the one source of every install hint."""

from __future__ import annotations

DISTRIBUTION = "gallery-reconciler"
"""The name of the wheel. Hints do not use it: it is not registered on a package index yet, so that an install by name
would install whatever a stranger registers under it."""


def install_extra(extra: str) -> str:
    """The command that adds an extra, run in a checkout of this project."""
    return f"pip install '.[{extra}]'"

"""How this program and its extras are installed: the one source of every install hint."""

from __future__ import annotations

import os
from pathlib import Path

DISTRIBUTION = "gallery-reconciler"
"""The name of the wheel. Hints do not use it: it is not registered on a package index yet, so that an install by name
would install whatever a stranger registers under it."""


def install_extra(extra: str) -> str:
    """The command that adds an extra, run in a checkout of this project."""
    return f"pip install '.[{extra}]'"


def trusted_search_path(path: str, project: Path | None) -> str:
    """A PATH without folders in a project's folder, links resolved, and without relative ones: programs that are found
    there would be those of the project."""
    root = None if project is None else os.path.realpath(project)
    folders = [folder for folder in path.split(os.pathsep) if os.path.isabs(folder)]
    return os.pathsep.join(folder for folder in folders if root is None or not _is_in(os.path.realpath(folder), root))


def _is_in(folder: str, root: str) -> bool:
    return os.path.commonpath((folder, root)) == root

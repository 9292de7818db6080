"""Which directories may be regions: those of the project, without a link on the way, and those that are trusted."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.manifests.trust import ALLOW_DIRECTORY, Trust, is_inside
from reconciler.manifests.words import quoted


def why_outside(path: str, project: Path, trust: Trust) -> str:
    """Why a region's directory, or their root, may not be at an absolute path, and what to do; empty if it may.

    Its parents may be links above the project's folder, not within it.
    """
    real, root = os.path.realpath(path), os.path.realpath(project)
    if any(is_inside(real, (os.path.realpath(folder),)) for folder in trust.directories):
        return ""
    within = os.path.relpath(os.path.normpath(path), os.path.normpath(project))
    if is_inside(real, (root,)) and real in (os.path.normpath(os.path.join(root, within)), os.path.normpath(path)):
        return ""
    what = "leads through a link" if not within.startswith("..") else "is outside of the project"
    return f"the directory {quoted(path)} {what}: use a directory of the project, or {ALLOW_DIRECTORY}"

"""Key files: what proves that objects are a state's own, kept apart from the state."""

from __future__ import annotations

import json
from pathlib import Path

from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.private_files import write_private
from reconciler.open_project import OpenProject
from reconciler.providers.owner import Owner

_KIND = "reconciler owner key"
_KEY_BYTES = 32


def export_key(project: OpenProject, path: Path) -> str:
    """Writes the lineage and the key of the state to a new file that only its owner may read; returns the lineage.

    Raises: ReconcilerError when nothing is recorded or the file exists; OSError.
    """
    state = project.store.read()
    if not state.lineage:
        raise ReconcilerError("there is no state yet, and so no key", "Create it first: reconciler apply")
    if path.exists() or path.is_symlink():
        raise ReconcilerError(f"{path} already exists", "Name a new file: a key that is lost cannot be made again.")
    content = {"kind": _KIND, "project": state.project, "lineage": state.lineage, "key": state.key.hex()}
    write_private(path, json.dumps(content, indent=2) + "\n")
    return state.lineage


def read_key(path: Path) -> Owner:
    """The owner that a key file describes. Raises: ReconcilerError, whose message does not contain the key; OSError."""
    owner = _owner_in(path.read_text(encoding="utf-8", errors="replace"))
    if owner is None:
        raise ReconcilerError(
            f"{path} is not a key file", "It is the file that was written by: reconciler state key export FILE"
        )
    return owner


def _owner_in(text: str) -> Owner | None:
    try:
        content = json.loads(text)
        kind, lineage, key = content["kind"], content["lineage"], bytes.fromhex(content["key"])
    except (ValueError, KeyError, TypeError):
        return None
    usable = kind == _KIND and isinstance(lineage, str) and lineage and len(key) == _KEY_BYTES
    return Owner(lineage, key) if usable else None

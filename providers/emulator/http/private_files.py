"""Files that only their owner may read: secrets made once, and files replaced in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Puts a file in place in one step: who looks sees the former one, or all of this one."""
    temporary = _written_aside(path, text, mode)
    temporary.replace(path)


def kept(path: Path, make: Callable[[], str]) -> str:
    """The content of a file; made and written when there is none. Of two who make it at once both get the same."""
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        temporary = _written_aside(path, make(), 0o600)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return path.read_text("ascii")
        finally:
            temporary.unlink()
        return path.read_text("ascii")


def _written_aside(path: Path, text: str, mode: int) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(handle, mode)
        file.flush()
        os.fsync(handle)
    return Path(name)

"""The boundary as the kernel holds it, with Landlock: also for C libraries, and for programs that are started.

Nothing of it can be taken back, in this process or in those that it starts. What it leaves to the audit hook: which
host is connected to, and which files are changed of a folder that has one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from reconciler.guard.boundary import SYSTEM, Boundary
from reconciler.manifests.private_files import own_folder
from reconciler.providers.image_files.jail import landlock


def restrict(boundary: Boundary, changed: Iterable[str] = (), programs: Iterable[str] = ()) -> bool:
    """Limits this thread, and what it starts, to a boundary; False where the kernel cannot. `changed` are further
    folders whose files may be changed; `programs` are paths of programs outside of the usual folders.

    Raises: OSError where the kernel has Landlock and refuses.
    """
    if not landlock.abi():
        return False
    own = os.path.join(boundary.project, ".reconciler")
    if not os.path.lexists(own):
        with suppress(OSError):  # nothing will be kept, then
            own_folder(Path(own))
    landlock.restrict_files(_rights(boundary, changed, programs))
    return True


def _rights(boundary: Boundary, changed: Iterable[str], programs: Iterable[str]) -> Iterator[tuple[str, int]]:
    yield os.path.join(boundary.project, ".reconciler"), landlock.CHANGE
    for paths, right in (
        ((path for path in boundary.reads if path not in boundary.packages), landlock.READ),
        ((path for path in SYSTEM if path not in boundary.runs), landlock.READ),
        (boundary.runs, landlock.RUN),
        (map(_installed_in, programs), landlock.RUN),
        ((*boundary.writes[1:], *boundary.beside, *changed), landlock.CHANGE),
    ):
        yield from ((path, right | landlock.FOLLOW) for path in paths)


def _installed_in(path: str) -> str:
    """The virtual environment that a program is in; else the program itself."""
    program = os.path.realpath(path)
    folder = os.path.dirname(os.path.dirname(program))
    return folder if os.path.exists(os.path.join(folder, "pyvenv.cfg")) else program

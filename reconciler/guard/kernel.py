"""The boundary as the kernel holds it, with Landlock: also for C libraries, and for programs that are started.

Nothing of it can be taken back, in this process or in those that it starts. What it leaves to the audit hook: which
host is connected to, and which files are changed of a folder that has one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from reconciler.guard.boundary import Boundary
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
            own_folder(own)
    landlock.restrict_files(_rights(boundary, changed, programs))
    return True


def _rights(boundary: Boundary, changed: Iterable[str], programs: Iterable[str]) -> Iterator[tuple[str, int]]:
    yield from ((path, landlock.READ) for path in boundary.reads)
    yield from ((os.path.realpath(path), landlock.RUN) for path in boundary.runs)
    yield from ((_installed_in(path), landlock.RUN) for path in map(os.path.realpath, programs))
    for path in (*boundary.writes, *boundary.beside, *map(os.path.realpath, changed)):
        yield path, landlock.CHANGE


def _installed_in(program: str) -> str:
    """The virtual environment that a program is in; else the program itself."""
    folder = os.path.dirname(os.path.dirname(program))
    return folder if os.path.exists(os.path.join(folder, "pyvenv.cfg")) else program

"""The marker of a region's directory appears whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.providers.local.directories import markers
from reconciler.testing.operations import writer_of

_open = os.open


def without_unnamed_files(path: Any, flags: int, *more: Any, **named: Any) -> int:
    """`open` on a file system that has none, such as NFS."""
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    return _open(path, flags, *more, **named)


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_directory_gets_one_id_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, unnamed: bool) -> None:
    if not unnamed:
        monkeypatch.setattr(os, "open", without_unnamed_files)
    first = markers.mark(str(tmp_path), writer_of())
    assert len(first) == 32
    assert markers.mark(str(tmp_path), writer_of("another")) == first == markers.id_in(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [markers.MARKER]


@pytest.mark.parametrize("unnamed", [True, False])
def test_of_two_runs_that_mark_a_directory_the_first_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, unnamed: bool
) -> None:
    """The other one has seen no marker, and finds one when it creates its own."""
    if not unnamed:
        monkeypatch.setattr(os, "open", without_unnamed_files)
    first = markers.mark(str(tmp_path), writer_of())
    answers = iter(["", first])
    monkeypatch.setattr(markers, "id_in", lambda path: next(answers))
    assert markers.mark(str(tmp_path), writer_of("another")) == first
    assert [path.name for path in tmp_path.iterdir()] == [markers.MARKER]

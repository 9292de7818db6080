"""Who runs a command, when, and from which commit: what leases and runs are recorded with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

_GIT_TIMEOUT_S = 10


def utc_now() -> datetime:
    """The current time, aware, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def current_user() -> str:
    """`user@host`: how leases and runs name their holder."""
    import getpass
    import socket

    return f"{getpass.getuser()}@{socket.gethostname()}"


def git_commit(directory: Path) -> str:
    """The commit that is checked out in `directory`; empty outside of a git checkout, or without git."""
    import subprocess

    command = ["git", "rev-parse", "--verify", "-q", "HEAD"]
    try:
        result = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()

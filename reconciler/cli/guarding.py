"""Commands that only read: what they may do in their process is limited before they look at the project."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.guard.audit import Guard
    from reconciler.manifests.trust import Trust

_METADATA_HOSTS = ("169.254.169.254", "169.254.170.2")
"""Where machines in Azure ask for a token of their own."""
_ASKED = ("PGHOST", "IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_AUTHORITY_HOST", "AZURE_POD_IDENTITY_AUTHORITY_HOST")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class _Process:
    """Whether this process runs one command and then ends, and the guard of that command."""

    only_one_command = False
    guard: Guard | None = None


def one_command_only() -> None:
    """From now on a command that only reads limits the whole process: nothing else will run in it."""
    _Process.only_one_command = True


def guard_process(project: Path, trust: Trust, files: Iterable[str]) -> None:
    """Limits this process to what a command that only reads does, if that is all it runs; `files` are on its command
    line, to be read or written."""
    if _Process.only_one_command and _Process.guard is None:
        from reconciler.guard.audit import Guard
        from reconciler.guard.boundary import boundary_of

        boundary = boundary_of(project, trust, os.environ, map(Path, files))
        _Process.guard = Guard(boundary, lambda: _hosts(trust))
        _Process.guard.start()


def require_in_bounds() -> None:
    """Raises: OutOfBounds for what was refused, also where it was swallowed."""
    guard = _Process.guard
    if guard is not None and guard.refused:
        raise guard.refused[0]


def _hosts(trust: Trust) -> Iterator[str]:
    """The names and addresses that backends may ask for whoever runs this: clouds, what the settings trust, where the
    environment says that tokens come from, and its proxies."""
    from urllib.parse import urlsplit

    from reconciler.providers.azure.clouds import CLOUDS

    urls: Iterable[str] = (
        *CLOUDS,
        *trust.endpoints,
        *trust.databases,
        *(os.environ.get(name, "") for name in (*_ASKED, *_PROXIES)),
    )
    named = (urlsplit(url if "://" in url else f"//{url}").hostname for url in urls if url)
    yield from (host for host in named if host)
    yield from (cloud.sign_in for cloud in CLOUDS.values())
    yield from _METADATA_HOSTS

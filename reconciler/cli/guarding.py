"""Commands that only read: what they may do in their process is limited before they look at the project."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.guard.audit import Guard
    from reconciler.guard.boundary import Boundary
    from reconciler.manifests.project import Project
    from reconciler.manifests.trust import Trust

_METADATA_HOSTS = ("169.254.169.254", "169.254.170.2")
"""Where machines in Azure ask for a token of their own."""
_ASKED = ("PGHOST", "IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_AUTHORITY_HOST", "AZURE_POD_IDENTITY_AUTHORITY_HOST")
_SYSTEM_DAEMON = "qemu:///system"
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class _Process:
    """Whether this process runs one command and then ends, and the guard of that command."""

    only_one_command = False
    guard: Guard | None = None
    boundary: Boundary | None = None


def one_command_only() -> None:
    """From now on a command that only reads limits the whole process: nothing else will run in it."""
    _Process.only_one_command = True


def runs_one_command() -> bool:
    """Whether this process is one of the command line, and what it changes of itself is nobody else's."""
    return _Process.only_one_command


def guard_process(project: Path, trust: Trust, files: Iterable[str]) -> None:
    """Limits this process to what a command that only reads does, if that is all it runs; `files` are on its command
    line, to be read or written."""
    if _Process.only_one_command and _Process.guard is None:
        from reconciler.guard.audit import Guard
        from reconciler.guard.boundary import boundary_of

        boundary = boundary_of(project, trust, os.environ, map(Path, files))
        _Process.boundary = boundary
        _Process.guard = Guard(boundary, lambda: _hosts(trust))
        _Process.guard.start()


def confine_process(project: Project, trust: Trust) -> None:
    """Has the kernel hold the limits of a guarded process too, where it can, now that it is known what the project
    uses. What libvirt may start must not inherit them: a daemon, or ssh with whatever its configuration names; then
    only the guard holds."""
    boundary, settings = _Process.boundary, [(one.type, one.settings) for one in project.providers.values()]
    if boundary is None or any(kind == "libvirt" and _starts_programs(values) for kind, values in settings):
        return
    from reconciler.guard.kernel import restrict

    _Process.boundary = None
    signs_in = any(kind == "azure" for kind, _ in settings)
    restrict(boundary, _state_folder(project, trust), _sign_in_programs() if signs_in else ())


def _starts_programs(settings: Mapping[str, Any]) -> bool:
    """Whether libvirt may start a program for these settings: an alias may stand for anything."""
    regions = settings.get("regions")
    uris = [str(one.get("uri", "")) for one in regions.values() if isinstance(one, Mapping)] if regions else []
    return not all(uri == _SYSTEM_DAEMON or uri.startswith("qemu+tls://") for uri in uris)


def _state_folder(project: Project, trust: Trust) -> list[str]:
    """The folder of a state in SQLite, which makes files beside it to read it."""
    from reconciler.manifests.trust import is_inside

    scheme, _, path = project.state.partition(":///")
    file = os.path.realpath(os.path.join(project.directory, path))
    usable = scheme == "sqlite" and is_inside(file, trust.roots(project.directory)) and os.path.isfile(file)
    return [os.path.dirname(file)] if usable else []


def _sign_in_programs() -> list[str]:
    """The programs on PATH that sign in to Azure, wherever they are."""
    import shutil

    found = (shutil.which(name) for name in ("az", "azd", "pwsh"))
    return [path for path in found if path and os.path.isabs(path)]


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

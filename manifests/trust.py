"""`Trust`: what whoever runs a command trusts beyond the project; nothing in the project's folder can widen it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.words import quoted

ALLOW_DIRECTORY = "name its folder under `directories` in the settings of whoever runs this (--settings FILE)"

TRUST = "trust"
"""Where the context of a validation has the `Trust`."""


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What images may be downloaded. `hosts` maps `HOST` or `HOST:PORT`, in lower case, to the certificate of their
    authority, None for those that the machine trusts: images may be downloaded from them although their addresses are
    not public. Bytes: the largest `image` that is downloaded, the largest that one may be once `unpacked`, and what the
    images kept in the project's `cache` may take."""

    hosts: Mapping[str, Path | None] = field(default_factory=dict)
    image: int = 128 << 30
    unpacked: int = 1 << 40
    cache: int = 64 << 30


@dataclass(frozen=True, slots=True)
class Trust:
    """`state` replaces the state's URL of the project; empty when it does not. `directories` are absolute and may be
    read, and by an apply written, beside the project's own. `endpoints` maps further endpoints of Azure's API to the
    certificate of their authority, None for those that the machine trusts. `libvirt_uris` are further URIs of libvirt,
    compared as text. `databases` are the hosts of PostgreSQL that the password in the environment is for. `downloads`:
    see there. `untrusted`: the project is a stranger's, and only what is in its folder counts."""

    state: str = ""
    directories: tuple[Path, ...] = ()
    endpoints: Mapping[str, Path | None] = field(default_factory=dict)
    libvirt_uris: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    downloads: DownloadLimits = field(default_factory=DownloadLimits)
    untrusted: bool = False

    def roots(self, project: Path) -> tuple[str, ...]:
        """The folders that may be read for a project, with all links resolved: its own comes first."""
        others = () if self.untrusted else self.directories
        return tuple(os.path.realpath(folder) for folder in (project, *others))


def trust_in(context: Mapping[str, object] | None) -> Trust:
    """The trust in the context of a validation; an empty one where it has none."""
    trust = (context or {}).get(TRUST)
    return trust if isinstance(trust, Trust) else Trust()


def is_inside(path: str, roots: tuple[str, ...]) -> bool:
    """Whether a path, which has no links left, is one of the folders or in one."""
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def resolved_inside(path: str | Path, roots: tuple[str, ...], *, shown: str = "") -> str:
    """What `path` leads to, without links, which must be inside one of `roots`; it need not exist. `shown` is how the
    error calls it.

    Raises: InvalidInput for a path that leads out of the folders: the same whether anything is there or not.
    """
    try:
        real = os.path.realpath(path)
    except RecursionError:
        real = ""
    if not is_inside(real, roots):
        raise leads_out(shown or path)
    return real


def open_inside(path: str | Path, roots: tuple[str, ...]) -> int:
    """A descriptor, open for reading, of what `path` leads to, which must be inside one of `roots`, links resolved.

    It never waits, whatever the path names. Raises: InvalidInput as `resolved_inside`; OSError.
    """
    real = resolved_inside(path, roots)
    descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        opened = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # no /proc: a folder on the way that became a link just now is not noticed
        opened = real
    if opened != real:
        os.close(descriptor)
        raise leads_out(path)
    return descriptor


def leads_out(path: str | Path) -> InvalidInput:
    """The error about a path that leads out of the project. It does not say what is there."""
    return InvalidInput(
        f"{quoted(str(path))} is outside of the project", f"move it into the project, or {ALLOW_DIRECTORY}"
    )

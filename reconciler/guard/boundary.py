"""`Boundary`: what a command that only reads may open, write and start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from reconciler.manifests.trust import Trust, is_inside

_PROGRAM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/nix")
SYSTEM = (
    *_PROGRAM_FOLDERS,
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/gss",
    "/etc/krb5.conf",
    "/etc/krb5.conf.d",
    "/etc/gitconfig",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/libvirt",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssh/ssh_config",
    "/etc/ssh/ssh_config.d",
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssl",
    "/etc/timezone",
    "/proc",
    "/dev",
    "/run/systemd/resolve",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
)
"""Where a machine keeps programs, libraries, certificates, names and what it says of itself."""

_OF_USER = (
    ".azure",
    ".cache/libvirt",
    ".config/git",
    ".config/libvirt",
    ".config/reconciler",
    ".gitconfig",
    ".netrc",
    ".pgpass",
    ".postgresql",
    ".ssh",
)
"""Where whoever runs the command keeps credentials and preferences, below the home folder."""

_NAMED_BY = (
    "AZURE_",
    "MSI_",
    "IDENTITY_",
    "IMDS_",
    "KRB5",
    "LIBVIRT_",
    "PG",
    "RECONCILER_",
    "SSL_CERT_",
    "XDG_CONFIG_",
)
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
_SIGNED_IN = (".azure",)
_DEVICES = ("/dev/null", "/dev/tty")

PROGRAMS = frozenset({"git", "uname", "az", "az.cmd", "azd", "pwsh"})
"""The programs that may be started by name: for the commit, for what libraries say of this computer, and for signing in
to Azure."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """All paths are absolute and without links. `reads` and `writes` are folders and files; what may be written may be
    read as well, and so may what is in SYSTEM. `packages` are the folders of this program and its libraries, also by
    names with links. `project` is never searched for programs. `beside` are the folders of files that are written: they
    may be opened, and nothing else in them."""

    project: str
    packages: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[str, ...]:
        """Folders with programs and their libraries."""
        return (*_PROGRAM_FOLDERS, *self.packages)

    def may_read(self, path: str) -> bool:
        known = is_inside(path, self.reads) or is_inside(path, self.writes) or path in self.beside
        return known or is_inside(path, SYSTEM) or is_inside(path, _system())

    def may_write(self, path: str) -> bool:
        """Whether a path is to be written, is the file beside one that will replace it, or compiled Python."""
        folder, name = os.path.split(path)
        if os.path.basename(folder) == "__pycache__" or name == "__pycache__":
            return is_inside(path, self.packages)
        return is_inside(path, self.writes) or any(
            folder == os.path.dirname(file) and name.startswith(f".{os.path.basename(file)}") for file in self.writes
        )


def boundary_of(project: Path, trust: Trust, environment: Mapping[str, str], files: Iterable[Path] = ()) -> Boundary:
    """The boundary for a command about a project. `files` are what the command line says is to be read or written."""
    here, home = os.path.realpath(project), environment.get("HOME", "")
    python = [path for path in _of_python() if path != here]
    reads = [here, *map(str, trust.directories), *python, *_of_user(environment)]
    reads += [str(ca) for ca in trust.endpoints.values() if ca]
    named = [*_state_files(here, trust), *map(str, files)]
    writes = [*_DEVICES, *named]
    writes += [os.path.join(home, name) for name in _SIGNED_IN if home]
    own = os.path.join(here, ".reconciler")  # where the project has a link there, that is no folder of ours
    packages = tuple(path for path in dict.fromkeys((*_resolved(python), *python)) if path != here)
    return Boundary(
        here, packages, _resolved(reads), (own, *_resolved(writes)), _resolved(map(os.path.dirname, _resolved(named)))
    )


def _resolved(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({os.path.realpath(path) for path in paths} - {"/"}))


def _of_python() -> list[str]:
    """Where this interpreter and its packages are. The current folder is not among them, whatever `sys.path` says."""
    packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    installed = tuple(dict.fromkeys((sys.prefix, sys.base_prefix, packages)))
    ours = [path for name, module in sys.modules.items() if name.startswith("reconciler") for path in _folders(module)]
    others = dict.fromkeys((*ours, *(path for path in sys.path if os.path.isabs(path))))
    return [*installed, *(path for path in others if not is_inside(path, installed))]


def _folders(package: ModuleType) -> Iterable[str]:
    """Where the modules of a package of this program are; others may have added folders to it."""
    return getattr(package, "__path__", ())


@cache
def _system() -> tuple[str, ...]:
    """The places of a machine without links, which many of them are on many machines."""
    return _resolved(SYSTEM)


def _of_user(environment: Mapping[str, str]) -> list[str]:
    home = environment.get("HOME", "")
    named = [value for name, value in environment.items() if name.startswith(_NAMED_BY) or name in _BUNDLES]
    return [*(os.path.join(home, name) for name in _OF_USER if home), *(one for one in named if os.path.isabs(one))]


def _state_files(project: str, trust: Trust) -> list[str]:
    """Those of a SQLite state that whoever runs the command names; a relative path starts at the project."""
    path = trust.state.partition("sqlite:///")[2]
    return [f"{os.path.join(project, path)}{end}" for end in ("", "-wal", "-shm", "-journal")] if path else []

"""Which PostgreSQL server a state's URL may lead to, what the URL may ask for, and who gets the password.

A URL in a project is a stranger's until somebody has reviewed it. So it leads only to servers that whoever runs the
command names, or to this machine; it may say no more than an address, a user and how much TLS; and the password in
PGPASSWORD, which libpq would send to any server, goes only to those that are named. The one in ~/.pgpass is bound to a
server by libpq itself. A URL that whoever runs the command gives is used as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import Trust, resolved_inside
from reconciler.manifests.words import quoted
from reconciler.state.errors import StateError

_PORT = "5432"
_ALLOWED = frozenset(
    {"host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "channel_binding"}
    | {"connect_timeout", "application_name", "target_session_attrs"}
)
_TLS = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SOCKET_FOLDERS = ("/run/postgresql", "/tmp", "/var/run/postgresql")  # noqa: S108 - PostgreSQL's own default
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
_PASSFILE_FIELD = re.compile(r"(?:\\.|[^:\\])*")
_SETTINGS = "in the settings of whoever runs this (--settings FILE), or set PGHOST"


@dataclass(frozen=True, slots=True)
class Address:
    """How to connect: parameters of libpq, and whether the password in PGPASSWORD was kept back."""

    parameters: Mapping[str, str]
    password_kept_back: bool = False


def allowed_address(parameters: Mapping[str, str], base: Path, trust: Trust, environment: Mapping[str, str]) -> Address:
    """The address that the URL of a project leads to, from its `parameters` in libpq's terms. `base` is the project's
    folder.

    Raises: StateError for one that is not allowed.
    """
    _refuse_others(parameters)
    host, port = _server(parameters, environment)
    roots = trust.roots(base)
    named = (host, port) in set(_named(trust, environment)) or ("host" not in parameters and "port" not in parameters)
    if not named and not _is_here(host, roots) and (host, port) not in set(_in_passfile(environment)):
        raise StateError(
            f"the state is on the PostgreSQL server {quoted(_shown(host, port))}, which nobody here has named",
            f"Name it under `postgresql.hosts` {_SETTINGS} (and PGPORT), or give the whole URL as RECONCILER_STATE.",
        )
    checked = {**parameters, **_tls(parameters, base, roots, environment)}
    if named or parameters.get("password"):
        return Address(checked)
    # An empty password is none, and keeps libpq from taking PGPASSWORD; it still looks into ~/.pgpass.
    return Address({**checked, "password": ""}, password_kept_back=bool(environment.get("PGPASSWORD")))


def why_no_password(parameters: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """What to do where the password in PGPASSWORD was kept back, and the server asked for one."""
    server = quoted(_shown(*_server(parameters, environment)))
    return (
        f"PGPASSWORD is sent only to a server that is named for it: name {server} under `postgresql.hosts` {_SETTINGS} "
        f"and PGPORT."
    )


def _refuse_others(parameters: Mapping[str, str]) -> None:
    others = sorted(parameters.keys() - _ALLOWED)
    if others:
        raise StateError(
            f"the state's URL has parameters that a project may not set: {', '.join(others)}",
            f"Allowed are {', '.join(sorted(_ALLOWED))} and schema. Give the whole URL as RECONCILER_STATE, or as "
            "`state` in the settings of whoever runs this (--settings FILE).",
        )
    if "," in parameters.get("host", "") or "," in parameters.get("port", ""):
        raise StateError(
            "the state's URL names several servers", "Write one; a list of them can be in RECONCILER_STATE."
        )
    if parameters.get("channel_binding", "require") != "require":
        raise StateError("the state's URL weakens channel_binding", "Write channel_binding=require, or leave it out.")


def _server(parameters: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str, str]:
    """(host, port) as libpq works them out; the host is empty for the default socket."""
    host = parameters.get("host") or environment.get("PGHOST") or ""
    return host.lower() if not host.startswith("/") else host, parameters.get("port") or environment.get(
        "PGPORT"
    ) or _PORT


def _named(trust: Trust, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The servers that whoever runs this names."""
    if environment.get("PGHOST"):
        yield _server({}, environment)
    for entry in trust.databases:
        yield _split(entry)


def _split(entry: str) -> tuple[str, str]:
    """(host, port) of `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
    host, colon, port = entry.rpartition(":")
    if not colon or "]" in port or (":" in host and not host.endswith("]")):
        host, port = entry, _PORT
    return host.strip("[]").lower(), port


def _is_here(host: str, roots: tuple[str, ...]) -> bool:
    """Whether a server is on this machine: on loopback, or on a socket where PostgreSQL has it or in the project."""
    if not host or _LOOPBACK.fullmatch(host) or host in _SOCKET_FOLDERS:
        return True
    try:
        return host.startswith("/") and bool(resolved_inside(host, roots))
    except InvalidInput:
        return False


def _in_passfile(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The servers that ~/.pgpass, or PGPASSFILE, names; `*` names none. Source: PostgreSQL documentation, "The Password
    File"."""
    path = Path(environment.get("PGPASSFILE") or os.path.expanduser("~/.pgpass"))
    try:
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    except OSError:
        return
    for line in lines:
        fields = [re.sub(r"\\(.)", r"\1", text) for text in _fields(line)]
        if len(fields) > 1 and not line.startswith("#") and fields[0] != "*":
            yield fields[0].lower(), _PORT if fields[1] == "*" else fields[1]


def _fields(line: str) -> Iterator[str]:
    """The host and the port in a line of the password file, still escaped."""
    at = 0
    for _ in range(2):
        match = _PASSFILE_FIELD.match(line, at)
        if match is None or line[match.end() : match.end() + 1] != ":":
            return
        yield match[0]
        at = match.end() + 1


def _tls(
    parameters: Mapping[str, str], base: Path, roots: tuple[str, ...], environment: Mapping[str, str]
) -> dict[str, str]:
    """The parameters of TLS to use instead. Raises: StateError for less of it than the environment asks for."""
    mode, wanted = parameters.get("sslmode", ""), environment.get("PGSSLMODE", "")
    if mode and wanted in _TLS and (mode not in _TLS or _TLS.index(mode) < _TLS.index(wanted)):
        raise StateError(
            f"the state's URL asks for sslmode={mode}, and PGSSLMODE for {wanted}", "Leave sslmode out of the URL."
        )
    authority = parameters.get("sslrootcert", "")
    if not authority or authority == "system":
        return {}
    if environment.get("PGSSLROOTCERT", authority) != authority:
        raise StateError("the state's URL and PGSSLROOTCERT differ", "Leave sslrootcert out of the URL.")
    try:
        return {"sslrootcert": resolved_inside(base / authority, roots)}
    except InvalidInput as refusal:
        raise StateError(f"sslrootcert of the state's URL: {refusal.summary}", refusal.detail) from refusal


def _shown(host: str, port: str) -> str:
    return host if port == _PORT else f"{host}:{port}"

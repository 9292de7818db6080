"""A PostgreSQL server of one's own: a fresh cluster on a socket in its own folder, no network, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_START_TIMEOUT_S = 60.0


class PostgresServer:
    """A running server, whose socket is in `folder`. `database` makes an empty database and returns its URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0

    def url(self, database: str) -> str:
        return f"postgresql://reconciler@/{database}?host={self.folder}"

    def database(self) -> str:
        self._made += 1
        name = f"state_{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server for as long as this lasts. PostgreSQL refuses to run as root: then it runs as `nobody`."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="reconciler-postgresql-"))
    try:
        as_somebody = _as_nobody(folder) if os.geteuid() == 0 else []
        _make_cluster(programs, folder, as_somebody)
        with _running(programs, folder, as_somebody):
            yield PostgresServer(folder)
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """The folder of the newest PostgreSQL installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise RuntimeError("PostgreSQL is not installed, and these tests run against it: apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


def _as_nobody(folder: Path) -> list[str]:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return ["--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups"]


def _make_cluster(programs: Path, folder: Path, as_somebody: list[str]) -> None:
    command = [str(programs / "initdb"), "--pgdata", str(folder / "data"), "--username", "reconciler"]
    options = ["--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
    prefix = ["setpriv", *as_somebody] if as_somebody else []
    done = subprocess.run([*prefix, *command, *options], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")


@contextmanager
def _running(programs: Path, folder: Path, as_somebody: list[str]) -> Iterator[None]:
    settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off", "max_connections": "50"}
    command = [str(programs / "postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    log = folder / "log"
    # The server ends with the test run even when that is killed.
    prefix = ["setpriv", *as_somebody, "--pdeathsig", "INT"]
    with log.open("wb") as output:
        server = subprocess.Popen([*prefix, *command], cwd=folder, stdout=output, stderr=output)
    try:
        _wait_until_ready(server, folder, log)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=_START_TIMEOUT_S)


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until and server.poll() is None:
        try:
            psycopg.connect(PostgresServer(folder).url("postgres")).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text('utf-8', 'replace')}")

"""Azurite, Microsoft's emulator of the blob service, as a server that we run for the duration of a command."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
import time
from base64 import b64encode
from pathlib import Path

from reconciler.manifests.installation import trusted_search_path
from reconciler.providers.errors import ProviderError, Unavailable

ACCOUNT = "devstoreaccount1"
_KEY_BYTES = 64
_ACCOUNTS = "AZURITE_ACCOUNTS"
_PROGRAM = "azurite-blob"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_LOCK_TIMEOUT_S = 5.0
_LISTENING = re.compile(r"successfully listens on (http://127\.0\.0\.1:\d+)")

# Standard input is a pipe that we keep open: it ends when we close it and also when we are killed, whichever thread
# started the server. (The kernel's own signal for the death of a parent is sent when the starting thread ends.)
_GUARD = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill "$server"; } 2>/dev/null &
guard=$!
exec 3<&-
wait "$server"
status=$?
kill "$guard" 2>/dev/null
exit "$status"
"""


class Azurite:
    """A server on a free loopback port, with its data in `folder`. It starts when `endpoint` is first called, and stops
    in `close` or with this process, however that ends. May be used from several threads."""

    def __init__(self, folder: Path, project: Path | None = None, key: str = "") -> None:
        """`project`: a folder whose programs are never run. `key` is that of the account; a new one without it, as the
        usual one is known to everybody who can reach the loopback interface."""
        self.key = key or b64encode(secrets.token_bytes(_KEY_BYTES)).decode("ascii")
        self._folder = folder
        self._project = project
        self._starting = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._endpoint = ""

    def endpoint(self) -> str:
        """The URL of the development account's blob service. Raises: ProviderError, Unavailable."""
        with self._starting:
            if self._server is not None and self._server.poll() is not None:
                self._stop_server()
            if self._server is None:
                self._start()
            return self._endpoint

    def has_data(self) -> bool:
        """Whether a server has ever stored anything in the folder."""
        return any(self._folder.glob("__azurite_db_*"))

    def close(self) -> None:
        """Stops the server, if it is running, after it has saved its data."""
        with self._starting:
            self._stop_server()

    def _stop_server(self) -> None:
        if self._server is not None:
            _stop(self._server)
            self._server = None

    def _start(self) -> None:
        program = find_program(self._project)
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "azurite.log"
        lock, own = _lock(self._folder), f"{ACCOUNT}:{self.key}"
        try:
            with log.open("wb") as output:
                server = subprocess.Popen(
                    ["/bin/sh", "-c", _GUARD, "azurite", *_command(program, self._folder)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, _ACCOUNTS: ";".join(filter(None, (own, os.environ.get(_ACCOUNTS))))},
                    pass_fds=(lock,),  # held while the server lives, even if it outlives us
                    process_group=0,  # an interrupt from the terminal is for us: uploads stop before their server
                )
        finally:
            os.close(lock)
        try:
            self._endpoint = f"{_wait_until_ready(server, log)}/{ACCOUNT}"
        except BaseException:
            _stop(server)
            raise
        self._server = server


def find_program(project: Path | None = None) -> str:
    """The path of Azurite's blob service: on PATH, outside of the project's folder.

    Raises: ProviderError when it is not installed.
    """
    installed = shutil.which(_PROGRAM, path=trusted_search_path(os.environ.get("PATH", os.defpath), project))
    if installed:
        return installed
    raise ProviderError(
        "Azurite, which stands in for an Azure storage account, is not installed",
        "install it with: npm install --global azurite (or set the storage account's `endpoint`)",
    )


def _command(program: str, folder: Path) -> list[str]:
    """Source: Azurite's README. Port 0 means any free port; `--loose` makes it ignore unknown headers, and
    `--skipApiVersionCheck` accept versions of the API that are newer than its own."""
    address = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(folder.absolute())]
    return [program, *address, "--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"]


def _lock(folder: Path) -> int:
    """A descriptor whose lock keeps a second server out of `folder`: each would overwrite the other's tables.

    Raises: Unavailable when another server holds it.
    """
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < until:  # a server that has just been killed may still be stopping
                time.sleep(0.05)
                continue
            os.close(fd)
            raise Unavailable(
                f"another command runs Azurite on '{folder}'",
                "wait until it has finished, or run Azurite yourself and set its `endpoint`",
            ) from error
        return fd


def _wait_until_ready(server: subprocess.Popen[bytes], log: Path) -> str:
    """The URL on which the server reports that it listens. Raises: Unavailable."""
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until and server.poll() is None:
        listening = _LISTENING.search(log.read_text("utf-8", "replace"))
        if listening:
            return listening[1]
        time.sleep(0.02)
    output = " ".join(log.read_text("utf-8", "replace").split())[-500:]
    raise Unavailable(f"Azurite did not start: {output or 'it printed nothing'}", f"see its log in '{log}'")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stops the server by closing its pipe; kills it if it does not stop."""
    if server.stdin is not None:
        server.stdin.close()
    try:
        server.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()

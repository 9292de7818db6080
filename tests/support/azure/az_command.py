"""The real `az`, logged in to an emulator, with its settings in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.paths import ROOT

from reconciler.providers.emulator.server import EmulatorSettings, RunningEmulator, start

_TIMEOUT_S = 120


class AzFailed(Exception):
    """The error output of `az`, and its exit code."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.code = code


class Az:
    """The command, for one cloud."""

    def __init__(self, emulator: RunningEmulator, folder: Path) -> None:
        self.emulator = emulator
        self._program = _find()
        self._environment = {
            **os.environ,
            "AZURE_CONFIG_DIR": str(folder),
            "AZURE_CORE_COLLECT_TELEMETRY": "0",
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
            "REQUESTS_CA_BUNDLE": str(emulator.ca),
        }

    def log_in(self) -> None:
        """Makes the emulator the cloud that `az` works with."""
        self("cloud", "register", "-n", "emulator", "--endpoint-resource-manager", self.emulator.endpoint)
        self("cloud", "set", "-n", "emulator")
        who = ("-u", self.emulator.client_id, "-p", self.emulator.client_secret, "--tenant", self.emulator.tenant)
        self("login", "--service-principal", *who)

    def __call__(self, *words: str) -> Any:
        """The output of a command: parsed JSON, None when it is empty. Raises: AzFailed."""
        done = subprocess.run(
            [self._program, *words, "--output", "json"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise AzFailed(done.stderr, done.returncode)
        return json.loads(done.stdout) if done.stdout.strip() else None


def _find() -> str:
    own = ROOT / ".az" / "bin" / "az"
    found = str(own) if own.exists() else shutil.which("az")
    if found is None:
        raise RuntimeError("the Azure CLI is not installed, and these tests run it: .ci/setup az")
    return found


@contextmanager
def logged_in_az(folder: Path) -> Iterator[Az]:
    """An emulator and the command for it, for as long as this lasts."""
    emulator = start(EmulatorSettings(folder / "emulator", time_scale=0))
    try:
        az = Az(emulator, folder / "az")
        az.log_in()
        yield az
    finally:
        emulator.stop()

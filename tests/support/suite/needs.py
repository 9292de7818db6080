"""What tests need beside Python: markers that follow from fixtures and folders, and a check that no test lacks one.

A test that runs a program without a marker for it would pass on machines that have the program, and break `make check`
on all others. `watch_programs` makes it fail everywhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import Any

MARKERS: Mapping[str, str] = {
    "azurite": "runs Azurite, Microsoft's emulator of blob storage",
    "libvirt": "runs hypervisor hosts: libvirt and QEMU, as root",
    "postgresql": "runs a PostgreSQL server",
    "qemu": "runs QEMU or qemu-img",
    "root": "mounts file systems or starts hypervisor hosts",
    "strace": "runs strace",
    "slow": "takes many seconds wherever it runs; slow(N) says about how many. Such tests are started first",
}
"""Marker -> what a test that bears it needs. `make check` runs the tests that bear none of them."""

BY_FIXTURE = {"azurite": "azurite", "libvirt_hosts": "libvirt", "postgres_server": "postgresql"}
"""Fixture -> the marker of every test that uses it, directly or through another fixture."""

BY_FOLDER = {"crash": "slow"}
"""Folder of `tests` -> the marker of every test in it."""

IMPLIED: Mapping[str, Sequence[str]] = {"libvirt": ("qemu", "root")}

BY_PROGRAM = {
    "azurite-blob": "azurite",
    "initdb": "postgresql",
    "libvirtd": "libvirt",
    "mount": "root",
    "postgres": "postgresql",
    "qemu-img": "qemu",
    "qemu-system-x86_64": "qemu",
    "strace": "strace",
    "unshare": "libvirt",
    "virsh": "libvirt",
}
"""Program -> the marker of every test that starts it."""


class MissingMarkerError(AssertionError):
    """A test started a program and bears no marker for it."""


def markers_for(fixtures: Collection[str], borne: Collection[str], folder: str) -> set[str]:
    """The markers of a test that uses these fixtures, in this folder of `tests`; `borne` are those written on it."""
    markers = {*borne, *(marker for fixture, marker in BY_FIXTURE.items() if fixture in fixtures)}
    if folder in BY_FOLDER:
        markers.add(BY_FOLDER[folder])
    for marker in tuple(markers):
        markers.update(IMPLIED.get(marker, ()))
    return markers


def check_command(command: Sequence[object], borne: Collection[str]) -> None:
    """Raises: MissingMarkerError when a test that bears these markers may not run this command."""
    for word in command:
        name = PurePath(os.fsdecode(word)).name if isinstance(word, str | bytes | os.PathLike) else ""
        marker = BY_PROGRAM.get(name)
        if marker is not None and marker not in borne:
            raise MissingMarkerError(f"this test runs {name} and lacks @pytest.mark.{marker}")


class ProgramWatch:
    """Checks every program that this process starts while a test is set up and runs. It cannot be taken away again."""

    def __init__(self) -> None:
        self.borne: Collection[str] | None = None
        """The markers of the test that runs; None between tests."""
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and self.borne is not None:
            command = arguments[1]
            check_command(command if isinstance(command, list | tuple) else [command], self.borne)

"""Some points of the crash matrix; `make crash-matrix` counts and kills at all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash.matrix import ACTIONS, row
from support.azure.azurite import RunningAzurite
from support.libvirt.daemons import LibvirtHost

STRIDE, SLOW_STRIDE = 7, 17
"""Odd steps meet the points before and after the same calls in turn."""


@pytest.mark.slow(10)
@pytest.mark.parametrize("action", ACTIONS)
def test_local_runs_killed_anywhere_settle(tmp_path: Path, action: str) -> None:
    found = row("local", action, tmp_path, stride=STRIDE)
    assert found.settled > (0 if action == "retain" else 1)


@pytest.mark.slow(10)
@pytest.mark.parametrize("action", ACTIONS)
def test_emulator_runs_killed_anywhere_settle(tmp_path: Path, azurite: RunningAzurite, action: str) -> None:
    assert row("emulator", action, tmp_path, azurite, SLOW_STRIDE).settled


@pytest.mark.slow(10)
@pytest.mark.parametrize("action", ACTIONS)
def test_libvirt_runs_killed_anywhere_settle(
    tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...], action: str
) -> None:
    assert row("libvirt", action, tmp_path, libvirt_hosts, SLOW_STRIDE).settled

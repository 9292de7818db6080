"""A client of an empty emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azure.emulated_http import EmulatorClient, emulator_client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EmulatorClient]:
    """An emulator whose operations are done when they are first polled."""
    with emulator_client(tmp_path) as found:
        yield found

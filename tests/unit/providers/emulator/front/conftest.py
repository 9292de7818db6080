"""A desk of an empty emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azure.emulators import Desk, emulator_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An emulator whose operations end when they are first asked for."""
    with emulator_desk(tmp_path) as found:
        yield found

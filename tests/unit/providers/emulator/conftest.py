"""The emulated service, without HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azure.emulated_service import Emulated, emulated_service


@pytest.fixture
def emulated(tmp_path: Path) -> Iterator[Emulated]:
    """A service with an empty resource group."""
    with emulated_service(tmp_path) as found:
        yield found


@pytest.fixture
def paced(tmp_path: Path) -> Iterator[Emulated]:
    """A service with an empty resource group, whose operations take as long as on Azure."""
    with emulated_service(tmp_path, scale=1) as found:
        yield found

"""The parts of the provider contract that not all of our own backends keep yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_galleries import LocalWorld

from reconciler.testing import FenceCases, LeaseCases, PlaceCases, ProtectionCases, ReplacementCases


class TestLocal(FenceCases, LeaseCases, PlaceCases, ProtectionCases, ReplacementCases):
    """On directories."""

    @pytest.fixture
    def provider_world(self, tmp_path: Path) -> LocalWorld:
        return LocalWorld(tmp_path)

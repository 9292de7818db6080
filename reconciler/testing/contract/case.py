"""The fixtures that all cases of the contract use."""

from __future__ import annotations

import pytest

from reconciler.providers.protocol import Provider
from reconciler.testing.operations import CONTENT, Attributes
from reconciler.testing.worlds import ProviderWorld


class ContractCase:
    """Tests of a backend, for a class of its own test suite that has a fixture `provider_world`: an empty world."""

    @pytest.fixture
    def provider(self, provider_world: ProviderWorld) -> Provider:
        return provider_world.provider()

    @pytest.fixture
    def source(self, provider_world: ProviderWorld) -> Attributes:
        return provider_world.image("ubuntu.raw", CONTENT)

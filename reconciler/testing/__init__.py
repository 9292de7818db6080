"""For the tests of a backend: the contract that every provider keeps, as classes to derive test classes from.

    class TestAcme(ProviderContract):
        @pytest.fixture
        def provider_world(self, tmp_path: Path) -> AcmeWorld:
            return AcmeWorld(tmp_path)

The cases are classes of their own, as some cannot happen to every backend. This needs pytest: the extra `testing`.
"""

import pytest

pytest.register_assert_rewrite("reconciler.testing.contract", "reconciler.testing.operations")

from reconciler.testing.contract.content import ContentCases  # noqa: E402 - after pytest knows of their assertions
from reconciler.testing.contract.damage import DamageCases  # noqa: E402
from reconciler.testing.contract.data_disks import DataDiskCases  # noqa: E402
from reconciler.testing.contract.interruptions import InterruptionCases  # noqa: E402
from reconciler.testing.contract.leases import FenceCases, LeaseCases  # noqa: E402
from reconciler.testing.contract.objects import ObjectCases  # noqa: E402
from reconciler.testing.contract.places import PlaceCases  # noqa: E402
from reconciler.testing.contract.protection import ProtectionCases  # noqa: E402
from reconciler.testing.contract.replacements import ReplacementCases  # noqa: E402
from reconciler.testing.contract.strays import StrayCases  # noqa: E402
from reconciler.testing.providers import new_provider, provider_config  # noqa: E402
from reconciler.testing.worlds import (  # noqa: E402
    DamageableWorld,
    FencedWorld,
    FullWorld,
    InterruptibleWorld,
    PlacedWorld,
    ProviderWorld,
    SharedWorld,
    Stray,
)


class ProviderContract(ObjectCases, ContentCases, DataDiskCases, DamageCases, StrayCases, InterruptionCases):
    """All cases of the contract; `provider_world` is a `FullWorld`."""


__all__ = [
    "ContentCases",
    "DamageCases",
    "DamageableWorld",
    "DataDiskCases",
    "FenceCases",
    "FencedWorld",
    "FullWorld",
    "InterruptibleWorld",
    "InterruptionCases",
    "LeaseCases",
    "ObjectCases",
    "PlaceCases",
    "PlacedWorld",
    "ProtectionCases",
    "ProviderContract",
    "ProviderWorld",
    "ReplacementCases",
    "SharedWorld",
    "Stray",
    "StrayCases",
    "new_provider",
    "provider_config",
]

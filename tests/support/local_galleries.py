"""One version on the local provider, in a project of a test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.operations import CONTENT, VERSION, Results
from support.operations import run as run_steps

from reconciler.manifests.address import Address
from reconciler.providers.local.provider import create_provider
from reconciler.providers.protocol import Provider, Step, Verb
from reconciler.providers.registry import ProviderConfig

REGION = {"replicas": 1, "excludeFromLatest": False}


def provider_at(project: Path, **settings: Any) -> Provider:
    return create_provider(ProviderConfig("default", "local", settings or {"root": "regions"}, project))


def provider_with_image(project: Path) -> Provider:
    """With the file that versions are made from."""
    (project / "image.raw").write_bytes(CONTENT)
    return provider_at(project)


def version(**more: Any) -> dict[str, Any]:
    """A version's attributes."""
    return {"location": "eastus", "source": {"file": "image.raw"}, "replicationMode": "Full", **more}


def run(provider: Provider, *steps: Step, attributes: Any = None, computed: Any = None) -> Results:
    """The results of one operation; on a version it is the one that `version()` describes where no other is given."""
    own = (attributes or version()) if steps[0].address.version else None
    return run_steps(provider, *steps, version=own, computed=computed)


def publish(provider: Provider, *regions: Address, **more: Any) -> Results:
    """Makes a version with its regions."""
    attributes = version(**more)
    steps = [Step(Verb.CREATE, region, REGION) for region in regions]
    return run(provider, Step(Verb.CREATE, VERSION, attributes), *steps, attributes=attributes)

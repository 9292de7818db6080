"""Data disks: images of more than one disk."""

from __future__ import annotations

from reconciler.providers.protocol import Provider, Step, Verb
from reconciler.testing.contract.case import ContractCase
from reconciler.testing.galleries import create_containers, disks_of, region_attributes, version_attributes
from reconciler.testing.operations import CONTENT, EAST, VERSION, WEST, Attributes, run
from reconciler.testing.worlds import ProviderWorld


class DataDiskCases(ContractCase):
    """What backends promise that hold images of more than one disk."""

    def test_what_is_recorded_of_disks_stays_when_their_sources_are_gone(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        data = provider_world.image("data.raw", CONTENT[::-1])
        before = version_attributes(source, dataDisks={"0": {"source": data}})
        create_containers(provider)
        east, west = (Step(Verb.CREATE, region, region_attributes()) for region in (EAST, WEST))
        computed = disks_of(run(provider, Step(Verb.CREATE, VERSION, before), east, version=before))
        for image in (source, data):
            provider_world.remove_image(image)
        after = {**before, "excludeFromLatest": True}
        results = run(provider, Step(Verb.UPDATE, VERSION, after, before), west, version=after, computed=computed)
        assert provider_world.copies(WEST) == [CONTENT]
        assert disks_of(results) == computed

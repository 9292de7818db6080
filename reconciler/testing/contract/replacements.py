"""Replacements: a whole version gets other content, and what was there stays until all of it is ready."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.protocol import Applied, Provider, Scope, Step, Verb
from reconciler.testing.contract.case import ContractCase
from reconciler.testing.galleries import (
    DEFINITION_ATTRIBUTES,
    GALLERY_ATTRIBUTES,
    disks_of,
    publish,
    region_attributes,
    version_attributes,
)
from reconciler.testing.operations import (
    CONTENT,
    DEFINITION,
    EAST,
    GALLERY,
    NORTH,
    VERSION,
    WEST,
    Attributes,
    applied,
    failed,
    owner_of,
    run,
)
from reconciler.testing.worlds import InterruptibleWorld

OTHER = CONTENT[::-1]


def _replacing(source: Attributes, prior: Attributes, *regions: Step) -> Iterator[Step]:
    yield Step(Verb.REPLACE, VERSION, version_attributes(source), version_attributes(prior))
    yield from regions


def _replaced(*regions: Address) -> list[Step]:
    return [Step(Verb.REPLACE, region, region_attributes(), region_attributes()) for region in regions]


class ReplacementCases(ContractCase):
    """What backends promise that stage replacements (`Capabilities.stages_replacements`)."""

    def test_a_version_is_replaced_in_all_regions(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes
    ) -> None:
        """One region stays, one goes, and one is new."""
        assert provider.capabilities().stages_replacements
        publish(provider, source, {EAST: 1, WEST: 1})
        newer = provider_world.image("newer.raw", OTHER)
        regions = (Step(Verb.CREATE, NORTH, region_attributes(2)), Step(Verb.DELETE, WEST, prior=region_attributes()))
        steps = _replacing(newer, source, *_replaced(EAST), *regions)
        results = run(provider, *steps, version=version_attributes(newer))
        assert provider_world.copies(EAST) == [OTHER]
        assert provider_world.copies(NORTH) == [OTHER, OTHER]
        assert provider_world.copies(WEST) == []
        assert results[WEST] == Applied()
        for address in (VERSION, EAST, NORTH):
            seen = provider_world.provider().read(address)
            assert seen is not None
            result = applied(results, address)
            assert (seen.canonical, seen.fingerprint) == (result.canonical, result.fingerprint)
            assert owner_of().owns(seen.mark, address)
        assert ContentDigest.in_facts(disks_of(results)["disks"]["os"]).agrees(provider.source_digest(newer))

    def test_the_home_region_of_a_version_is_replaced(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes
    ) -> None:
        publish(provider, source, {EAST: 1, WEST: 1})
        planned = {**version_attributes(source), "location": "westus"}
        own = Step(Verb.REPLACE, VERSION, planned, version_attributes(source))
        results = run(provider, own, *_replaced(EAST, WEST), version=planned)
        seen = provider_world.provider().read(VERSION)
        assert seen is not None
        assert seen.fingerprint == applied(results, VERSION).fingerprint
        assert seen.attributes["location"] == "westus"

    def test_a_definition_and_its_gallery_are_replaced_around_what_they_contain(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes
    ) -> None:
        """Nothing but their descriptions is replaced, also when they move to another home region."""
        results = publish(provider, source, {EAST: 1, WEST: 1})
        wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
        count = len(provider_world.objects())
        for address, prior in ((GALLERY, GALLERY_ATTRIBUTES), (DEFINITION, DEFINITION_ATTRIBUTES)):
            for planned in ({**prior, "description": "other"}, {**prior, "location": "westus"}):
                result = applied(run(provider, Step(Verb.REPLACE, address, planned, prior)), address)
                seen = provider_world.provider().read(address)
                assert seen is not None
                assert (seen.canonical, seen.fingerprint) == (canonical_json(planned), result.fingerprint)
        assert provider.scan(Scope(wanted)).matching == wanted.keys()
        assert len(provider_world.objects()) == count

    def test_a_source_that_is_gone_leaves_everything(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes
    ) -> None:
        publish(provider, source, {EAST: 1, WEST: 1})
        provider_world.remove_image(source)
        self._nothing_happens(provider_world, provider, source, source, *_replaced(EAST), WEST)

    @pytest.mark.parametrize("verb", [Verb.CREATE, Verb.REPLACE])
    def test_a_region_that_fails_leaves_the_others(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes, verb: Verb
    ) -> None:
        publish(provider, source, {EAST: 1, WEST: 1})
        newer = provider_world.image("newer.raw", OTHER)
        prior = region_attributes() if verb is Verb.REPLACE else None
        step = Step(verb, NORTH, region_attributes(), prior)
        with provider_world.failing("northeurope"):
            self._nothing_happens(provider_world, provider, source, newer, *_replaced(EAST), step, WEST)

    def _nothing_happens(
        self,
        world: InterruptibleWorld,
        provider: Provider,
        prior: Attributes,
        source: Attributes,
        *regions: Step | Address,
    ) -> None:
        """Every step fails. A bare address is that of a region to be deleted."""
        deleted = [Step(Verb.DELETE, one, prior=region_attributes()) for one in regions if isinstance(one, Address)]
        steps = [*_replacing(source, prior, *(one for one in regions if isinstance(one, Step))), *deleted]
        before = [provider.read(address) for address in (VERSION, EAST, WEST)]
        objects = world.objects()
        results = run(provider, *steps, version=version_attributes(source))
        for step in steps:
            assert failed(results, step.address).remedy
        assert [world.provider().read(address) for address in (VERSION, EAST, WEST)] == before
        assert world.copies(EAST) == world.copies(WEST) == [CONTENT]
        assert world.objects() == objects

"""Content: sources, digests, copies and their number."""

from __future__ import annotations

import hashlib
import json

import pytest

from reconciler.manifests.address import Address
from reconciler.providers.bound_sources import BoundSource
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError, Unsupported
from reconciler.providers.protocol import Condition, Provider, Scope, Step, Verb
from reconciler.testing.contract.case import ContractCase
from reconciler.testing.galleries import (
    DEFINITION_ATTRIBUTES,
    GALLERY_ATTRIBUTES,
    create_containers,
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
    run,
)
from reconciler.testing.worlds import ProviderWorld


class ContentCases(ContractCase):
    """What every backend promises of the content of images."""

    def test_the_disks_are_described_in_what_is_computed(self, provider: Provider, source: Attributes) -> None:
        results = publish(provider, source, {EAST: 1})
        for address in (VERSION, EAST):
            disk = json.loads(applied(results, address).computed)["disks"]["os"]
            assert ContentDigest.in_facts(disk).agrees(provider.source_digest(source, plain=True))
            assert (disk["size"], disk["virtualSize"], disk["format"]) == (len(CONTENT), len(CONTENT), "raw")

    def test_the_identity_of_a_source_is_the_one_recorded(self, provider: Provider, source: Attributes) -> None:
        results = publish(provider, source, {EAST: 1})
        identity = provider.source_identity(source)
        assert identity == provider.source_facts(source).identity == disks_of(results)["disks"]["os"]["source"]
        assert provider.source_identity({"file": "images/none.raw"}) == ""
        assert provider.source_facts(source, DEFINITION_ATTRIBUTES) == provider.source_facts(source)

    def test_a_changed_source_has_another_identity(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        before = provider.source_identity(source)
        provider.source_digest(source)
        assert provider.source_identity(source) == before
        provider_world.image("ubuntu.raw", CONTENT[::-1])
        assert provider.source_identity(source) != before

    def test_a_region_is_added_later_with_the_same_content(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        computed = disks_of(publish(provider, source, {EAST: 1}))
        step = Step(Verb.CREATE, NORTH, region_attributes(2))
        applied(run(provider, step, version=version_attributes(source), computed=computed), NORTH)
        assert provider_world.copies(NORTH) == [CONTENT, CONTENT]

    @pytest.mark.parametrize("change", ["changed", "gone"])
    def test_a_region_added_after_the_source_changed_is_copied_from_a_region(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes, change: str
    ) -> None:
        computed = disks_of(publish(provider, source, {EAST: 1}))
        if change == "gone":
            provider_world.remove_image(source)
        else:
            provider_world.image("ubuntu.raw", CONTENT[::-1] * 3)
        step = Step(Verb.CREATE, WEST, region_attributes())
        applied(run(provider, step, version=version_attributes(source), computed=computed), WEST)
        assert provider_world.copies(WEST) == [CONTENT]

    def test_the_number_of_replicas_goes_up_and_down(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        computed = disks_of(publish(provider, source, {EAST: 1}))
        before = 1
        for count in (3, 2, 1):
            step = Step(Verb.UPDATE, EAST, region_attributes(count), region_attributes(before))
            result = applied(run(provider, step, version=version_attributes(source), computed=computed), EAST)
            assert provider_world.copies(EAST) == [CONTENT] * count
            assert provider.scan(Scope({EAST: result.fingerprint})).matching == {EAST}
            before = count

    def test_a_missing_source_makes_nothing(self, provider_world: ProviderWorld, provider: Provider) -> None:
        source = {"file": "images/none.raw"}
        results = publish(provider, source, {EAST: 1, WEST: 1})
        assert isinstance(failed(results, EAST), SourceError)
        assert "images/none.raw" in failed(results, WEST).message
        assert provider.read(EAST) is None
        with pytest.raises(SourceError, match=r"none\.raw"):
            provider.source_facts(source)

    @pytest.mark.parametrize("planned", [CONTENT, CONTENT[::-1]], ids=["as planned", "another"])
    def test_only_the_planned_content_becomes_visible(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes, planned: bytes
    ) -> None:
        bound = BoundSource("os", hashlib.sha256(planned).hexdigest())
        results = publish(provider, source, {EAST: 1, WEST: 1}, sources=(bound,))
        if planned == CONTENT:
            assert provider_world.copies(EAST) == [CONTENT]
        else:
            for address in (VERSION, EAST, WEST):
                assert isinstance(failed(results, address), SourceError)
                assert provider.read(address) is None
            assert bound.digest in failed(results, EAST).message

    def test_progress_only_goes_forward_and_ends_at_the_total(
        self, provider_world: ProviderWorld, provider: Provider
    ) -> None:
        source = provider_world.image("large.raw", bytes(range(256)) * (20 << 12))
        heard: dict[Address, list[tuple[int, int]]] = {}
        publish(
            provider,
            source,
            {EAST: 2, WEST: 1},
            progress=lambda address, done, total: heard.setdefault(address, []).append((done, total)),
        )
        assert heard.keys() == {EAST, WEST}
        for told in heard.values():
            assert told == sorted(told)
            assert len(told) > 1
            assert told[-1][0] == told[-1][1]
            assert len(told) < 100

    def test_a_version_is_made_from_another_version(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        publish(provider, source, {EAST: 1, WEST: 1})
        provider_world.remove_image(source)
        newer = VERSION._replace(version="1.0.4")
        attributes = version_attributes({"version": str(VERSION)})
        region = newer._replace(region="westus")
        home = newer._replace(region="eastus")
        steps = (Step(Verb.CREATE, address, region_attributes()) for address in (home, region))
        results = run(provider, Step(Verb.CREATE, newer, attributes), *steps, version=attributes)
        if "version" not in provider.capabilities().sources:
            assert isinstance(failed(results, home), Unsupported)
            return
        for address in (home, region):
            applied(results, address)
            assert provider_world.copies(address) == [CONTENT]

    def test_a_shallow_version_has_no_copies(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        create_containers(provider)
        attributes = version_attributes(source, replicationMode="Shallow")
        steps = (Step(Verb.CREATE, VERSION, attributes), Step(Verb.CREATE, EAST, region_attributes()))
        results = run(provider, *steps, version=attributes)
        if "Shallow" not in provider.capabilities().replication_modes:
            assert isinstance(failed(results, EAST), Unsupported)
            return
        assert provider_world.copies(EAST) == []
        wanted = {EAST: applied(results, EAST).fingerprint}
        seen = provider.read(EAST)
        assert seen is not None
        assert seen.condition is Condition.READY
        assert provider.scan(Scope(wanted)).matching == {EAST}
        steps = (Step(Verb.DELETE, EAST, prior=region_attributes()), Step(Verb.DELETE, VERSION, prior=attributes))
        run(provider, *steps, version=attributes)
        run(provider, Step(Verb.DELETE, DEFINITION, prior=DEFINITION_ATTRIBUTES))
        run(provider, Step(Verb.DELETE, GALLERY, prior=GALLERY_ATTRIBUTES))
        assert provider_world.objects() == []

    def test_a_source_style_that_is_not_offered_is_refused(self, provider: Provider) -> None:
        assert "tape" not in provider.capabilities().sources
        with pytest.raises(Unsupported, match="tape"):
            provider.source_facts({"tape": "/dev/st0"})

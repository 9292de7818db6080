"""Objects: created, read, changed, deleted; whose they are; and that unreachable is not absent."""

from __future__ import annotations

import json

import pytest

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.protocol import Applied, Condition, Provider, Scope, Step, Verb
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
    OTHER_LINEAGE,
    VERSION,
    WEST,
    Attributes,
    applied,
    failed,
    owner_of,
    run,
)
from reconciler.testing.worlds import ProviderWorld


class ObjectCases(ContractCase):
    """What every backend promises of objects and their owners."""

    def test_what_is_made_is_as_planned_and_another_provider_reads_it(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        results = publish(provider, source, {EAST: 2, WEST: 1})
        planned = {VERSION: version_attributes(source), EAST: region_attributes(2), WEST: region_attributes(1)}
        other = provider_world.provider()
        for address, attributes in planned.items():
            made, seen = applied(results, address), other.read(address)
            assert made.canonical == canonical_json(attributes)
            assert seen is not None
            assert (seen.canonical, seen.condition) == (made.canonical, Condition.READY)
            assert owner_of().owns(seen.mark, address)
            assert (seen.fingerprint, seen.object_id, seen.computed) == (
                made.fingerprint,
                made.object_id,
                made.computed,
            )
        assert provider_world.copies(EAST) == [CONTENT, CONTENT]
        assert provider_world.copies(WEST) == [CONTENT]

    def test_what_was_never_made_is_absent(self, provider: Provider, source: Attributes) -> None:
        for address in (GALLERY, DEFINITION, VERSION, EAST):
            assert provider.read(address) is None
        scan = provider.scan(Scope(dict.fromkeys((GALLERY, DEFINITION, VERSION, EAST))))
        assert (dict(scan.observed), scan.matching, dict(scan.unreachable)) == ({}, frozenset(), {})

    def test_a_lost_answer_is_had_again_by_asking_again(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        first = publish(provider, source, {EAST: 2})
        again = publish(provider_world.provider(), source, {EAST: 2})
        for address in (VERSION, EAST):
            assert applied(again, address).canonical == applied(first, address).canonical
            assert applied(again, address).object_id == applied(first, address).object_id
        assert disks_of(again) == disks_of(first)
        assert provider_world.copies(EAST) == [CONTENT, CONTENT]

    @pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION, EAST], ids=str)
    def test_an_object_without_our_mark_is_neither_taken_nor_deleted(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes, address: Address
    ) -> None:
        provider_world.make_foreign(address)
        before = provider_world.objects()
        seen = provider.read(address)
        assert seen is not None
        assert seen.mark is None
        attributes: Attributes = {GALLERY: GALLERY_ATTRIBUTES, DEFINITION: DEFINITION_ATTRIBUTES}.get(address) or (
            region_attributes() if address.region else version_attributes(source)
        )
        version = version_attributes(source) if address.version else None
        for step in (Step(Verb.CREATE, address, attributes), Step(Verb.DELETE, address, prior=attributes)):
            assert isinstance(failed(run(provider, step, version=version), address), ObjectConflict)
        assert provider_world.objects() == before

    def test_an_object_of_another_state_is_neither_taken_nor_deleted(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        publish(provider, source, {EAST: 1})
        before = provider_world.objects()
        version = version_attributes(source)
        create = Step(Verb.CREATE, EAST, region_attributes())
        delete = Step(Verb.DELETE, EAST, prior=region_attributes())
        own = Step(Verb.DELETE, VERSION, prior=version)
        for step in (create, delete, own):
            results = run(provider, step, version=version, lineage=OTHER_LINEAGE)
            assert isinstance(failed(results, step.address), ObjectConflict)
        assert provider_world.objects() == before
        assert provider_world.copies(EAST) == [CONTENT]

    def test_deleting_leaves_nothing_and_deleting_again_is_fine(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        publish(provider, source, {EAST: 2, WEST: 1})
        version = version_attributes(source)
        regions = [Step(Verb.DELETE, region, prior=region_attributes()) for region in (EAST, WEST)]
        for _ in range(2):
            results = run(provider, *regions, Step(Verb.DELETE, VERSION, prior=version), version=version)
            assert [applied(results, address) for address in (EAST, WEST, VERSION)] == [Applied()] * 3
            for address, attributes in ((DEFINITION, DEFINITION_ATTRIBUTES), (GALLERY, GALLERY_ATTRIBUTES)):
                assert run(provider, Step(Verb.DELETE, address, prior=attributes)) == {address: Applied()}
        assert provider_world.objects() == []

    def test_deleting_one_region_leaves_the_others(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        publish(provider, source, {EAST: 1, WEST: 1})
        run(provider, Step(Verb.DELETE, WEST, prior=region_attributes()), version=version_attributes(source))
        assert provider.read(WEST) is None
        assert provider_world.copies(EAST) == [CONTENT]
        assert provider.read(VERSION) is not None

    def test_an_unreachable_world_is_not_an_empty_one(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        results = publish(provider, source, {EAST: 1})
        wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST)}
        with provider_world.unreachable():
            scan = provider_world.provider().scan(Scope(wanted))
            assert scan.unreachable.keys() == wanted.keys()
            assert not scan.observed
            assert not scan.matching
        assert provider.scan(Scope(wanted)).matching == wanted.keys()

    def test_attributes_change_in_place(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        results = publish(provider, source, {EAST: 1})
        prior = {GALLERY: GALLERY_ATTRIBUTES, VERSION: version_attributes(source), EAST: region_attributes()}
        changed: dict[Address, Attributes] = {
            GALLERY: {**GALLERY_ATTRIBUTES, "description": "golden"},
            VERSION: version_attributes(source, tags={"owner": "ada"}),
            EAST: region_attributes(excluded=True),
        }
        for address, planned in changed.items():
            step = Step(Verb.UPDATE, address, planned, prior[address])
            after = run(provider, step, version=changed[VERSION], computed=disks_of(results))
            seen = provider_world.provider().read(address)
            assert seen is not None
            assert seen.canonical == applied(after, address).canonical == canonical_json(planned)
            assert seen.fingerprint == applied(after, address).fingerprint
        assert provider_world.copies(EAST) == [CONTENT]
        version = provider.read(VERSION)
        assert version is not None
        assert json.loads(version.computed) == disks_of(results)

    def test_an_unchanged_world_only_matches(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        results = publish(provider, source, {EAST: 1, WEST: 2})
        wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
        scan = provider_world.provider().scan(Scope({**wanted, NORTH: None}))
        assert scan.matching == wanted.keys()
        assert not scan.observed
        assert not scan.unreachable
        assert not scan.unmanaged

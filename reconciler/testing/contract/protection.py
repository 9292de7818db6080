"""Protection and seals: what descriptions keep so that it outlives records, state and manifests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import Provider, Step, Verb
from reconciler.testing.contract.case import ContractCase
from reconciler.testing.galleries import (
    DEFINITION_ATTRIBUTES,
    GALLERY_ATTRIBUTES,
    create_containers,
    create_steps,
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
    LINEAGE,
    VERSION,
    Attributes,
    applied,
    failed,
    owner_of,
    run,
)
from reconciler.testing.worlds import ProviderWorld

CONTAINERS = (GALLERY, DEFINITION, VERSION)


def _sealed(owner: Owner) -> Owner:
    """The state once all its marks are sealed."""
    return replace(owner, accepts_unsealed=False)


class _WithoutSeals(Owner):
    """An earlier release, which wrote no seals."""

    __slots__ = ()

    def _seal(self, address: Address) -> str:
        return ""


class _ForgedSeals(Owner):
    """Somebody who knows the lineage, and not the key."""

    __slots__ = ()

    def _seal(self, address: Address) -> str:
        return "0" * 32


class ProtectionCases(ContractCase):
    """What backends promise that keep protection (`Capabilities.keeps_protection`) in descriptions."""

    def test_protection_is_kept_with_the_object_and_changes_in_place(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        assert provider.capabilities().keeps_protection
        computed = disks_of(publish(provider, source, {EAST: 1}))
        attributes = {GALLERY: GALLERY_ATTRIBUTES, DEFINITION: DEFINITION_ATTRIBUTES}
        for address in CONTAINERS:
            planned = attributes.get(address) or version_attributes(source)
            for protect in (True, False):
                step = Step(Verb.UPDATE, address, planned, planned, protect=protect)
                result = run(provider, step, version=version_attributes(source), computed=computed)
                seen = provider_world.provider().read(address)
                assert seen is not None
                assert seen.protected is protect
                assert seen.canonical == applied(result, address).canonical
                assert seen.computed == applied(result, address).computed
        assert provider_world.copies(EAST) == [CONTENT]

    def test_what_is_created_protected_is_protected(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        create_containers(provider)
        own, region = create_steps(source, {EAST: 1})
        run(provider, replace(own, protect=True), region, version=version_attributes(source))
        seen = provider_world.provider().read(VERSION)
        assert seen is not None
        assert seen.protected

    @pytest.mark.parametrize("typed", [_WithoutSeals, _ForgedSeals])
    def test_a_mark_that_somebody_typed_does_not_make_an_object_ours(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes, typed: type[Owner]
    ) -> None:
        """It names the state and the address, and has no seal or an invented one."""
        publish(provider, source, {EAST: 1}, writer=Writer(typed(LINEAGE, b"another key", accepts_unsealed=True)))
        owner, before = _sealed(owner_of()), provider_world.objects()
        version = version_attributes(source)
        for address in (VERSION, EAST):
            seen = provider.read(address)
            assert seen is not None
            assert not owner.owns(seen.mark, address)
            planned = region_attributes() if address.region else version
            for step in (Step(Verb.CREATE, address, planned), Step(Verb.DELETE, address, prior=planned)):
                results = run(provider, step, version=version, writer=Writer(owner))
                assert isinstance(failed(results, address), ObjectConflict)
        assert provider_world.objects() == before

    def test_an_unsealed_mark_is_ours_while_such_are_accepted_and_sealed_by_an_update(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        """As in an estate of a release that had no seals."""
        earlier = _WithoutSeals(LINEAGE, accepts_unsealed=True)
        accepting = Writer(replace(owner_of(), accepts_unsealed=True))
        computed = disks_of(publish(provider, source, {EAST: 1}, writer=Writer(earlier)))
        version = version_attributes(source)
        for address in (VERSION, EAST):
            seen = provider.read(address)
            assert seen is not None
            assert accepting.owner.owns(seen.mark, address)
        steps = (
            Step(Verb.UPDATE, VERSION, version, version),
            Step(Verb.UPDATE, EAST, region_attributes(), region_attributes()),
        )
        run(provider, *steps, version=version, computed=computed, writer=accepting)
        for address in (VERSION, EAST):
            seen = provider_world.provider().read(address)
            assert seen is not None
            assert _sealed(owner_of()).owns(seen.mark, address)
        assert provider_world.copies(EAST) == [CONTENT]

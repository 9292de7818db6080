"""Places: another directory, pool or resource group behind a region is not a region from which everything vanished."""

from __future__ import annotations

import pytest

from reconciler.providers.errors import Unavailable
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Provider, Scope, Step, Verb
from reconciler.testing.contract.case import ContractCase
from reconciler.testing.galleries import publish, region_attributes, version_attributes
from reconciler.testing.operations import (
    DEFINITION,
    EAST,
    GALLERY,
    LINEAGE,
    OTHER_LINEAGE,
    VERSION,
    WEST,
    Attributes,
    applied,
    failed,
    run,
    writer_of,
)
from reconciler.testing.worlds import PlacedWorld

REGIONS = ("eastus", "westus")


class PlaceCases(ContractCase):
    """What backends promise whose places have identities."""

    def test_a_place_keeps_its_identity(self, provider_world: PlacedWorld, provider: Provider) -> None:
        """Also when another state claims it."""
        claimed = provider.claim(REGIONS, writer_of())
        assert claimed.keys() == set(REGIONS)
        assert len({*claimed.values(), ""}) == 3
        for lineage in (LINEAGE, OTHER_LINEAGE):
            assert provider_world.provider().claim(REGIONS, writer_of(lineage)) == claimed
        assert provider_world.objects() == []

    def test_claiming_needs_the_lease(self, provider_world: PlacedWorld, provider: Provider) -> None:
        class Lost(Exception):
            pass

        def lost() -> None:
            raise Lost

        with pytest.raises(Lost):
            provider.claim(REGIONS, Writer(writer_of().owner, 1, lost))

    def test_in_its_place_everything_is_as_without_one(
        self, provider_world: PlacedWorld, provider: Provider, source: Attributes
    ) -> None:
        places = provider.claim(REGIONS, writer_of())
        results = publish(provider, source, {EAST: 1, WEST: 1})
        wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
        scan = provider_world.provider().scan(Scope(wanted, unmanaged=True, places=places))
        assert scan.matching == wanted.keys()
        assert not scan.unreachable
        assert {one.address for one in scan.unmanaged} == {GALLERY, DEFINITION}

    def test_what_vanished_from_its_place_is_absent(
        self, provider_world: PlacedWorld, provider: Provider, source: Attributes
    ) -> None:
        places = provider.claim(REGIONS, writer_of())
        results = publish(provider, source, {EAST: 1, WEST: 1})
        provider_world.empty("westus")
        wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
        scan = provider_world.provider().scan(Scope(wanted, places=places))
        assert scan.matching == {VERSION, EAST}
        assert not scan.observed
        assert not scan.unreachable

    @pytest.mark.parametrize("content", ["empty", "other", "nothing"])
    def test_in_another_place_nothing_is_known_of_a_region(
        self, provider_world: PlacedWorld, provider: Provider, source: Attributes, content: str
    ) -> None:
        places = provider.claim(REGIONS, writer_of())
        results = publish(provider, source, {EAST: 1, WEST: 1})
        wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
        with provider_world.in_place("westus", content):
            scan = provider_world.provider().scan(Scope(wanted, places=places))
            assert scan.unreachable.keys() == {WEST}
            assert "westus" in scan.unreachable[WEST]
            assert scan.matching == {VERSION, EAST}
        with provider_world.in_place("eastus", content):
            scan = provider_world.provider().scan(Scope(dict.fromkeys(wanted), places=places))
            assert scan.unreachable.keys() == {VERSION, EAST}
            assert scan.perhaps_in[VERSION] == {"eastus"}
        assert provider.scan(Scope(wanted, places=places)).matching == wanted.keys()

    @pytest.mark.parametrize("content", ["empty", "other", "nothing"])
    def test_nothing_is_written_to_another_place_than_was_scanned(
        self, provider_world: PlacedWorld, provider: Provider, source: Attributes, content: str
    ) -> None:
        """As when a disk is unmounted between the plan and the apply."""
        places = provider.claim(REGIONS, writer_of())
        publish(provider, source, {EAST: 1})
        provider.scan(Scope({WEST: None}, places=places))
        with provider_world.in_place("westus", content):
            before = provider_world.objects()
            step = Step(Verb.CREATE, WEST, region_attributes())
            results = run(provider, step, version=version_attributes(source))
            assert isinstance(failed(results, WEST), Unavailable)
            provider.tidy((VERSION, WEST), writer_of())
            assert provider_world.objects() == before

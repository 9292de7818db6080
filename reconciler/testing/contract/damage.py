"""Damage: copies that others changed, found and repaired."""

from __future__ import annotations

from contextlib import suppress

import pytest

from reconciler.manifests.address import Address
from reconciler.providers.errors import LeaseLost, SourceError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Condition, Provider, Scope, Step, Verb
from reconciler.testing.contract.case import ContractCase
from reconciler.testing.galleries import (
    disks_of,
    publish,
    region_attributes,
    version_attributes,
)
from reconciler.testing.operations import (
    CONTENT,
    EAST,
    LINEAGE,
    VERSION,
    WEST,
    Attributes,
    applied,
    failed,
    owner_of,
    run,
    writer_of,
)
from reconciler.testing.worlds import DamageableWorld


class DamageCases(ContractCase):
    """What backends promise whose copies can be damaged behind their back."""

    @pytest.mark.parametrize("change", ["changed", "gone"])
    def test_without_the_recorded_content_anywhere_nothing_is_published(
        self, provider_world: DamageableWorld, provider: Provider, source: Attributes, change: str
    ) -> None:
        computed = disks_of(publish(provider, source, {EAST: 1}))
        provider_world.damage(EAST)
        if change == "gone":
            provider_world.remove_image(source)
        else:
            provider_world.image("ubuntu.raw", CONTENT[::-1])
        before = provider_world.objects()
        step = Step(Verb.CREATE, WEST, region_attributes())
        error = failed(run(provider, step, version=version_attributes(source), computed=computed), WEST)
        assert isinstance(error, SourceError)
        assert error.remedy
        assert provider_world.objects() == before

    @pytest.mark.parametrize("harm", ["damage", "truncate", "lose"])
    def test_a_damaged_copy_is_found_and_repaired(
        self, provider_world: DamageableWorld, provider: Provider, source: Attributes, harm: str
    ) -> None:
        results = publish(provider, source, {EAST: 1, WEST: 1})
        getattr(provider_world, harm)(EAST)
        wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
        scan = provider_world.provider().scan(Scope(wanted))
        assert scan.matching == {VERSION, WEST}
        assert scan.observed[EAST].condition is Condition.DAMAGED
        assert owner_of().owns(scan.observed[EAST].mark, EAST)
        assert scan.observed[EAST].defects
        step = Step(Verb.REPLACE, EAST, region_attributes(), region_attributes())
        repaired = run(provider, step, version=version_attributes(source), computed=disks_of(results))
        assert provider_world.copies(EAST) == [CONTENT]
        fingerprint = applied(repaired, EAST).fingerprint
        assert provider.scan(Scope({EAST: fingerprint})).matching == {EAST}

    def test_a_deep_scan_reads_every_byte(
        self, provider_world: DamageableWorld, provider: Provider, source: Attributes
    ) -> None:
        results = publish(provider, source, {EAST: 1, WEST: 1})
        wanted = {region: applied(results, region).fingerprint for region in (EAST, WEST)}
        heard: list[tuple[Address, int, int]] = []
        scan = provider.scan(Scope(wanted, deep=True), lambda *told: heard.append(told))
        assert not scan.matching
        assert {one.condition for one in scan.observed.values()} == {Condition.READY}
        assert {address for address, _, _ in heard} == {EAST, WEST}
        assert all(done <= total for _, done, total in heard)
        provider_world.damage(WEST)
        scan = provider.scan(Scope(wanted, deep=True))
        assert [scan.observed[region].condition for region in (EAST, WEST)] == [Condition.READY, Condition.DAMAGED]

    def test_an_interrupted_change_never_costs_the_last_whole_copy(
        self, provider_world: DamageableWorld, provider: Provider, source: Attributes
    ) -> None:
        """One of two replicas goes; the run ends at any of its effects; then the one that was to stay is damaged."""
        version, two, one = version_attributes(source), region_attributes(2), region_attributes(1)
        computed = disks_of(publish(provider, source, {EAST: 2}))
        for effects in range(_MOST_EFFECTS):
            writer = _ending_after(effects)
            with suppress(LeaseLost):
                run(provider, Step(Verb.UPDATE, EAST, one, two), version=version, computed=computed, writer=writer)
            provider_world.damage(EAST)
            whole = provider_world.copies(EAST).count(CONTENT)
            provider.tidy([EAST.unit, EAST], writer_of(LINEAGE, 2 + effects), [EAST.unit, EAST])
            assert provider_world.copies(EAST).count(CONTENT) == whole, effects
            repair = Step(Verb.REPLACE, EAST, two, one, recorded=True, repairs=True)
            repaired = run(provider, repair, version=version, computed=computed, fence=2 + effects)
            assert applied(repaired, EAST).object_id
            assert provider_world.copies(EAST) == [CONTENT] * 2


_MOST_EFFECTS = 12


def _ending_after(effects: int) -> Writer:
    """A run that is over after so many effects."""
    left = iter(range(effects))

    def require() -> None:
        if next(left, None) is None:
            raise LeaseLost("the run is over")

    return Writer(owner_of(LINEAGE), 1 + effects, require)

"""Leases: a run that lost its lease changes nothing, and no run touches what a later one wrote."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.providers.errors import ObjectConflict, ProviderError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Observed, Provider, Step, Verb
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
    LINEAGE,
    NORTH,
    VERSION,
    WEST,
    Attributes,
    Results,
    applied,
    owner_of,
    run,
)
from reconciler.testing.worlds import FencedWorld, ProviderWorld

_EVERYTHING = (GALLERY, DEFINITION, VERSION, EAST, WEST, NORTH)


class _LeaseLost(ReconcilerError):
    """What the engine raises."""


def _lost() -> None:
    raise _LeaseLost("the lease was lost")


def _steps(source: Attributes) -> Iterator[Step]:
    """One step of each verb that applies, for each kind of object."""
    version = version_attributes(source)
    attributes = {GALLERY: GALLERY_ATTRIBUTES, DEFINITION: DEFINITION_ATTRIBUTES, VERSION: version}
    for address, planned in attributes.items():
        yield Step(Verb.UPDATE, address, {**planned, "tags": {"owner": "ada"}}, planned)
        yield Step(Verb.DELETE, address, prior=planned)
    yield Step(Verb.CREATE, Address("new"), GALLERY_ATTRIBUTES)
    yield Step(Verb.CREATE, NORTH, region_attributes())
    for count in (1, 3):
        yield Step(Verb.UPDATE, EAST, region_attributes(count, excluded=True), region_attributes(2))
    yield Step(Verb.REPLACE, EAST, region_attributes(2), region_attributes(2))
    yield Step(Verb.DELETE, EAST, prior=region_attributes(2))


def _seen(provider: Provider) -> list[Observed | None]:
    return [provider.read(address) for address in _EVERYTHING]


class LeaseCases(ContractCase):
    """What backends promise of runs that are no longer the latest."""

    def test_a_run_without_its_lease_changes_nothing(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        computed = disks_of(publish(provider, source, {EAST: 2, WEST: 1}))
        before, objects = _seen(provider), provider_world.objects()
        writer = Writer(owner_of(), 1, _lost)
        for step in _steps(source):
            version = version_attributes(source) if step.address.version else None
            results: Results = {}
            with contextlib.suppress(ReconcilerError):
                results = run(provider, step, version=version, computed=computed, writer=writer)
            assert not any(isinstance(result, Applied) for result in results.values()), step
            assert provider_world.objects() == objects, step
            assert _seen(provider_world.provider()) == before, step
        assert provider_world.copies(EAST) == [CONTENT, CONTENT]

    def test_a_run_that_loses_its_lease_halfway_publishes_nothing_more(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        """Whenever that is: what is there is one of the states that an undisturbed run goes through."""
        computed = disks_of(publish(provider, source, {EAST: 1, WEST: 1}))
        steps = (Step(Verb.CREATE, NORTH, region_attributes()), Step(Verb.DELETE, WEST, prior=region_attributes()))
        version = version_attributes(source)
        for after in range(1, 100):
            left = [after]

            def lapse(left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] < 0:
                    _lost()

            with contextlib.suppress(ReconcilerError):
                run(provider, *steps, version=version, computed=computed, writer=Writer(owner_of(), 0, lapse))
            assert provider_world.copies(EAST) == [CONTENT]
            seen = provider_world.provider().read(NORTH)
            assert provider_world.copies(NORTH) == ([CONTENT] if seen is not None and not seen.defects else [])
            if left[0] >= 0:
                break
            provider_world.provider().tidy((NORTH, WEST), Writer(owner_of(), 1))
        assert provider_world.copies(NORTH) == [CONTENT]
        assert provider_world.copies(WEST) == []

    def test_what_a_later_run_wrote_is_not_touched(
        self, provider_world: ProviderWorld, provider: Provider, source: Attributes
    ) -> None:
        computed = disks_of(publish(provider, source, {EAST: 2, WEST: 1}, fence=7))
        for address, attributes in ((GALLERY, GALLERY_ATTRIBUTES), (DEFINITION, DEFINITION_ATTRIBUTES)):
            applied(run(provider, Step(Verb.UPDATE, address, attributes, attributes), fence=7), address)
        before, objects = _seen(provider), provider_world.objects()
        assert {one.fence for one in before if one} == {7}
        version = version_attributes(source)
        written = [step for step in _steps(source) if step.address in _EVERYTHING and step.address != NORTH]
        for step in (*written, Step(Verb.CREATE, EAST, region_attributes(2)), Step(Verb.CREATE, VERSION, version)):
            own = version if step.address.version else None
            error = run(provider, step, version=own, computed=computed, fence=6)[step.address]
            assert isinstance(error, ProviderError), step
            assert not isinstance(error, ObjectConflict), step
            assert "later run" in error.message
            assert error.remedy
            assert provider_world.objects() == objects, step
            assert _seen(provider_world.provider()) == before, step
        step = Step(Verb.DELETE, WEST, prior=region_attributes())
        assert run(provider, step, version=version, fence=8) == {WEST: Applied()}


class FenceCases(ContractCase):
    """What backends promise whose interrupted runs leave something."""

    @pytest.mark.parametrize(("writer", "stays"), [(4, False), (5, False), (3, True)])
    def test_only_what_earlier_runs_left_is_tidied(
        self, provider_world: FencedWorld, provider: Provider, writer: int, *, stays: bool
    ) -> None:
        provider_world.leave_unfinished(EAST, LINEAGE, fence=4)
        left = provider_world.objects()
        provider.tidy((EAST,), Writer(owner_of(), writer))
        assert provider_world.objects() == (left if stays else [])

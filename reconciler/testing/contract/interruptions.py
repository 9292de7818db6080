"""Interruptions: what killed runs leave, and regions that fail."""

from __future__ import annotations

from reconciler.providers.protocol import Applied, Condition, Provider, Step, Verb
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
    NORTH,
    WEST,
    Attributes,
    applied,
    failed,
    run,
)
from reconciler.testing.worlds import InterruptibleWorld


class InterruptionCases(ContractCase):
    """What backends promise that can be interrupted halfway, or fail in one region alone."""

    def test_a_failing_region_leaves_the_others_done(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes
    ) -> None:
        with provider_world.failing("westus"):
            results = publish(provider, source, {EAST: 1, WEST: 1, NORTH: 1})
            assert failed(results, WEST).remedy
            seen = provider.read(WEST)
            assert seen is None or seen.condition is Condition.INCOMPLETE
        assert provider_world.copies(EAST) == provider_world.copies(NORTH) == [CONTENT]
        again = Step(Verb.CREATE, WEST, region_attributes())
        applied(run(provider, again, version=version_attributes(source), computed=disks_of(results)), WEST)
        assert provider_world.copies(WEST) == [CONTENT]

    def test_what_a_killed_run_left_is_made_again(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes
    ) -> None:
        provider_world.leave_unfinished(EAST, LINEAGE)
        assert provider.read(EAST) is None
        publish(provider, source, {EAST: 1})
        assert provider_world.copies(EAST) == [CONTENT]
        assert not [name for name in provider_world.objects() if "staging" in name]

    def test_what_a_killed_run_left_goes_with_a_deletion(
        self, provider_world: InterruptibleWorld, provider: Provider, source: Attributes
    ) -> None:
        provider_world.leave_unfinished(EAST, LINEAGE)
        assert applied(run(provider, Step(Verb.DELETE, EAST, prior=region_attributes())), EAST) == Applied()
        assert provider_world.objects() == []

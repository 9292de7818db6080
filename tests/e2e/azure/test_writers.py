"""Who may write to an object: the owner whose key sealed its tags, in a run that still has its lease, and that no later
run has overtaken."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.world import COMPUTE_ID, GROUP_ID, AzureWorld

from reconciler.manifests.address import Address
from reconciler.providers.errors import LeaseLost, ObjectConflict, ProviderError
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import Applied, Done, InProgress, Operation, Provider, Scope, Step, Verb
from reconciler.testing.galleries import (
    DEFINITION_ATTRIBUTES,
    GALLERY_ATTRIBUTES,
    create_steps,
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
    WEST,
    Results,
    applied,
    failed,
    owner_of,
    run,
    writer_of,
)

GALLERY_ID = f"{COMPUTE_ID}/galleries/corp"
IDS = {
    GALLERY: GALLERY_ID,
    DEFINITION: f"{GALLERY_ID}/images/ubuntu",
    VERSION: f"{GALLERY_ID}/images/ubuntu/versions/1.0.3",
}
STRICT = replace(owner_of(), accepts_unsealed=False)


@pytest.fixture
def world(tmp_path: Path, azurite: RunningAzurite) -> Iterator[AzureWorld]:
    world = AzureWorld(tmp_path, azurite)
    yield world
    world.close()


def tags_of(world: AzureWorld, address: Address) -> dict[str, str]:
    tags: dict[str, str] = world.call("GET", IDS[address])["tags"]
    return tags


def set_tags(world: AzureWorld, address: Address, **tags: str) -> None:
    """Another client edits the tags; an empty value removes one."""
    names = {name.replace("_", "-"): value for name, value in tags.items()}
    edited = {name: value for name, value in {**tags_of(world, address), **names}.items() if value}
    world.call("PATCH", IDS[address], {"tags": edited})


def finished(world: AzureWorld, writer: Writer, *steps: Step, **more: Any) -> Mapping[Address, Applied | ProviderError]:
    """The results of an operation of this writer."""
    provider = world.provider()
    begun = provider.begin(Operation(steps[0].address.unit, writer, steps, **more), lambda *_: None)
    return polled(provider, writer, [begun])


UPDATES = {
    GALLERY: Step(Verb.UPDATE, GALLERY, {**GALLERY_ATTRIBUTES, "description": "d"}, GALLERY_ATTRIBUTES),
    DEFINITION: Step(Verb.UPDATE, DEFINITION, {**DEFINITION_ATTRIBUTES, "description": "d"}, DEFINITION_ATTRIBUTES),
    VERSION: Step(Verb.UPDATE, EAST, region_attributes(2), region_attributes()),
}
DELETES = {address: Step(Verb.DELETE, address) for address in UPDATES}


@pytest.mark.parametrize("address", list(UPDATES), ids=["gallery", "definition", "version"])
def test_a_seal_that_is_not_ours_hands_nothing_over(world: AzureWorld, address: Address) -> None:
    source = world.image("boot.raw", CONTENT)
    publish(world.provider(), source, {EAST: 1})
    seen = world.provider().read(address)
    assert seen is not None
    assert STRICT.owns(seen.mark, address)
    for seal in ("", "7 00112233445566778899aabbccddeeff", "typed"):
        set_tags(world, address, reconciler_seal=seal)
        seen = world.provider().read(address)
        assert seen is not None
        assert not STRICT.owns(seen.mark, address)
        for step in (UPDATES[address], DELETES[address]):
            results = finished(world, Writer(STRICT, 1), step, version=version_attributes(source))
            error = failed(results, step.address)
            assert isinstance(error, ObjectConflict)
            assert f"names {address} of this state in an owner mark without the right seal" in error.message


@pytest.mark.parametrize("address", list(UPDATES), ids=["gallery", "definition", "version"])
def test_the_next_write_seals_a_mark_of_an_earlier_release(world: AzureWorld, address: Address) -> None:
    source = world.image("boot.raw", CONTENT)
    publish(world.provider(), source, {EAST: 1})
    set_tags(world, address, reconciler_seal="")
    same = {
        GALLERY: Step(Verb.UPDATE, GALLERY, GALLERY_ATTRIBUTES, GALLERY_ATTRIBUTES),
        DEFINITION: Step(Verb.UPDATE, DEFINITION, DEFINITION_ATTRIBUTES, DEFINITION_ATTRIBUTES),
        VERSION: Step(Verb.UPDATE, VERSION, version_attributes(source), version_attributes(source)),
    }[address]
    accepting = Writer(replace(owner_of(), accepts_unsealed=True), 4)
    applied(run(world.provider(), same, version=version_attributes(source), writer=accepting), address)
    seen = world.provider().read(address)
    assert seen is not None
    assert STRICT.owns(seen.mark, address)
    assert seen.fence == 4


def test_tags_of_the_longest_names_are_within_the_limit(world: AzureWorld) -> None:
    longest = Address("g" * 80)
    applied(run(world.provider(), Step(Verb.CREATE, longest, GALLERY_ATTRIBUTES), fence=10**12), longest)
    inside = longest._replace(definition="d" * 80)
    applied(run(world.provider(), Step(Verb.CREATE, inside, DEFINITION_ATTRIBUTES), fence=10**12), inside)
    seen = world.provider().read(inside)
    assert seen is not None
    assert STRICT.owns(seen.mark, inside)


@pytest.mark.parametrize("address", list(UPDATES), ids=["gallery", "definition", "version"])
def test_what_a_later_run_wrote_is_not_touched(world: AzureWorld, address: Address) -> None:
    source = world.image("boot.raw", CONTENT)
    publish(world.provider(), source, {EAST: 1}, fence=8)
    for place in (GALLERY, DEFINITION):
        again = {GALLERY: GALLERY_ATTRIBUTES, DEFINITION: DEFINITION_ATTRIBUTES}[place]
        applied(run(world.provider(), Step(Verb.UPDATE, place, {**again, "description": "8"}), fence=8), place)
    before = world.call("GET", IDS[address])
    for step in (UPDATES[address], DELETES[address]):
        results = run(world.provider(), step, version=version_attributes(source), fence=7)
        assert "written by a later run (fence 8)" in failed(results, step.address).message
    assert world.call("GET", IDS[address]) == before


def test_protection_is_kept_in_the_tags(world: AzureWorld) -> None:
    source = world.image("boot.raw", CONTENT)
    provider = world.provider()
    planned: Mapping[Address, Any] = {
        GALLERY: GALLERY_ATTRIBUTES,
        DEFINITION: DEFINITION_ATTRIBUTES,
        VERSION: version_attributes(source),
    }
    assert provider.capabilities().keeps_protection
    for address in (GALLERY, DEFINITION):
        applied(run(provider, Step(Verb.CREATE, address, planned[address], protect=True)), address)
    own, *others = create_steps(source, {EAST: 1})
    run(provider, replace(own, protect=True), *others, version=planned[VERSION])
    seen = provider.scan(Scope(dict.fromkeys((*planned, EAST)))).observed
    assert [seen[address].protected for address in (*planned, EAST)] == [True, True, True, False]
    run(provider, Step(Verb.UPDATE, EAST, region_attributes(2)), version=planned[VERSION])
    again = provider.read(VERSION)
    assert again is not None
    assert again.protected
    for address, attributes in planned.items():
        before = seen[address].fingerprint
        step = Step(Verb.UPDATE, address, attributes, attributes)
        applied(run(provider, step, version=planned[VERSION]), address)
        now = provider.read(address)
        assert now is not None
        assert not now.protected
        assert now.fingerprint != before


# Leases.


class Lease:
    """A lease that is lost after so many questions; `asked` counts them."""

    def __init__(self, lasts: int) -> None:
        self.asked, self._lasts = 0, lasts

    def require(self) -> None:
        self.asked += 1
        if self.asked > self._lasts:
            raise LeaseLost("the lease on 'corp' was lost to another run")


def content(world: AzureWorld) -> list[Any]:
    """Everything in the resource group, with all its tags, and all blobs."""
    with world.emulator.service.store.transaction():
        bodies = [one.body for one in world.emulator.service.store.below(GROUP_ID)]
    return [*bodies, *world.objects()]


def work(world: AzureWorld, source: Mapping[str, Any], owner: Owner, lease: Lease) -> Iterator[None]:
    """Creates, changes and deletes everything; stops after each operation."""
    writer = Writer(owner, 1, lease.require)
    attributes = version_attributes(source)
    operations: tuple[tuple[Step, ...], ...] = (
        (Step(Verb.CREATE, GALLERY, GALLERY_ATTRIBUTES),),
        (Step(Verb.CREATE, DEFINITION, DEFINITION_ATTRIBUTES),),
        create_steps(source, {EAST: 1}),
        (Step(Verb.CREATE, WEST, region_attributes()),),
        (Step(Verb.UPDATE, WEST, region_attributes(2), region_attributes()),),
        (Step(Verb.REPLACE, WEST, {**region_attributes(2), "storageAccountType": "Premium_LRS"}),),
        (Step(Verb.DELETE, EAST), Step(Verb.DELETE, WEST), Step(Verb.DELETE, VERSION)),
        (Step(Verb.DELETE, DEFINITION),),
        (Step(Verb.DELETE, GALLERY),),
    )
    for steps in operations:
        results = finished(world, writer, *steps, version=attributes if steps[0].address.version else None)
        assert all(isinstance(result, Applied) for result in results.values()), results
        yield


def test_every_write_asks_for_the_lease_first_and_none_follows_its_loss(
    tmp_path: Path, azurite: RunningAzurite
) -> None:
    unlimited = Lease(1 << 30)
    undisturbed = AzureWorld(tmp_path / "whole", azurite)
    list(work(undisturbed, undisturbed.image("boot.raw", CONTENT), owner_of(), unlimited))
    assert undisturbed.objects() == []
    undisturbed.close()
    assert unlimited.asked > 12
    for lasts in range(unlimited.asked):
        world = AzureWorld(tmp_path / str(lasts), azurite)
        source, lease = world.image("boot.raw", CONTENT), Lease(lasts)
        with pytest.raises(LeaseLost):
            list(work(world, source, owner_of(), lease))
        left = content(world)
        world.emulator.service.advance()
        with pytest.raises(LeaseLost):
            list(work(world, source, owner_of(), lease))
        assert content(world) == left
        world.close()


def test_a_run_that_lost_its_lease_does_not_continue_what_it_began(world: AzureWorld) -> None:
    source = world.image("boot.raw", CONTENT)
    publish(world.provider(), source, {EAST: 1})
    world.set_time_scale(0.0005)
    provider, lease = world.provider(), Lease(1)
    region = Step(Verb.REPLACE, WEST, region_attributes())
    add = Step(Verb.CREATE, WEST, region_attributes())
    applied(run(provider, add, version=version_attributes(source)), WEST)
    operation = Operation(VERSION, Writer(owner_of(LINEAGE), 1, lease.require), (region,), version_attributes(source))
    handles = [provider.begin(operation, lambda *_: None)]
    with pytest.raises(LeaseLost):
        polled(provider, operation.writer, handles)
    assert lease.asked == 2
    assert provider.read(WEST) is None
    results = polled(provider, writer_of(LINEAGE, 2), handles[-1:])
    applied(results, WEST)
    assert world.copies(WEST) == [CONTENT]


def polled(provider: Provider, writer: Writer, answers: list[Done | InProgress]) -> Results:
    """The results of an operation, polled from the last answer on; every answer is added to `answers`."""
    while isinstance(answer := answers[-1], InProgress):
        time.sleep(min(answer.retry_after_s, 0.1))
        answers.append(provider.poll(json.loads(json.dumps(answer.handle)), writer, lambda *_: None))
    return answer.results

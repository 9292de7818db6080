"""A run that lost its lease changes nothing on any host, and no run touches what a later one wrote."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support.libvirt.galleries import PLACE, disks, publish, region
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.errors import ReconcilerError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Condition, Done, Operation, Provider, Step, Verb
from reconciler.testing.operations import (
    CONTENT,
    EAST,
    GALLERY,
    OTHER_LINEAGE,
    VERSION,
    WEST,
    applied,
    failed,
    run,
    writer_of,
)

Contents = Mapping[str, bytes]


class Lost(ReconcilerError):
    """What `require_lease` raises."""


class Lease:
    """A lease that is lost at call `at`; `contents` is what every pool contained at that moment."""

    def __init__(self, world: LibvirtWorld, at: int) -> None:
        self._world = world
        self._at = at
        self.calls = 0
        self.contents: Contents | None = None

    def require(self) -> None:
        self.calls += 1
        if 0 < self._at <= self.calls:
            if self.contents is None:
                self.contents = everything(self._world)
            raise Lost("the lease is lost")


def everything(world: LibvirtWorld) -> Contents:
    """Without the content of volumes that are being filled in westus: what was sent before may arrive later."""
    paths = [path for folder in world.folders.values() for path in folder.iterdir()]
    filled = {path for path in paths if path.parent == world.folders["westus"] and "-os-" in path.name}
    return {str(path): b"" if path in filled else path.read_bytes() for path in paths}


def do(provider: Provider, writer: Writer, operation: Operation) -> None:
    """Runs an operation; one step at least fails, or the whole of it, if the lease is lost."""
    answer = provider.begin(dataclasses.replace(operation, writer=writer), lambda *_: None)
    while not isinstance(answer, Done):
        answer = provider.poll(json.loads(json.dumps(answer.handle)), writer, lambda *_: None)


def operations(attributes: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Operation]:
    """Operations on a version that is published in eastus, by name."""

    def operation(*steps: Step) -> Operation:
        return Operation(VERSION, writer_of(fence=2), steps, attributes, known)

    return {
        "add": operation(Step(Verb.CREATE, WEST, region(2))),
        "more": operation(Step(Verb.UPDATE, EAST, region(2), region())),
        "repair": operation(Step(Verb.REPLACE, EAST, region(), region())),
        "describe": operation(Step(Verb.UPDATE, VERSION, {**attributes, "endOfLifeDate": "2040-01-01"}, attributes)),
        "delete": operation(Step(Verb.DELETE, EAST, prior=region()), Step(Verb.DELETE, VERSION, prior=attributes)),
    }


@pytest.mark.parametrize("name", ["add", "more", "repair", "describe", "delete"])
def test_nothing_changes_from_the_moment_at_which_the_lease_is_lost(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], name: str
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    operation = operations(attributes, {"disks": disks(results)})[name]
    at, lost = 0, 0
    while True:
        at += 1
        lease = Lease(world, at)
        try:
            do(provider, Writer(writer_of().owner, 2, lease.require), operation)
        except Lost:
            assert lease.contents == everything(world), f"changed after call {at}"
            lost += 1
            provider.tidy([VERSION, EAST, WEST], writer_of(fence=3))
            continue
        assert lease.calls < at
        break
    assert lost


def test_tidying_needs_the_lease(world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]) -> None:
    publish(provider, attributes, {EAST: 1})
    world.leave_unfinished(WEST, writer_of().lineage)
    before = world.objects()
    with pytest.raises(Lost):
        provider.tidy([WEST], Writer(writer_of().owner, 1, Lease(world, 1).require))
    assert world.objects() == before
    with pytest.raises(Lost):
        provider.claim(["westus"], Writer(writer_of().owner, 1, Lease(world, 1).require))
    assert world.objects() == before


def test_the_fence_of_the_last_run_is_observed(provider: Provider, attributes: dict[str, Any]) -> None:
    publish(provider, attributes, {EAST: 1})
    applied(run(provider, Step(Verb.UPDATE, GALLERY, PLACE, PLACE), fence=7), GALLERY)
    step = Step(Verb.UPDATE, EAST, region(2), region())
    applied(run(provider, step, version=attributes, computed={"disks": {"os": disk(provider)}}, fence=8), EAST)
    seen = {address: provider.read(address) for address in (GALLERY, EAST)}
    assert {address: one.fence for address, one in seen.items() if one} == {GALLERY: 7, EAST: 8}


def disk(provider: Provider) -> Mapping[str, Any]:
    seen = provider.read(EAST)
    assert seen is not None
    facts: Mapping[str, Any] = json.loads(seen.computed)["disks"]["os"]
    return facts


Change = Callable[[Provider, dict[str, Any], Mapping[str, Any], int], object]


def _update(provider: Provider, attributes: dict[str, Any], known: Mapping[str, Any], fence: int) -> object:
    step = Step(Verb.UPDATE, EAST, region(2), region())
    return run(provider, step, version=attributes, computed=known, fence=fence)[EAST]


def _repair(provider: Provider, attributes: dict[str, Any], known: Mapping[str, Any], fence: int) -> object:
    step = Step(Verb.REPLACE, EAST, region(), region())
    return run(provider, step, version=attributes, computed=known, fence=fence)[EAST]


def _delete(provider: Provider, attributes: dict[str, Any], known: Mapping[str, Any], fence: int) -> object:
    return run(provider, Step(Verb.DELETE, EAST, prior=region()), version=attributes, computed=known, fence=fence)[EAST]


@pytest.mark.parametrize("change", [_update, _repair, _delete])
def test_what_a_later_run_wrote_is_not_touched(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], change: Change
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    known = {"disks": disks(results)}
    applied(
        run(provider, Step(Verb.REPLACE, EAST, region(), region()), version=attributes, computed=known, fence=9), EAST
    )
    before = everything(world)
    late = change(provider, attributes, known, 8)
    assert "later run" in str(late)
    assert everything(world) == before
    assert isinstance(change(provider, attributes, known, 9), Applied)


def test_only_the_pending_volumes_of_earlier_runs_are_tidied(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1})
    world.leave_unfinished(WEST, writer_of().lineage, fence=5)
    before = world.objects()
    provider.tidy([WEST], writer_of(fence=4))
    assert world.objects() == before
    late = run(provider, Step(Verb.CREATE, WEST, region()), version=attributes, fence=4)
    assert "later run" in failed(late, WEST).message
    assert world.objects() == before
    provider.tidy([WEST], writer_of(OTHER_LINEAGE, fence=6))
    assert world.objects() == before
    provider.tidy([WEST], writer_of(fence=5))
    assert world.objects() != before
    assert not any("westus" in name for name in world.objects())


def test_a_mark_that_somebody_typed_owns_nothing(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    """The seal of the description is another state's, though lineage and address are ours."""
    publish(provider, attributes, {EAST: 1})
    stranger = Writer(dataclasses.replace(writer_of().owner, key=b"another key", accepts_unsealed=False))
    operation = Operation(VERSION, stranger, (Step(Verb.DELETE, EAST, prior=region()),), attributes)
    answer = provider.begin(operation, lambda *_: None)
    assert isinstance(answer, Done)
    assert "already exists and" in failed(answer.results, EAST).message
    seen = provider.read(EAST)
    assert seen is not None
    assert seen.condition is Condition.READY
    assert world.copies(EAST) == [CONTENT]


def test_protection_is_kept_in_the_description(provider: Provider) -> None:
    assert provider.capabilities().keeps_protection
    for protect, verb in ((True, Verb.CREATE), (False, Verb.UPDATE)):
        applied(run(provider, Step(verb, GALLERY, PLACE, PLACE, protect=protect)), GALLERY)
        seen = provider.read(GALLERY)
        assert seen is not None
        assert seen.protected == protect

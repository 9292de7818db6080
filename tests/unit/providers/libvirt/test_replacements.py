"""A version that is replaced has its old volumes until all new ones are complete, in every region."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.libvirt.daemons import POOLS
from support.libvirt.galleries import disks, publish, region, version
from support.libvirt.tiny_guest import TinyMachine
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Done, InProgress, Operation, Provider, Scope, Step, Verb
from reconciler.testing.operations import (
    CONTENT,
    EAST,
    NORTH,
    VERSION,
    WEST,
    applied,
    failed,
    run,
    writer_of,
)

NEW = bytes(reversed(CONTENT))


@pytest.fixture
def newer(world: LibvirtWorld) -> dict[str, Any]:
    """The attributes of the version with another image."""
    return version(world.image("new.raw", NEW))


def steps(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    replaced: tuple[Address, ...] = (EAST, WEST),
    *more: Step,
) -> tuple[Step, ...]:
    """A replacement as the engine orders it."""
    regions = (Step(Verb.REPLACE, one, region(), region()) for one in replaced)
    return (Step(Verb.REPLACE, VERSION, after, before), *regions, *more)


def volumes(world: LibvirtWorld) -> list[str]:
    return [name for name in world.objects() if "-os-" in name or "making" in name]


def test_all_regions_get_the_new_content_and_nothing_is_left_of_the_old(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any]
) -> None:
    assert provider.capabilities().stages_replacements
    publish(provider, attributes, {EAST: 2, WEST: 1})
    order = steps(attributes, newer, (EAST, WEST), Step(Verb.CREATE, NORTH, region()))
    results = run(provider, *order, version=newer)
    for address in (EAST, WEST, NORTH):
        assert world.copies(address) == [NEW]
    assert len(volumes(world)) == 3
    wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST, NORTH)}
    assert provider.scan(Scope(wanted)).matching == wanted.keys()


def test_a_region_that_the_version_no_longer_has_goes_last(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    results = run(provider, *steps(attributes, newer, (EAST,), Step(Verb.DELETE, WEST, prior=region())), version=newer)
    assert all(isinstance(result, Applied) for result in results.values())
    assert world.copies(EAST) == [NEW]
    assert world.copies(WEST) == []


def test_the_description_follows_the_home_region(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    results = run(provider, *steps(attributes, {**newer, "location": "westus"}), version=newer)
    applied(results, VERSION)
    named = [name for name in world.objects() if "~1.0.3.0" in name]
    assert [name.partition("/")[0] for name in named] == ["westus"]


def test_without_a_source_nothing_is_lost(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    before = world.objects()
    world.remove_image(newer["source"])
    results = run(provider, *steps(attributes, newer), version=newer)
    for address in (VERSION, EAST, WEST):
        assert "new.raw" in failed(results, address).message
    assert world.objects() == before
    assert world.copies(EAST) == world.copies(WEST) == [CONTENT]


def test_if_one_region_fails_all_are_left_as_they_are(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    order = steps(attributes, newer, (EAST, WEST), Step(Verb.CREATE, NORTH, region()))
    with world.failing("northeurope"):
        results = run(provider, *order, version=newer)
    for address in (VERSION, EAST, WEST, NORTH):
        failed(results, address)
    assert "was left as it is" in failed(results, EAST).message
    assert world.copies(EAST) == world.copies(WEST) == [CONTENT]
    assert len(volumes(world)) == 2


def test_a_version_in_use_is_refused_before_anything_changes(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any]
) -> None:
    publish(provider, attributes, {EAST: 1, WEST: 1})
    before = world.objects()
    host, pool = world.hosts["westus"], world.pools["westus"]
    (used,) = world.volumes(WEST)
    machine = TinyMachine(host, "user", pool, {"vda": used.name})
    machine.define()
    try:
        for order in (
            steps(attributes, newer),
            steps(attributes, newer, (EAST,), Step(Verb.DELETE, WEST, prior=region())),
        ):
            results = run(provider, *order, version=newer)
            assert "is used by the machine 'user'" in failed(results, WEST).message
            assert failed(results, VERSION)
            assert failed(results, EAST)
            assert world.objects() == before
    finally:
        host.virsh("undefine", "user")
    assert world.copies(EAST) == world.copies(WEST) == [CONTENT]


@contextmanager
def undeletable(world: LibvirtWorld, volume: Path, region_name: str) -> Iterator[None]:
    """Its file is a mount point, which cannot be unlinked."""
    host, target = world.hosts[region_name], f"{POOLS}/{world.pools[region_name]}/{volume.name}"
    host.run("mount", "--bind", target, target)
    try:
        yield
    finally:
        host.run("umount", target)


@pytest.mark.parametrize("alone", [True, False])
def test_new_volumes_stay_when_an_old_one_cannot_be_removed(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any], alone: bool
) -> None:
    known = {"disks": disks(publish(provider, attributes, {EAST: 1, WEST: 1}))}
    order = (Step(Verb.REPLACE, WEST, region(), region()),) if alone else steps(attributes, newer)
    with undeletable(world, world.volumes(WEST)[0], "westus"):
        if alone:
            results = run(provider, *order, version=attributes, computed=known)
        else:
            results = run(provider, *order, version=newer)
        assert failed(results, WEST)
        seen = provider.read(WEST)
        assert seen is not None
        assert not seen.defects
    provider.tidy([WEST], writer_of())
    assert world.copies(WEST) == [CONTENT if alone else NEW]
    assert not any("making" in name for name in world.objects())


class Killed(BaseException):
    """The process is gone."""


class Lost(ReconcilerError):
    """The lease is gone."""


@pytest.mark.parametrize("end", [Killed, Lost])
def test_an_interrupted_replacement_is_finished_by_the_next_run(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any], end: type[BaseException]
) -> None:
    """At every effect; at all times each region has the old image or the new one, whole."""
    publish(provider, attributes, {EAST: 1, WEST: 1})
    before, after = attributes, newer
    contents, at = [CONTENT, NEW], 0
    while True:
        at += 1
        calls = 0

        def require(stop: int = at) -> None:
            nonlocal calls
            calls += 1
            if calls >= stop:
                raise end("over")

        writer = Writer(writer_of().owner, at, require)
        operation = Operation(VERSION, writer, steps(before, after), after)
        answer = provider.begin(operation, lambda *_: None)
        assert isinstance(answer, InProgress)
        handle = json.loads(json.dumps(answer.handle))
        try:
            provider.poll(handle, writer, lambda *_: None)
        except end:
            interrupted = True
        else:
            interrupted = False
        for address in (EAST, WEST):
            seen = provider.read(address)
            assert seen is not None
            assert not seen.defects, f"after effect {at}"
        if interrupted:
            later = dataclasses.replace(writer, fence=at + 1, require_lease=lambda: None)
            done = provider.poll(handle, later, _quiet)
            assert isinstance(done, Done)
            assert all(isinstance(result, Applied) for result in done.results.values()), (at, done.results)
            provider.tidy([VERSION, EAST, WEST], later)
        assert world.copies(EAST) == world.copies(WEST) == [contents[1]], f"after effect {at}"
        assert len(volumes(world)) == 2, f"after effect {at}"
        before, after, contents = after, before, contents[::-1]
        if not interrupted:
            break
    assert at > 10


def _quiet(*_: object) -> None:
    """Nobody asks for the progress."""


def test_a_shallow_version_is_replaced_together_as_well(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], newer: dict[str, Any]
) -> None:
    before, after = ({**one, "replicationMode": "Shallow"} for one in (attributes, newer))
    publish(provider, before, {EAST: 1, WEST: 1})
    objects = world.objects()
    order = steps(before, after, (EAST, WEST), Step(Verb.CREATE, NORTH, region()))
    with world.failing("northeurope"):
        failed(run(provider, *order, version=after), EAST)
    assert [name for name in objects if "-os-" in name] == volumes(world)
    results = run(provider, *order, version=after)
    assert all(isinstance(result, Applied) for result in results.values()), results
    assert len(volumes(world)) == 6

"""Descriptions that somebody removed or emptied are written again, where record and bytes say whose they were."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.libvirt.galleries import PLACE, disks, publish, region
from support.libvirt.tiny_guest import TinyMachine
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Condition, Provider, Results, Scope, Step, Verb
from reconciler.testing.operations import (
    CONTENT,
    DEFINITION,
    EAST,
    GALLERY,
    VERSION,
    WEST,
    applied,
    failed,
    run,
    writer_of,
)

Harm = Callable[[Path], object]


def _half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


HARMS: dict[str, Harm] = {
    "removed": Path.unlink,
    "emptied": lambda path: os.truncate(path, 0),
    "cut short": _half,
    "overwritten": lambda path: path.write_bytes(b"\xff" * 64),
}


@pytest.fixture(params=sorted(HARMS))
def harm(request: pytest.FixtureRequest) -> Harm:
    return HARMS[request.param]


def sidecars(world: LibvirtWorld, address: Address) -> list[Path]:
    stem = ".reconciler~" + "~".join(part for part in address if part)
    return list(world.folders["eastus"].glob(f"{stem}.0*.json"))


def sidecar(world: LibvirtWorld, address: Address) -> Path:
    (found,) = sidecars(world, address)
    return found


def recorded(provider: Provider) -> dict[Address, str | None]:
    seen = {address: provider.read(address) for address in (GALLERY, DEFINITION, VERSION, EAST, WEST)}
    return {address: one.fingerprint for address, one in seen.items() if one is not None}


def repair(provider: Provider, attributes: dict[str, Any], results: Results, replicas: int = 1) -> Results:
    step = Step(Verb.REPLACE, EAST, region(replicas), region(replicas), recorded=True)
    return run(provider, step, version=attributes, computed={"disks": disks(results)})


def test_a_regions_description_is_written_again_without_a_copy(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm
) -> None:
    results = publish(provider, attributes, {EAST: 2, WEST: 1})
    known = recorded(provider)
    volumes = {path: path.stat().st_ino for path in world.volumes(EAST)}
    harm(sidecar(world, EAST))
    seen = provider.scan(Scope(known)).observed[EAST]
    assert (seen.condition, seen.mark_lost, seen.mark) == (Condition.DAMAGED, True, None)
    assert "the description of" in seen.defects[0]
    world.remove_image(attributes["source"])
    healed = applied(repair(provider, attributes, results, 2), EAST)
    assert {path: path.stat().st_ino for path in world.volumes(EAST)} == volumes
    assert provider.scan(Scope({EAST: healed.fingerprint})).matching == {EAST}
    assert world.copies(EAST) == [CONTENT] * 2


def test_volumes_in_use_do_not_prevent_it(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    harm(sidecar(world, EAST))
    host = world.hosts["eastus"]
    machine = TinyMachine(host, "uses-it", world.pools["eastus"], {"vda": world.volumes(EAST)[0].name})
    machine.define()
    try:
        applied(repair(provider, attributes, results), EAST)
    finally:
        host.virsh("undefine", "uses-it")


def test_what_is_missing_besides_is_copied(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm
) -> None:
    results = publish(provider, attributes, {EAST: 2, WEST: 1})
    harm(sidecar(world, EAST))
    world.lose(EAST)
    applied(repair(provider, attributes, results, 2), EAST)
    assert world.copies(EAST) == [CONTENT] * 2
    assert len(world.volumes(EAST)) == 2


def test_after_an_interruption_the_bytes_say_whose_it_is(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm
) -> None:
    """An object in the journal has no fingerprint that counts."""
    publish(provider, attributes, {EAST: 1})
    harm(sidecar(world, EAST))
    seen = provider.scan(Scope({EAST: None})).observed[EAST]
    assert seen.mark_lost
    world.damage(EAST)
    seen = provider.scan(Scope({EAST: None})).observed[EAST]
    assert not seen.mark_lost


def test_a_region_that_lost_everything_is_absent(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm
) -> None:
    results = publish(provider, attributes, {EAST: 1, WEST: 1})
    known = recorded(provider)
    harm(sidecar(world, EAST))
    world.lose(EAST)
    scan = provider.scan(Scope(known))
    assert EAST not in scan.observed
    assert EAST not in scan.matching
    step = Step(Verb.CREATE, EAST, region(), recorded=True)
    applied(run(provider, step, version=attributes, computed={"disks": disks(results)}), EAST)
    assert world.copies(EAST) == [CONTENT]


@pytest.mark.parametrize("strange", ["content", "volume"])
def test_what_is_not_ours_is_not_taken_over(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm, strange: str
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    known = recorded(provider)
    harm(sidecar(world, EAST))
    if strange == "content":
        world.damage(EAST)
    else:
        world.add_stray(EAST)
        assert not provider.scan(Scope(known)).observed[EAST].mark_lost
    before = world.volumes(EAST)
    error = failed(repair(provider, attributes, results), EAST)
    assert isinstance(error, ObjectConflict)
    assert "not ours" in error.message
    assert world.volumes(EAST) == before


def test_without_a_record_nothing_is_taken_over(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    harm(sidecar(world, EAST))
    step = dataclasses.replace(Step(Verb.REPLACE, EAST, region(), region()), recorded=False)
    assert isinstance(
        failed(run(provider, step, version=attributes, computed={"disks": disks(results)}), EAST), ObjectConflict
    )


def test_a_region_without_its_description_can_be_deleted(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    harm(sidecar(world, EAST))
    step = Step(Verb.DELETE, EAST, prior=region(), recorded=True)
    gone = run(provider, step, version=attributes, computed={"disks": disks(results)})
    assert isinstance(gone[EAST], Applied)
    assert not [name for name in world.objects() if "eastus" in name.partition("/")[2] or "-os-" in name]


@pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION])
def test_other_descriptions_are_written_again_as_well(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any], harm: Harm, address: Address
) -> None:
    results = publish(provider, attributes, {EAST: 1})
    known = recorded(provider)
    harm(sidecar(world, address))
    seen = provider.scan(Scope(known)).observed.get(address)
    assert seen is None or (seen.condition, seen.mark_lost) == (Condition.DAMAGED, True)
    planned = attributes if address == VERSION else PLACE
    step = Step(Verb.UPDATE if seen else Verb.CREATE, address, planned, planned if seen else None, recorded=True)
    computed = {"disks": disks(results)} if address == VERSION else {}
    again = applied(run(provider, step, version=attributes, computed=computed), address)
    assert provider.scan(Scope({address: again.fingerprint})).matching == {address}
    read = provider.read(address)
    assert read is not None
    assert read.condition is Condition.READY
    if address == VERSION:
        assert "contentDigest" in read.computed


class Killed(BaseException):
    """The process is gone."""


def test_nothing_is_lost_with_the_description_of_an_interrupted_repair(
    world: LibvirtWorld, provider: Provider, attributes: dict[str, Any]
) -> None:
    """Whenever the process dies: the list of what it creates and removes is no reason to remove the last whole copy."""
    known = {"disks": disks(publish(provider, attributes, {EAST: 1}))}
    world.remove_image(attributes["source"])
    at, interrupted = 0, True
    while interrupted:
        at += 1
        left = at

        def require() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed

        step = Step(Verb.REPLACE, EAST, region(), region(), recorded=True)
        try:
            run(provider, step, version=attributes, computed=known, writer=Writer(writer_of().owner, at, require))
        except Killed:
            interrupted = True
        else:
            interrupted = False
        for path in sidecars(world, EAST):  # the next one may be there before the previous one is removed
            path.unlink()
        later = writer_of(fence=at + 1)
        provider.tidy([VERSION, EAST], later)
        assert CONTENT in [world.sectors(path) for path in world.volumes(EAST)], f"after effect {at}"
        again = Step(Verb.CREATE, EAST, region(), recorded=True)
        result = run(provider, again, version=attributes, computed=known, writer=later)
        applied(result, EAST)
        assert world.copies(EAST) == [CONTENT], f"after effect {at}"
        assert not any("making" in name for name in world.objects())
    assert at > 5

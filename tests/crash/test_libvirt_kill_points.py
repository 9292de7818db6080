"""A process that dies before or after any change it makes to a pool: the next one converges, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.libvirt.daemons import LibvirtHost
from support.libvirt.galleries import disks, publish, region, remove, version
from support.libvirt.world import LibvirtWorld

from reconciler.providers.libvirt.content import streams
from reconciler.providers.libvirt.host.pools import Pool
from reconciler.providers.protocol import Condition, Step, Verb
from reconciler.testing.operations import (
    CONTENT,
    DEFINITION,
    EAST,
    GALLERY,
    LINEAGE,
    VERSION,
    WEST,
    applied,
    run,
    writer_of,
)

CHANGES = (
    (Pool, "create"),
    (Pool, "delete"),
    (Pool, "clone"),
    (Pool, "write"),
    (streams, "upload"),
    (streams, "transfer"),
)
SHARES = 8
"""The moments are shared among so many tests, which may run at a time."""
EVERYTHING = (GALLERY, DEFINITION, VERSION, EAST, WEST)


class Killed(BaseException):
    """The process is gone: no handler of the product may catch this."""


class Fate:
    """Ends the process at change `at`, before it or right after; everything it would do later does not happen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.after, self.seen = -1, False, 0
        for owner, name in CHANGES:
            monkeypatch.setattr(owner, name, self._guarded(getattr(owner, name)))

    def _guarded(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **named: Any) -> Any:
            self.seen += 1
            number = self.seen
            if 0 <= self.at < number or (number == self.at and not self.after):
                raise Killed
            result = change(*arguments, **named)
            if number == self.at:
                raise Killed
            return result

        return guarded

    def set(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.seen = at, after, 0


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Fate:
    return Fate(monkeypatch)


@pytest.fixture
def world(tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[LibvirtWorld]:
    world = LibvirtWorld(tmp_path, libvirt_hosts)
    yield world
    world.close()


def moments(fate: Fate, work: Callable[[], object]) -> Iterator[tuple[int, bool]]:
    """Every moment at which `work` can be killed, as it was counted in a run that was not."""
    fate.set(-1, after=False)
    work()
    for number in range(1, fate.seen + 1):
        yield number, False
        yield number, True


def life(world: LibvirtWorld, attributes: Mapping[str, Any]) -> None:
    """Made, changed up and down, and removed."""
    provider = world.provider()
    known = {"disks": disks(publish(provider, attributes, {EAST: 2, WEST: 1}))}
    for before, count in ((2, 3), (3, 1)):
        step = Step(Verb.UPDATE, EAST, region(count), region(before))
        applied(run(provider, step, version=attributes, computed=known), EAST)
    step = Step(Verb.REPLACE, WEST, region(), region())
    applied(run(provider, step, version=attributes, computed=known), WEST)
    assert world.copies(EAST) == world.copies(WEST) == [CONTENT]
    for result in remove(provider, attributes, EAST, WEST).values():
        assert result == applied({VERSION: result}, VERSION)
    assert world.objects() == []


@pytest.mark.parametrize("share", range(SHARES))
def test_whenever_the_process_dies_the_next_one_converges(world: LibvirtWorld, fate: Fate, share: int) -> None:
    attributes = version(world.image("ubuntu.raw", CONTENT))
    for at, after in list(moments(fate, lambda: life(world, attributes)))[share::SHARES]:
        fate.set(at, after=after)
        with pytest.raises(Killed):
            life(world, attributes)
        fate.set(-1, after=False)
        provider = world.provider()
        provider.tidy(EVERYTHING, writer_of(LINEAGE))
        for address in (EAST, WEST):
            seen = provider.read(address)
            whole = seen is not None and seen.condition is Condition.READY
            assert not whole or set(world.copies(address)) == {CONTENT}, f"half a volume counts as ready at {at}"
        life(world, attributes)

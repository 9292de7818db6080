"""A minute of random lives, the same ones every time; `make fuzz` lives others, and for longer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from fuzz.campaign import Campaign, as_text
from fuzz.edits import EDITS
from fuzz.estate import MOST_OBJECTS, Model
from fuzz.generating import steps_of
from fuzz.life import Step
from fuzz.replaying import replay
from fuzz.shrinking import shrunk, write_test
from support.azure.azurite import RunningAzurite
from support.libvirt.daemons import LibvirtHost

SHARES = 4
LIVES = 20


@pytest.mark.slow(15)
@pytest.mark.parametrize("share", range(SHARES))
def test_random_lives_on_the_local_provider(share: int) -> None:
    with Campaign("local") as campaign:
        for seed in range(share * LIVES, (share + 1) * LIVES):
            campaign.live(seed)
    assert campaign.failures == [], as_text(campaign)


@pytest.mark.slow(20)
def test_random_lives_on_the_emulator(tmp_path: Path, azurite: RunningAzurite) -> None:
    for seed in range(3):
        replay("emulator", tmp_path / str(seed), seed, steps_of(seed), azurite)


@pytest.mark.slow(20)
def test_random_lives_on_hypervisor_hosts(tmp_path: Path, libvirt_hosts: tuple[LibvirtHost, ...]) -> None:
    for seed in range(2):
        replay("libvirt", tmp_path / str(seed), seed, steps_of(seed), libvirt_hosts)


def test_a_seed_stands_for_one_life() -> None:
    assert steps_of(7) == steps_of(7)
    assert steps_of(7) != steps_of(8)


def test_estates_stay_small_and_every_edit_happens() -> None:
    done: Counter[str] = Counter()
    for seed in range(40):
        model, chosen = Model(seed), random.Random(seed)
        for _ in range(60):
            name = chosen.choice(sorted(EDITS))
            done[name] += EDITS[name](model, chosen.randrange(1000), chosen.randrange(1000))
            assert model.size <= MOST_OBJECTS + 2
        model.settled(set())
    assert set(done) - {"drop_moves"} == set(EDITS) - {"drop_moves"}


def test_a_failure_becomes_the_shortest_life_that_fails_and_a_test(tmp_path: Path) -> None:
    steps = [Step("describe", number) for number in range(30)]

    def fails(fewer: Sequence[Step]) -> bool:
        return {7, 21} <= {step.a for step in fewer}

    few = shrunk(steps, fails)
    assert [step.a for step in few] == [7, 21]
    written = write_test(tmp_path, "local", 12, few, 'published is "nothing"').read_text()
    compile(written, "found", "exec")
    assert 'Step("describe", 7, 0)' in written
    assert "def test_local_12" in written

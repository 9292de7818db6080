"""Random lives: the steps that a seed stands for."""

from __future__ import annotations

import random

from fuzz.edits import EDITS
from fuzz.life import Step

_RARE = {"add_gallery", "remove_definition", "drop_moves"}
_RUNS = ("fault", "apply", "apply", "kill", "kill", "kill", "interrupt", "stop", "stop", "rivals", "clock", "settle")


def steps_of(seed: int, *, calm: bool = False) -> list[Step]:
    """The steps of a life; a `calm` one has no run that is killed, suspended or rivalled, as on slow backends."""
    chosen = random.Random(seed)
    steps = [_step(chosen, name) for name in ("add_gallery", "add_version", "build_version")]
    steps.append(Step("settle"))
    for _ in range(chosen.randint(3, 7)):
        steps += [_edit(chosen) for _ in range(chosen.randint(0, 3))]
        if chosen.random() < 0.35:
            steps.append(Step("settle"))
            steps.append(_step(chosen, "damage"))
        if chosen.random() < 0.2:
            steps.append(_step(chosen, "damage"))
        if chosen.random() < 0.08:
            steps.append(_step(chosen, "stranger"))
        if chosen.random() < 0.15:
            steps.append(_step(chosen, "mv"))
        steps.append(_run(chosen, calm=calm))
    return steps


def _step(chosen: random.Random, kind: str) -> Step:
    return Step(kind, chosen.randrange(1000), chosen.randrange(1000))


def _edit(chosen: random.Random) -> Step:
    names = [name for name in EDITS if name not in _RARE or chosen.random() < 0.4]
    return _step(chosen, chosen.choice(names))


def _run(chosen: random.Random, *, calm: bool) -> Step:
    """When a run is killed is spread evenly over magnitudes: most of what goes wrong is near the ends."""
    kind = chosen.choice([name for name in _RUNS if not calm or name in ("apply", "clock", "settle")])
    when = int(2 ** chosen.uniform(0, 9)) if kind != "stop" else int(2 ** chosen.uniform(0, 6))
    return Step(kind, chosen.randrange(1000), when)

"""Found by the fuzzer: a repair that was interrupted left another image's bytes in place, and they were adopted."""

from __future__ import annotations

from pathlib import Path

from fuzz.life import Step
from fuzz.replaying import replay

STEPS = [
    Step("add_gallery", 149, 470),
    Step("add_version", 465, 974),
    Step("build_version", 789, 178),
    Step("add_version", 754, 466),
    Step("build_version", 343, 235),
    Step("add_region", 779, 63),
    Step("settle"),
    Step("damage", 51, 800),
    Step("kill", 221, 26),
]


def test_local_100(tmp_path: Path) -> None:
    replay("local", tmp_path, 100, STEPS)

"""Found by the fuzzer: a run that was killed while it marked a new region left a file there."""

from __future__ import annotations

from pathlib import Path

from fuzz.life import Step
from fuzz.replaying import replay

STEPS = [
    Step("add_gallery", 946, 252),
    Step("add_version", 568, 815),
    Step("build_version", 918, 390),
    Step("settle"),
    Step("build_version", 11, 852),
    Step("settle"),
    Step("damage", 930, 432),
    Step("stranger", 791, 216),
    Step("mv", 92, 93),
    Step("apply", 945, 2),
    Step("remove_region", 155, 847),
    Step("build_version", 926, 630),
    Step("mv", 893, 467),
    Step("settle"),
    Step("add_region", 134, 688),
    Step("kill", 829, 15),
    Step("remove_version", 437, 731),
    Step("remove_region", 533, 771),
    Step("settle"),
]


def test_local_334(tmp_path: Path) -> None:
    replay("local", tmp_path, 334, STEPS)

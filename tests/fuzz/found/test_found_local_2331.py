"""Found by the fuzzer: a repair that was killed between two renames left a region without the version."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.life import Step
from fuzz.replaying import replay


@pytest.mark.slow(15)
def test_local_2331(tmp_path: Path) -> None:
    before = [Step("add_gallery", 286, 393), Step("add_version", 762, 792), Step("settle"), Step("damage", 708, 676)]
    for at in range(60, 110, 3):
        replay("local", tmp_path / str(at), 2331, [*before, Step("kill", 95, at)])

"""Found by the fuzzer: a run that was killed while it wrote a lost description again left its draft."""

from __future__ import annotations

from pathlib import Path

from fuzz.life import Step
from fuzz.replaying import replay

STEPS = [
    Step("add_gallery", 636, 600),
    Step("add_version", 634, 87),
    Step("build_version", 76, 226),
    Step("settle"),
    Step("build_version", 904, 418),
    Step("remove_region", 546, 547),
    Step("damage", 126, 84),
    Step("add_definition", 598, 234),
    Step("describe", 174, 649),
    Step("add_region", 876, 879),
    Step("rivals", 953, 58),
    Step("rename_definition", 791, 506),
    Step("add_definition", 403, 367),
    Step("add_version", 934, 785),
    Step("settle"),
    Step("damage", 932, 519),
    Step("damage", 205, 284),
    Step("mv", 97, 439),
    Step("kill", 797, 115),
]


def test_local_6059(tmp_path: Path) -> None:
    replay("local", tmp_path, 6059, STEPS)

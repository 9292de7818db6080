"""What a plan makes of what a source says about itself: its firmware, and sentences of warning."""

from __future__ import annotations

from typing import Any

import pytest
from support.worlds import inputs_of

from reconciler.manifests.address import Address
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.sources import SourceCheck, SourceStatus
from reconciler.providers.protocol import SourceFacts

WORLD: dict[str, dict[str, Any]] = {
    "corp": {},
    "corp/ubuntu": {},
    "corp/ubuntu/1.0.0": {},
    "corp/ubuntu/1.0.0@eastus": {},
}
VERSION = Address.parse("corp/ubuntu/1.0.0")


def planned(generation: str | None, facts: SourceFacts) -> Plan:
    definition = {"hyperVGeneration": generation} if generation else {}
    checks = {str(VERSION): {"os": SourceCheck(SourceStatus.NEW, facts)}}
    return make_plan(inputs_of({**WORLD, "corp/ubuntu": definition}, {}, {}, sources=checks))


@pytest.mark.parametrize(
    ("firmware", "generation", "refused"),
    [
        ("efi", "V2", False),
        ("bios", "V1", False),
        ("efi", "V1", True),
        ("bios", "V2", True),
        ("", "V1", False),
        ("", "V2", False),
    ],
)
def test_firmware_that_contradicts_the_generation_is_an_error(firmware: str, generation: str, *, refused: bool) -> None:
    plan = planned(generation, SourceFacts(512, 512, "raw", "i", firmware=firmware))
    found = [problem for problem in plan.errors if "hyperVGeneration" in problem.summary]
    assert bool(found) is refused
    assert all(problem.address == VERSION and problem.detail for problem in found)


def test_what_a_source_warns_of_is_a_warning_of_the_plan() -> None:
    plan = planned("V2", SourceFacts(512, 512, "raw", "i", warnings=("one thing", "another")))
    assert [warning.summary for warning in plan.warnings] == [
        "the source of disk os: one thing",
        "the source of disk os: another",
    ]
    assert not plan.errors

"""Requests are counted in windows of 3 and of 30 minutes; those beyond the budget get a Retry-After."""

from __future__ import annotations

import pytest

from reconciler.providers.emulator.assembly import all_handlers
from reconciler.providers.emulator.core.arm import ArmError
from reconciler.providers.emulator.core.clock import ManualClock
from reconciler.providers.emulator.http.throttling import HEADER, LIMITS, Budgets

LIMIT = {"GetGallery": (2, 3)}


def test_every_answer_says_what_is_left() -> None:
    budgets = Budgets(ManualClock())
    assert budgets.take("CreateUpdateGallery") == {
        HEADER: "Microsoft.Compute/CreateUpdateGallery3Min;49,Microsoft.Compute/CreateUpdateGallery30Min;299"
    }


def test_a_budget_used_up_says_when_its_window_moves() -> None:
    clock = ManualClock()
    budgets = Budgets(clock, LIMIT)
    clock.advance(60)
    for _ in range(2):
        budgets.take("GetGallery")
    with pytest.raises(ArmError) as refused:
        budgets.take("GetGallery")
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "120"
    assert refused.value.headers[HEADER] == "Microsoft.Compute/GetGallery3Min;0,Microsoft.Compute/GetGallery30Min;1"


def test_the_longer_window_decides_when_both_are_used_up() -> None:
    clock = ManualClock()
    budgets = Budgets(clock, LIMIT)
    for _ in range(2):
        budgets.take("GetGallery")
    clock.advance(180)
    budgets.take("GetGallery")
    with pytest.raises(ArmError) as refused:
        budgets.take("GetGallery")
    assert refused.value.headers["Retry-After"] == str(1800 - 180)
    clock.advance(1800 - 180)
    assert budgets.take("GetGallery")[HEADER].endswith("30Min;2")


def test_a_refused_request_does_not_count() -> None:
    clock = ManualClock()
    budgets = Budgets(clock, {"GetGallery": (1, 3)})
    budgets.take("GetGallery")
    for _ in range(5):
        with pytest.raises(ArmError):
            budgets.take("GetGallery")
    clock.advance(180)
    assert budgets.take("GetGallery")[HEADER].endswith("30Min;1")


def test_budgets_do_not_touch_each_other() -> None:
    budgets = Budgets(ManualClock(), {"GetGallery": (1, 1), "DeleteGallery": (1, 1)})
    budgets.take("GetGallery")
    assert budgets.take("DeleteGallery")[HEADER].endswith(";0")


def test_every_budget_of_a_route_has_a_limit_and_the_reverse() -> None:
    assert {route.budget for route in all_handlers().routes if route.budget} == set(LIMITS)

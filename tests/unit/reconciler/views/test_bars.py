"""What a terminal shows while something takes long: bars while copying, a spinner before that."""

from __future__ import annotations

import io
import time

import pytest

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Step, Verb
from reconciler.views.terminal import waiting
from reconciler.views.terminal.output import Output
from reconciler.views.terminal.waiting import Waiting
from reconciler.views.text.apply_bars import TerminalReporter

EAST = Address("corp", "web", "1.0.0", "eastus")
STEP = Step(Verb.CREATE, EAST)


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")


def test_a_copy_that_takes_a_while_has_a_bar_and_ends_as_a_line() -> None:
    stream, clock = FakeTerminal(), Clock()
    reporter = TerminalReporter(Output(stream), Output(io.StringIO()), clock)
    reporter.steps = 1
    reporter.stage("apply")
    reporter.started(STEP)
    reporter.progress(EAST, 0, 8 << 30)
    clock.now = 2.0
    reporter.progress(EAST, 1 << 30, 8 << 30)
    time.sleep(0.3)  # the display draws ten times a second
    reporter.finished(STEP, 2.0)
    reporter.close()
    assert "1.0 of 8.0 GiB, 512.0 MiB/s" in stream.getvalue()
    assert "created" in stream.getvalue()
    reporter.close()


def test_with_very_many_steps_only_failures_have_lines() -> None:
    stream = FakeTerminal()
    reporter = TerminalReporter(Output(stream), Output(io.StringIO()), Clock())
    reporter.steps = 5000
    reporter.stage("apply")
    for number in range(3):
        step = Step(Verb.CREATE, Address(f"g{number}"))
        reporter.started(step)
        reporter.finished(step, 0.1)
    reporter.started(STEP)
    reporter.failed(STEP, ProviderError("no space is left"))
    reporter.close()
    assert "created" not in stream.getvalue()
    assert "failed" in stream.getvalue()
    assert str(STEP.address) in stream.getvalue()


def shown_while_waiting(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, after_s: float) -> str:
    monkeypatch.setattr(waiting, "_AFTER_S", after_s)
    spinner = Waiting(Output(stream))
    spinner.say("reading manifests")
    time.sleep(0.4)
    spinner.say("looking at the objects")
    spinner.amount("reading corp", 5, 10)
    spinner.stop()
    spinner.stop()
    return stream.getvalue()


def test_a_spinner_says_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "reading manifests" in shown_while_waiting(FakeTerminal(), monkeypatch, 0.01)


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_while_waiting(FakeTerminal(), monkeypatch, 60.0) == ""


def test_a_log_has_no_spinner(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_while_waiting(io.StringIO(), monkeypatch, 0.01) == ""

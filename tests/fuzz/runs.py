"""Runs of the product in a life: undisturbed, killed, suspended past their lease, signalled, with rivals, at another
time."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.killing import Killer
from support.libvirt.trusting import trusting

from reconciler.applying.apply import ApplyResult
from reconciler.applying.context import Interrupt
from reconciler.engine import Engine
from reconciler.errors import PlanRefused, StalePlan, Unreachable
from reconciler.maintenance.rebuild import Request
from reconciler.maintenance.rebuild import rebuild as rebuild_records
from reconciler.manifests.errors import ReconcilerError
from reconciler.ownership import HeldLease
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.provenance import utc_now
from reconciler.providers.errors import LeaseLost
from reconciler.providers.owner import Owner
from reconciler.state.errors import LockHeld
from reconciler.state.opening import open_store

_SHORT_LEASE_S = 0.06
_UNTIL_STOPPED_S = 0.05
_STUCK_S = 90
"""After so long a child says where it is."""
_CONFIRMED_S = 1.1
"""For longer than that no run relies on a lease of usual length without asking for it."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: `done`, `nothing`, `refused` (with the plan), `incomplete` (with the result), `held`, `lost`,
    `unreachable`, or for a child also `killed` and `interrupted`."""

    how: str
    plan: Plan | None = None
    result: ApplyResult | None = None
    said: str = ""


class UnexpectedError(Exception):
    """The product raised what no command may end with."""


def consent_options(galleries: tuple[str, ...], declared: tuple[str, ...]) -> dict[str, Any]:
    """Options that consent to everything in these galleries, and to the replacement of all that is `declared`."""
    return {"allow_deletes": 999, "allow_replace": declared, "allow_loss": galleries}


def engine_at(folder: Path, ahead_s: float = 0.0) -> Engine:
    """The engine of a project on a machine whose clock is that much ahead."""
    engine = Engine(folder, trust=trusting(folder))
    if ahead_s:
        engine.clock = lambda: utc_now() + timedelta(seconds=ahead_s)
        project = engine.project
        store = open_store(project.state, project.name, folder, clock=lambda: time.time() + ahead_s)
        engine.__dict__["store"] = store
    return engine


def apply(folder: Path, options: dict[str, Any], ahead_s: float = 0.0, **more: Any) -> Ended:
    """One apply in this process."""
    with engine_at(folder, ahead_s) as engine:
        return _ended(lambda: engine.apply(PlanOptions(**options), lambda _: True, Interrupt(), **more))


def _ended(call: Callable[[], Any]) -> Ended:
    try:
        applied = call()
    except PlanRefused as error:
        return Ended("refused", error.plan)
    except LockHeld as error:
        return Ended("held", said=str(error))
    except LeaseLost as error:
        return Ended("lost", said=str(error))
    except Unreachable as error:
        return Ended("unreachable", said=str(error))
    except (StalePlan, ReconcilerError) as error:
        return Ended("error", said=f"{type(error).__name__}: {error}")
    if applied.result is None:
        return Ended("nothing", applied.plan)
    return Ended("done" if applied.result.complete else "incomplete", applied.plan, applied.result)


_CODES = ("done", "nothing", "refused", "incomplete", "held", "lost", "unreachable", "error")
_BUG = 99
_CODES_OF_COMMANDS = {0, 1, 130, -signal.SIGKILL, -signal.SIGINT, -signal.SIGTERM}


def in_child(work: Callable[[], Ended]) -> int:
    """The process that does this work."""
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(_STUCK_S)
        status = _BUG
        try:
            status = _CODES.index(work().how)
        finally:
            os._exit(status)
    return pid


def wait_for(pid: int) -> str:
    """How the work of a child ended. Raises: UnexpectedError."""
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return "killed"
    if os.WEXITSTATUS(status) == _BUG:
        raise UnexpectedError("a run ended with an exception")
    return _CODES[os.WEXITSTATUS(status)]


def killed_apply(folder: Path, options: dict[str, Any], at: int, install: Callable[[Killer], None]) -> str:
    """An apply that is killed at its effect number `at`, or ends before that."""
    return killed(lambda: apply(folder, options), at, install)


def killed(run: Callable[[], Ended], at: int, install: Callable[[Killer], None]) -> str:
    """A run that is killed at its effect number `at`, or ends before that."""

    def work() -> Ended:
        install(Killer(at))
        return run()

    return wait_for(in_child(work))


def rebuild(folder: Path, owner: Owner) -> Ended:
    """One `state rebuild` with the key of this owner in this process."""
    with Engine(folder, trust=trusting(folder)) as engine:
        found = rebuild_records(engine, Request(owner), lambda _: True)
    return Ended("done" if found and found.records else "nothing")


def signalled_apply(folder: Path, options: dict[str, Any], at: int, install: Callable[[Killer], None]) -> str:
    """An apply that is asked to stop at its effect number `at`: by one signal, or for odd numbers by two."""

    def work() -> Ended:
        interrupt = Interrupt()

        def ask() -> None:
            for _ in range(1 + at % 2):
                interrupt()

        install(Killer(at, ask))
        with Engine(folder, trust=trusting(folder)) as engine:
            ended = _ended(lambda: engine.apply(PlanOptions(**options), lambda _: True, interrupt, parallelism=2))
            if interrupt.count > 1:
                os._exit(_CODES.index(ended.how))
            return ended

    return wait_for(in_child(work))


class Stopped:
    """A child that sleeps: `go_on` wakes it up and returns how its run ended, `end` kills it if that did not happen."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._sleeps = True

    def go_on(self) -> str:
        os.kill(self._pid, signal.SIGCONT)
        self._sleeps = False
        return wait_for(self._pid)

    def end(self) -> None:
        if self._sleeps:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)


def stopped_apply(folder: Path, options: dict[str, Any], at: int, ttl_s: float = _SHORT_LEASE_S) -> Stopped | str:
    """An apply that is suspended right before it asks for its lease for time number `at`, for longer than a lease of
    `ttl_s` seconds lasts; or how it ended, if it never came to that."""

    def work() -> Ended:
        count = 0
        original = HeldLease.require

        def require(lease: HeldLease, /) -> None:
            nonlocal count
            count += 1
            if count == at:
                turn: Any = getattr(lease._store, "_turn")  # noqa: B009  no one sleeps in the middle of a write
                with turn:
                    os.kill(os.getpid(), signal.SIGSTOP)
                    time.sleep(_UNTIL_STOPPED_S)
            original(lease)

        setattr(HeldLease, "require", require)  # noqa: B010  mypy knows no other way
        with Engine(folder, trust=trusting(folder)) as engine:
            engine.lease_ttl_s = ttl_s
            return _ended(lambda: engine.apply(PlanOptions(**options), lambda _: True, Interrupt(), parallelism=1))

    pid = in_child(work)
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        time.sleep(min(2 * ttl_s, _CONFIRMED_S))
        return Stopped(pid)
    if os.WIFSIGNALED(status):
        raise UnexpectedError("a run was killed, and not by the fuzzer")
    if os.WEXITSTATUS(status) == _BUG:
        raise UnexpectedError("a run ended with an exception")
    return _CODES[os.WEXITSTATUS(status)]


def command_apply(folder: Path, options: dict[str, Any], number: int, after_s: float) -> str:
    """An apply by the real command, which gets a signal after so many seconds if it has not ended by then."""
    words = [sys.executable, "-m", "reconciler", "apply", "--auto-approve", "--no-color"]
    words += [f"--allow-deletes={options['allow_deletes']}"] if options.get("allow_deletes") else []
    for name in ("allow_replace", "allow_loss"):
        words += [f"--{name.replace('_', '-')}={address}" for address in options.get(name, ())]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    if process.poll() is None:
        process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    if "This is a bug" in said or process.returncode not in _CODES_OF_COMMANDS:
        raise UnexpectedError(f"exit code {process.returncode}: {said}")
    return "killed" if process.returncode < 0 else f"code {process.returncode}"


def rival_applies(folder: Path, options: dict[str, Any], count: int) -> list[str]:
    """As many applies at the same time: none begins before all are there."""
    waiting, go = os.pipe()

    def one() -> Ended:
        os.close(go)
        os.read(waiting, 1)
        return apply(folder, options)

    children = [in_child(one) for _ in range(count)]
    os.close(go)
    os.close(waiting)
    return [wait_for(pid) for pid in children]

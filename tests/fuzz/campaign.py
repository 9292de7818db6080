"""A series of random lives on one provider: what was done in them, and what failed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.generating import steps_of
from fuzz.life import Step
from fuzz.replaying import replay
from fuzz.shrinking import shrunk, write_test

MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Failure:
    seed: int
    said: str
    steps: tuple[Step, ...]


class Campaign(AbstractContextManager["Campaign"]):
    """`counts` is what was done, `failures` in the order in which they were found."""

    def __init__(
        self,
        provider: str,
        directory: Path | None = None,
        found: Path | None = None,
        known: Sequence[str] = (),
    ) -> None:
        self.provider = provider
        self.counts: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.seconds = 0.0
        self._found = found
        self._known = known
        self._directory = directory or (MEMORY if provider == "local" and MEMORY.is_dir() else None)
        self._open = ExitStack()
        self._service: Any = None

    def __enter__(self) -> Campaign:
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory("-fuzz", dir=self._directory)))
        self._service = self._open.enter_context(service_of(self.provider, self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def live(self, seed: int, say: Callable[[str], None] = lambda _: None) -> None:
        """Lives the life of a seed; one that fails is shrunk, noted, and written as a test if that was asked for."""
        started = time.monotonic()
        steps = steps_of(seed)
        said = self._failure(seed, steps, self.counts)
        known = next((text for text in self._known if text in said), "")
        if known:
            self.counts[f"known: {known}"] += 1
        elif said:
            say(f"seed {seed}: {said}")
            steps = shrunk(steps, lambda fewer: _same(self._failure(seed, fewer, Counter()), said))
            self.failures.append(Failure(seed, said, tuple(steps)))
            say("".join(f"  {step.kind} {step.a} {step.b}\n" for step in steps))
            if self._found:
                say(f"written: {write_test(self._found, self.provider, seed, steps, said)}")
        self.counts["cycles"] += 1
        self.seconds += time.monotonic() - started

    def _failure(self, seed: int, steps: Sequence[Step], counts: Counter[str]) -> str:
        """What went wrong; empty if nothing did."""
        folder = self._folder / "life"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            replay(self.provider, folder, seed, steps, self._service, counts)
        except Exception as error:  # noqa: BLE001  whatever a life ends with, it is a failure
            return f"{type(error).__name__}: {error}"
        return ""


def _same(said: str, other: str) -> bool:
    """Whether two failures are of one kind: names and numbers differ from life to life."""
    return bool(said) and said.split()[:5] == other.split()[:5]


def service_of(provider: str, folder: Path) -> AbstractContextManager[Any]:
    if provider == "emulator":
        from support.azure.azurite import running_azurite

        return running_azurite(folder / "azurite")
    if provider == "libvirt":
        from support.libvirt.daemons import running_daemons

        return running_daemons(folder / "hosts")
    return ExitStack()


def as_text(campaign: Campaign) -> str:
    """A table of what was done."""
    first = [("provider", campaign.provider), ("seconds", f"{campaign.seconds:.0f}")]
    rows = [*first, *sorted((name, f"{number:,}") for name, number in campaign.counts.items())]
    failed = [("failures", str(len(campaign.failures)))]
    return "".join(f"{name:24} {value}\n" for name, value in [*rows, *failed])

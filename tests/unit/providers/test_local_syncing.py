"""One flush serves all who wait for it, begins after they wrote, and its failure is told to each of them."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manifests.address import Address
from providers.errors import Unavailable
from providers.local import making, syncing
from providers.local.provider import create_provider
from providers.protocol import Done, Operation, Step, Verb
from providers.registry import ProviderConfig


class SlowDisk:
    """Flushes end when they are let, and fail from the time they are told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.flushes = 0
        self.broken = False

    def flush(self, fd: int) -> None:
        self.flushes += 1
        self.begun.release()
        assert self.go_on.acquire(timeout=10)
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    disk = SlowDisk()
    monkeypatch.setattr(syncing, "_flush_file_system", lambda: disk.flush)
    return disk


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def wait_for_a_next_flush() -> None:
    """Until somebody waits for the flush after the running one."""
    for _ in range(1000):
        if syncing._collecting:
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_those_who_ask_while_one_runs_share_the_next(disk: SlowDisk, folder: int) -> None:
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(syncing.flush, folder)
        assert disk.begun.acquire(timeout=10)
        others = [pool.submit(syncing.flush, folder) for _ in range(5)]
        wait_for_a_next_flush()
        disk.go_on.release()
        first.result(timeout=10)
        assert not any(other.done() for other in others)
        for _ in others:
            disk.go_on.release()
        for other in others:
            other.result(timeout=10)
    assert 2 <= disk.flushes <= 6
    assert not syncing._collecting


def test_a_failed_flush_is_told_to_those_who_wrote_before_it_failed(disk: SlowDisk, folder: int) -> None:
    disk.broken = True
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(syncing.flush, folder)
        assert disk.begun.acquire(timeout=10)
        second = pool.submit(syncing.flush, folder)
        wait_for_a_next_flush()
        disk.go_on.release(2)
        for waiting in (first, second):
            with pytest.raises(OSError, match="Input/output"):
                waiting.result(timeout=10)
    assert not syncing._collecting


def test_the_real_flush_works_here(folder: int) -> None:
    syncing.flush(folder)
    syncing.flush(folder)


def test_what_could_not_be_made_durable_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(making, "flush", broken)
    (tmp_path / "image.raw").write_bytes(b"x".ljust(512, b"\0"))
    provider = create_provider(ProviderConfig("default", "local", {"root": "regions"}, tmp_path))
    region = Address("corp", "ubuntu", "1.0.3", "eastus")
    version = {"location": "eastus", "source": {"file": "image.raw"}, "replicationMode": "Full"}
    step = Step(Verb.CREATE, region, {"replicas": 1, "excludeFromLatest": False})
    answer = provider.begin(Operation(region.unit, "lineage-1", (step,), version), lambda *_: None)
    assert isinstance(answer, Done)
    error = answer.results[region]
    assert isinstance(error, Unavailable)
    assert error.remedy
    assert list((tmp_path / "regions/eastus").iterdir()) == []

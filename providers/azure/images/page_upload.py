"""Writes a disk into a page blob: what has data and is not there yet, several stretches at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from typing import Any

from azure.storage.blob import BlobClient

from reconciler.providers.azure.images.vhd import MIB, Block, VirtualDisk

AT_ONCE = 8
"""How many blocks of one disk are on their way at a time, and so in memory."""

_NO_DATA = bytes(MIB)


class PageSet:
    """Which stretches of a blob have been written."""

    def __init__(self, stretches: Iterable[tuple[int, int]]) -> None:
        """(begin, end) of each, in order; those that touch are one."""
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in stretches:
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def covers(self, begin: int, end: int) -> bool:
        """Whether all of a stretch has been written."""
        number = bisect_right(self._begins, begin) - 1
        return number >= 0 and end <= self._ends[number]


def upload(
    blob: BlobClient, disk: VirtualDisk, present: PageSet, pool: Executor, progress: Callable[[int, int], None]
) -> None:
    """Writes all of `disk` but what is `present`, holes and zeros into a blob that is as long and one sector longer.

    `progress` is told bytes done and in all, about once for each hundredth. When it fails, nothing more is written
    once it returns. Raises: AzureError, and what reading the disk does.
    """
    meter = _Meter(disk.size, progress)
    running: deque[tuple[list[Future[Any]], int]] = deque()
    try:
        for block in disk.blocks():
            stretches = [found for found in with_data(block) if not present.covers(*found)]
            if not stretches:
                meter.advance(block.length)
                continue
            if len(running) == AT_ONCE:
                _finish(running, meter)
            running.append(([_write(blob, block, *stretch, pool) for stretch in stretches], block.length))
        while running:
            _finish(running, meter)
    finally:
        left = [future for futures, _ in running for future in futures if not future.cancel()]
        wait(left)


def with_data(block: Block) -> Iterator[tuple[int, int]]:
    """(begin, end) on the disk of what is not zeros; gaps of less than a MiB are not worth another request."""
    if block.content is None:
        return
    begin = end = 0
    for position in range(0, block.length, MIB):
        piece = block.content[position : position + MIB]
        if piece == _NO_DATA[: len(piece)]:
            continue
        if position > end:
            if end > begin:
                yield block.position + begin, block.position + end
            begin = position
        end = position + len(piece)
    if end > begin:
        yield block.position + begin, block.position + end


def _write(blob: BlobClient, block: Block, begin: int, end: int, pool: Executor) -> Future[Any]:
    content = (block.content or b"")[begin - block.position : end - block.position]
    return pool.submit(blob.upload_page, content, begin, end - begin)


def _finish(running: deque[tuple[list[Future[Any]], int]], meter: _Meter) -> None:
    """Waits for the oldest block. Raises: AzureError when it could not be written."""
    futures, length = running[0]
    for future in futures:
        future.result()
    running.popleft()
    meter.advance(length)


class _Meter:
    """Adds up what is done, and tells it when another hundredth is."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self._total, self._progress = total, progress
        self._done = self._told = 0

    def advance(self, more: int) -> None:
        self._done += more
        if self._done * 100 // self._total > self._told * 100 // self._total:
            self._told = self._done
            self._progress(self._done, self._total)

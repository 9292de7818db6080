"""Writes a disk to a page blob: the ranges that have data and are not written yet, several at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from typing import Any

from azure.storage.blob import BlobClient

from reconciler.providers.azure.images.vhd import MIB, Block, VirtualDisk
from reconciler.providers.owner import Writer

AT_ONCE = 8
"""How many blocks of one disk are sent at a time, and so are in memory."""

_NO_DATA = bytes(MIB)


class PageSet:
    """The ranges of a blob that have been written."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        """`ranges`: (begin, end) of each, in order; adjacent ranges are merged."""
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in ranges:
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def covers(self, begin: int, end: int) -> bool:
        """Whether a range has been written completely."""
        number = bisect_right(self._begins, begin) - 1
        return number >= 0 and end <= self._ends[number]


class Pages:
    """The pages of a blob, as long as no later run has taken it over."""

    def __init__(self, blob: BlobClient, writer: Writer) -> None:
        self._blob, self._writer = blob, writer

    def write(self, content: bytes, begin: int) -> None:
        """Writes whole pages. Raises: AzureError, LeaseLost."""
        self._writer.require_lease()
        self._blob.upload_page(content, begin, len(content), if_sequence_number_lte=self._writer.fence)


def upload(
    pages: Pages, disk: VirtualDisk, present: PageSet, pool: Executor, progress: Callable[[int, int], None]
) -> None:
    """Writes `disk`, except for ranges that are `present`, holes and zeros, to a blob that is one sector longer.

    `progress` gets the bytes done and in total, about once per percent. If it fails, nothing more is written after it
    returns. Raises: AzureError, LeaseLost, and the errors of reading the disk.
    """
    meter = _ProgressMeter(disk.size, progress)
    running: deque[tuple[list[Future[Any]], int]] = deque()
    try:
        for block in disk.blocks():
            ranges = [(begin, end) for begin, end in with_data(block) if not present.covers(begin, end)]
            if not ranges:
                meter.advance(block.length)
                continue
            if len(running) == AT_ONCE:
                _finish(running, meter)
            running.append(([_write(pages, block, begin, end, pool) for begin, end in ranges], block.length))
        while running:
            _finish(running, meter)
    finally:
        left = [future for futures, _ in running for future in futures if not future.cancel()]
        wait(left)


def with_data(block: Block) -> Iterator[tuple[int, int]]:
    """(begin, end) on the disk of the ranges that are not zeros; gaps shorter than a MiB do not split a range."""
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


def _write(pages: Pages, block: Block, begin: int, end: int, pool: Executor) -> Future[Any]:
    content = (block.content or b"")[begin - block.position : end - block.position]
    return pool.submit(pages.write, content, begin)


def _finish(running: deque[tuple[list[Future[Any]], int]], meter: _ProgressMeter) -> None:
    """Waits for the oldest block. Raises: AzureError when it could not be written."""
    futures, length = running[0]
    for future in futures:
        future.result()
    running.popleft()
    meter.advance(length)


class _ProgressMeter:
    """Adds up the bytes that are done, and reports each further percent."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self._total, self._progress = total, progress
        self._done = self._reported = 0

    def advance(self, more: int) -> None:
        self._done += more
        if self._done * 100 // self._total > self._reported * 100 // self._total:
            self._reported = self._done
            self._progress(self._done, self._total)

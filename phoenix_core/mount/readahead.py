"""Reads a file in the ranges that are asked for, and further ahead the longer it is read in order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

FIRST_BYTES = 2**18
WINDOW_MAX_BYTES = 2**23
SLACK_BYTES = 2**20
"""The kernel's own reads ahead come a little out of order."""
BLOCKS_KEPT = 3

Read = Callable[[int, int], Awaitable[bytes]]
"""From an offset on at most so many bytes."""


class _Block(NamedTuple):
    start: int
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class _Ahead(NamedTuple):
    start: int
    end: int
    task: "asyncio.Task[bytes]"


class ReadAhead:
    """One open file. The first reads, and those here and there, fetch just what they ask for."""

    def __init__(self, size: int, read: Read) -> None:
        self._size = size
        self._read = read
        self._blocks: list[_Block] = []
        self._ahead: _Ahead | None = None
        self._end = -2 * SLACK_BYTES
        """Where the last block ends; the next read in order begins there."""
        self._window = 0
        self._lock = asyncio.Lock()

    async def read(self, start: int, length: int) -> bytes:
        """Raises what `read` raises."""
        end = min(start + length, self._size)
        pieces: list[bytes] = []
        async with self._lock:
            while start < end:
                block = await self._block(start, end)
                piece = block.data[start - block.start : end - block.start]
                if not piece:
                    break
                pieces.append(piece)
                start += len(piece)
        return b"".join(pieces)

    async def close(self) -> None:
        if self._ahead is not None:
            self._ahead.task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await self._ahead.task
            self._ahead = None

    async def _block(self, start: int, end: int) -> _Block:
        """One that holds `start`."""
        for block in self._blocks:
            if block.start <= start < block.end:
                return block
        if self._ahead is not None and self._ahead.start <= start < self._ahead.end:
            ahead, self._ahead = self._ahead, None
            block = await self._whole_or_asked(ahead.start, ahead.task, start, end)
        elif 0 <= start - self._end <= SLACK_BYTES:
            self._widen()
            length = min(max(end - start, self._window), self._size - start)
            block = await self._whole_or_asked(start, self._read(start, length), start, end)
        else:
            await self.close()
            self._window = 0
            block = _Block(start, await self._read(start, end - start))
        self._blocks = [*self._blocks[1 - BLOCKS_KEPT :], block]
        self._end = block.end
        if self._window and self._ahead is None and block.end < self._size:
            self._widen()
            until = min(block.end + self._window, self._size)
            task = asyncio.create_task(self._fetch(block.end, until - block.end), name="read ahead")
            self._ahead = _Ahead(block.end, until, task)
        return block

    async def _whole_or_asked(self, at: int, reading: Awaitable[bytes], start: int, end: int) -> _Block:
        """More than was asked for; damage beyond that takes nothing away from it."""
        try:
            return _Block(at, await reading)
        except OSError:
            self._window = 0
            return _Block(start, await self._read(start, end - start))

    async def _fetch(self, start: int, length: int) -> bytes:
        return await self._read(start, length)

    def _widen(self) -> None:
        self._window = min(self._window * 2 or FIRST_BYTES, WINDOW_MAX_BYTES)

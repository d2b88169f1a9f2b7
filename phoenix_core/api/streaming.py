"""Sends what is read in a thread, block by block, with little in memory; cuts the connection where reading fails.

An answer that was begun can't become an error any more. So that nobody takes a part for the whole, the connection is
dropped without the end that HTTP promises: fewer bytes than Content-Length, or no last chunk."""

import asyncio
import time
from collections.abc import Callable, Iterator

from aiohttp import web

from phoenix_core.domain.errors import ErrorView, PhoenixError

BLOCK_BYTES = 2**18
STALL_S = 300.0
"""Whoever takes nothing for so long has lost interest, or its machine."""
Bytes = bytes | memoryview


class StreamCut(ConnectionError):
    """The answer ends here, cut short: the boundary of errors drops the connection. `error`: what the core is to blame
    for; None: the reader went."""

    def __init__(self, answer: web.StreamResponse, error: ErrorView | None = None) -> None:
        super().__init__(error.message if error else "the reader went")
        self.answer = answer
        self.error = error


async def send(
    request: web.Request,
    answer: web.StreamResponse,
    pieces: Iterator[Bytes],
    sent: Callable[[int], None] = lambda count: None,
    *,
    soon_s: float | None = None,
) -> None:
    """Send all pieces with an answer that is prepared; `sent` is told each block's bytes. `soon_s`: what there is goes
    out that soon, however little. Raises StreamCut."""
    blocks = Blocks(pieces, soon_s)
    ahead = _next(blocks)
    try:
        while (block := await asyncio.shield(ahead)) is not None:
            ahead = _next(blocks)
            async with asyncio.timeout(STALL_S):
                await answer.write(block)
            sent(len(block))
    except PhoenixError as error:
        raise StreamCut(answer, error.view()) from error
    except (ConnectionError, TimeoutError) as error:
        raise StreamCut(answer) from error
    except BaseException:
        drop_connection(request)
        raise
    finally:
        await asyncio.gather(ahead, return_exceptions=True)
        await asyncio.to_thread(blocks.close)


def _next(blocks: "Blocks") -> asyncio.Task[bytes | None]:
    return asyncio.create_task(asyncio.to_thread(next, blocks, None), name="read ahead of a download")


class Blocks(Iterator[bytes]):
    """The same bytes in blocks of 256 KiB or more: a thread is asked for each. With `soon_s` a smaller one comes once
    so much time has gone since it was asked for."""

    def __init__(self, pieces: Iterator[Bytes], soon_s: float | None = None) -> None:
        self._pieces = pieces
        self._soon_s = soon_s

    def __next__(self) -> bytes:
        held: list[Bytes] = []
        size = 0
        began_s = time.monotonic()
        for piece in self._pieces:
            held.append(piece)
            size += len(piece)
            if size >= BLOCK_BYTES or (self._soon_s is not None and time.monotonic() - began_s >= self._soon_s):
                break
        if not held:
            raise StopIteration
        return b"".join(held)

    def close(self) -> None:
        """Give up what the pieces hold open."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()


def drop_connection(request: web.Request) -> None:
    """Without the end of an answer that was begun."""
    if request.transport is not None:
        request.transport.abort()

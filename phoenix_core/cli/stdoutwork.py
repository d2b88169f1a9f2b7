"""What `restore --stdout` does: one file or stream of a snapshot to standard output, and all else to standard error."""

import asyncio
import os
import sys
import time
from contextlib import aclosing

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.errors import OutputClosed
from phoenix_core.cli.output import size, warn, when
from phoenix_core.cli.progress import LINE_EVERY_S
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import EXIT_DONE, UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.streams import path_of
from phoenix_core.domain.views import SnapshotView
from phoenix_core.host.datadir import DataDirectory

LATEST = "latest"


class Printed(msgspec.Struct, frozen=True):
    """What the command names."""

    server: str
    snapshot: str
    paths: tuple[str, ...]
    stream: str
    stdout: bool
    others: bool
    """Options that say where a restore goes, or how."""
    as_json: bool

    def check(self) -> None:
        """Raises UsageError."""
        if not self.stdout:
            raise UsageError(detail="--stream goes with --stdout.")
        if self.others or self.as_json:
            raise UsageError(detail="With --stdout the output is the data itself: leave the other options out.")
        if len(self.paths) + bool(self.stream) > 1:
            raise UsageError(detail="Only one file can be printed: name one --path, or one --stream.")


async def print_file(data: DataDirectory, wanted: Printed) -> int:
    """Raises UsageError, OutputClosed, and what keeps the data from coming whole."""
    wanted.check()
    async with attached(data) as client:
        snapshot = await _snapshot(client, wanted)
        path = wanted.paths[0] if wanted.paths else snapshot.paths[0]
        if not wanted.paths and not snapshot.stream:
            raise UsageError(detail=f"Snapshot {snapshot.id[:SHORT_ID_DIGITS]} is of files: name one with --path.")
        total = (await client.entry(snapshot.id, path)).size
        await _print(client, snapshot, path, total)
    taken = when(snapshot.created_at)
    warn(f"{path}: {size(total)}, from snapshot {snapshot.id[:SHORT_ID_DIGITS]} of {snapshot.server_name}, {taken}.")
    return EXIT_DONE


async def _snapshot(client: CoreClient, wanted: Printed) -> SnapshotView:
    """Of a stream the newest, unless one is named."""
    if not wanted.stream or wanted.snapshot != LATEST:
        return await client.snapshot(wanted.snapshot, server=wanted.server)
    path = path_of(wanted.stream)
    found = [each for each in await client.snapshots(server=wanted.server) if each.paths == (path,)]
    if not found:
        raise UsageError(detail=f"There is no snapshot of a stream {wanted.stream} of {wanted.server}.")
    return found[0]


async def _print(client: CoreClient, snapshot: SnapshotView, path: str, total: int) -> None:
    sys.stdout.flush()
    fd = sys.stdout.fileno()
    written, told = 0, time.monotonic()
    async with aclosing(client.download_file(snapshot.id, path)) as blocks:
        async for block in blocks:
            try:
                await asyncio.to_thread(_write_all, fd, block)
            except BrokenPipeError as error:
                sys.stdout = None  # the reader has gone: nothing more to say, even at exit
                raise OutputClosed(written=written, total=total, path=path) from error
            written += len(block)
            if time.monotonic() - told >= LINE_EVERY_S:
                told = time.monotonic()
                warn(f"{size(written)} of {size(total)}")


def _write_all(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]

"""Compares the contents of many pairs of entries: here, or in worker processes where there is enough to do."""

import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing import get_context

import msgspec

from phoenix_core.agent.backup.pagecache import CacheKeeper
from phoenix_core.agent.comparefile import Finding, Rights, compare_content
from phoenix_core.agent.restore.folders import FolderCache, open_root

BATCH_FILES = 256
BATCH_BYTES = 32 * 2**20
WORKERS_MAX = 8
Take = Callable[[Sequence["Pair"], Sequence[Finding | str]], None]


class Pair(msgspec.Struct, frozen=True, array_like=True):
    """Two entries whose content is to be compared, each by its folder below the tree's top and its name."""

    folder: bytes
    name: bytes
    size: int
    is_recent: bool


class Contents:
    """Compares contents in batches: in this process, or in others where there is enough to do."""

    def __init__(
        self,
        source: bytes,
        restored: bytes,
        workers: int,
        take: Take,
    ) -> None:
        """`take` is given pairs with what comparing them found; a text: why they could not be compared."""
        self._places = (source, restored)
        self._workers = workers or min(len(os.sched_getaffinity(0)), WORKERS_MAX)
        self._take = take
        self._held: list[Pair] = []
        self._held_bytes = 0
        self._running: dict[Future[list[Finding | str]], list[Pair]] = {}
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Contents":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, pair: Pair) -> None:
        self._held.append(pair)
        self._held_bytes += pair.size
        if len(self._held) >= BATCH_FILES or self._held_bytes >= BATCH_BYTES:
            self._submit()

    def finish(self) -> None:
        if self._pool is None:
            self._take(self._held, compare_pairs(*self._places, self._held))
            return
        self._submit()
        self._collect(0)

    def _submit(self) -> None:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._workers, get_context("spawn"))
        pairs, self._held, self._held_bytes = self._held, [], 0
        self._running[self._pool.submit(compare_pairs, *self._places, pairs)] = pairs
        self._collect(3 * self._workers)

    def _collect(self, leave: int) -> None:
        while len(self._running) > leave:
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(self._running.pop(future), future.result())


def compare_pairs(source: bytes, restored: bytes, pairs: Sequence[Pair]) -> list[Finding | str]:
    """Compare the contents of entries below the two places; a text says why one could not be compared."""
    rights = Rights.of_this_process()
    is_folder = stat.S_ISDIR(os.lstat(source).st_mode)
    tops = (source, restored) if is_folder else (os.path.dirname(source), os.path.dirname(restored))
    names = (b"", b"") if is_folder else (os.path.basename(source), os.path.basename(restored))
    roots = [open_root(top or b"/") for top in tops]
    left, right = FolderCache(roots[0]), FolderCache(roots[1])
    caches = (CacheKeeper(), CacheKeeper())
    found: list[Finding | str] = []
    try:
        for pair in pairs:
            try:
                one, two = left.open(pair.folder), right.open(pair.folder)
                name_one, name_two = pair.name or names[0], pair.name or names[1]
                status = os.lstat(name_one, dir_fd=one)
                finding = compare_content(one, name_one, two, name_two, status, rights, caches)
                found.append(_with_time(finding, one, name_one) if finding.what else finding)
            except OSError as error:
                found.append(error.strerror or str(error))
    finally:
        left.close()
        right.close()
        for fd in roots:
            os.close(fd)
    return found


def _with_time(finding: Finding, folder: int, name: bytes) -> Finding:
    """With the source's ctime of now: it may have been changed while it was compared."""
    return replace(finding, ctime_ns=os.lstat(name, dir_fd=folder).st_ctime_ns)

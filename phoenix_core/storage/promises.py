"""Chunks on their way: a job's writer that was told that the vault lacks a chunk will store it, so the job's other
writers need not.

In memory only, and bounded: what is forgotten is stored twice, which does no harm. A writer that doesn't keep its
promise fails its job, and the snapshot that needs the chunk is never committed."""

import threading
from collections.abc import Iterable, Sequence

from phoenix_core.domain.ids import ChunkId

CHUNKS_OF_A_JOB = 2**17
"""A writer has up to two packs in hand; with small files these hold some ten thousand chunks."""
JOBS = 1024
NOBODY = 0
"""The number of a writer that is its job's only one."""


class Promises:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, dict[bytes, int]] = {}

    def taken(self, lease: str, writer: int, ids: Sequence[ChunkId], known: Sequence[bool]) -> list[bool]:
        """`known`, with those chunks added that another writer of the job stores. The others are this one's to store:
        asked again, it hears the same. `writer` counts from 1."""
        if writer == NOBODY:
            return list(known)
        with self._lock:
            promised = self._job(lease)
            answers = []
            for chunk, is_known in zip(ids, known, strict=True):
                by = promised.get(chunk, NOBODY)
                answers.append(is_known or by not in {NOBODY, writer})
                if not is_known and by == NOBODY and len(promised) < CHUNKS_OF_A_JOB:
                    promised[chunk] = writer
            return answers

    def kept(self, lease: str, chunks: Iterable[bytes]) -> None:
        """These are in the index now."""
        with self._lock:
            promised = self._of.get(lease)
            if promised:
                for chunk in chunks:
                    promised.pop(chunk, None)

    def forget(self, lease: str) -> None:
        """The job is over."""
        with self._lock:
            self._of.pop(lease, None)

    def _job(self, lease: str) -> dict[bytes, int]:
        promised = self._of.get(lease)
        if promised is None:
            if len(self._of) >= JOBS:
                self._of.pop(next(iter(self._of)))
            promised = self._of[lease] = {}
        return promised

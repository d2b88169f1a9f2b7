"""An object store that fails on demand, in front of a real one: full disk, bad disk, death between two steps."""

import errno
import os
import signal
from collections.abc import Iterator
from typing import Self

from phoenix_core.storage.durable import told
from phoenix_core.storage.objectstore import (
    ObjectInfo,
    ObjectStore,
    OpenObject,
    Space,
    StagedObject,
    ThawState,
)


class Died(BaseException):
    """The process ended here: nothing after it ran, no clean-up either."""


class Faults:
    """Which step fails, and how. A step is `write`, `sync`, `publish`, `get`, `put`, `delete`, `list`."""

    def __init__(self) -> None:
        self.for_real = False
        """`die` kills the process with SIGKILL instead of raising Died."""
        self._planned: dict[str, tuple[int, BaseException]] = {}
        self.free_bytes: int | None = None
        self.steps: list[str] = []

    def fail(self, step: str, number: int = errno.EIO, *, after: int = 0) -> None:
        """The step fails with this error number, once, after so many that don't."""
        self._planned[step] = (after, OSError(number, os.strerror(number)))

    def die(self, step: str, *, after: int = 0) -> None:
        self._planned[step] = (after, Died(step))

    def at(self, step: str) -> None:
        self.steps.append(step)
        if step not in self._planned:
            return
        left, error = self._planned[step]
        if left:
            self._planned[step] = (left - 1, error)
            return
        del self._planned[step]
        if self.for_real and isinstance(error, Died):
            os.kill(os.getpid(), signal.SIGKILL)
        raise error


class FaultyStaged:
    def __init__(self, inner: StagedObject, faults: Faults, place: str) -> None:
        self._inner = inner
        self._faults = faults
        self._place = place
        self._dead = False

    @property
    def length(self) -> int:
        return self._inner.length

    def write(self, data: bytes | memoryview) -> None:
        """A torn write: half of it arrives before the step fails."""
        try:
            self._at("write")
        except BaseException:
            self._inner.write(bytes(data)[: len(data) // 2])
            raise
        self._inner.write(data)

    def copy_from(self, fd: int, length: int) -> None:
        try:
            self._at("write")
        except BaseException:
            self._inner.copy_from(fd, length // 2)
            raise
        self._inner.copy_from(fd, length)

    def digest(self) -> bytes:
        return self._inner.digest()

    def pread(self, length: int, offset: int) -> bytes:
        return self._inner.pread(length, offset)

    def commit(self, name: str, *, replace: bool = False) -> bool:
        self._at("sync")
        published = self._inner.commit(name, replace=replace)
        self._at("publish")
        return published

    def discard(self) -> None:
        if not self._dead:
            self._inner.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def _at(self, step: str) -> None:
        with told("Writing", "an object", self._place):
            try:
                self._faults.at(step)
            except Died:
                self._dead = True
                raise


class FaultyStore:
    """`ObjectStore`, with the faults of `Faults`."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.faults = Faults()

    @property
    def place(self) -> str:
        return self._inner.place

    def put(self, name: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> bool:
        self._at("put", name)
        if if_match is not None:
            return self._inner.put(name, data, if_match=if_match)
        with self.stage() as staged:
            staged.write(data)
            return staged.commit(name, replace=not if_absent)

    def stage(self) -> FaultyStaged:
        return FaultyStaged(self._inner.stage(), self.faults, self.place)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        self._at("get", name)
        return self._inner.get(name, offset, length)

    def open_read(self, name: str) -> OpenObject:
        self._at("get", name)
        return self._inner.open_read(name)

    def head(self, name: str) -> ObjectInfo | None:
        return self._inner.head(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._at("list", prefix)
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        self._at("delete", name)
        self._inner.delete(name)

    def archive(self, name: str) -> None:
        self._inner.archive(name)

    def request_thaw(self, name: str, keep_s: int) -> None:
        self._inner.request_thaw(name, keep_s)

    def thaw_state(self, name: str) -> ThawState:
        return self._inner.thaw_state(name)

    def space(self) -> Space:
        found = self._inner.space()
        free = self.faults.free_bytes
        return found if free is None else Space(free_bytes=free, total_bytes=found.total_bytes)

    def sweep_leftovers(self) -> int:
        return self._inner.sweep_leftovers()

    def settle(self) -> None:
        self._inner.settle()

    def sole_user(self) -> bool | None:
        return self._inner.sole_user()

    def close(self) -> None:
        self._inner.close()

    def _at(self, step: str, name: str) -> None:
        with told(step, name, self.place):
            self.faults.at(step)

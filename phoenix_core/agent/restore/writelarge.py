"""Puts a large file in place in steps, so that several workers write parts of it at once and no message is long."""

import os
from contextlib import suppress

from phoenix_core.agent.restore.content import has_content, has_holes, write_chunks
from phoenix_core.agent.restore.records import COMPLETE, WRITTEN, Outcome, missing
from phoenix_core.agent.restore.slots import Slot, status_of, there
from phoenix_core.agent.restore.workermessages import Large, LargeStep
from phoenix_core.agent.restore.write import NEW_FILE, EntryWriter, open_existing

SEEMS_EQUAL = "seems_equal"
BEGUN = "begun"
DIFFERS = "differs"
_WRITE_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class LargeWriter:
    """The steps of a large file at a worker. Not thread-safe; raises as `EntryWriter`."""

    def __init__(self, writer: EntryWriter) -> None:
        self._writer = writer

    def do(self, work: Large) -> Outcome:
        """`begin` answers `begun` with the temporary name, or `seems_equal` with the name that is to be checked."""
        steps = {
            LargeStep.BEGIN: self._begin,
            LargeStep.BEGIN_ANEW: self._begin,
            LargeStep.CHECK: self._check,
            LargeStep.SETTLE: self._settle,
            LargeStep.WRITE: self._write,
            LargeStep.FINISH: self._finish,
            LargeStep.DROP: self._drop,
        }
        return self._writer.guarded(work.item, lambda folder: steps[work.step](folder, work))

    def _begin(self, folder: int, work: Large) -> Outcome:
        writer, item = self._writer, work.item
        ask = work.step is LargeStep.BEGIN
        slot = writer.slots.find(folder, item, lambda found: Outcome(SEEMS_EQUAL, name=found.name) if ask else None)
        if isinstance(slot, Outcome):
            return slot
        temp = writer.names.take()
        fd = os.open(temp, NEW_FILE, 0o600, dir_fd=folder)
        try:
            os.ftruncate(fd, item.entry.size)
        except OSError:
            os.unlink(temp, dir_fd=folder)
            raise
        finally:
            os.close(fd)
        return Outcome(BEGUN, name=temp)

    def _check(self, folder: int, work: Large) -> Outcome:
        fd = _open_there(folder, work.temp)
        if fd < 0:
            return missing(DIFFERS)
        try:
            writer = self._writer
            equal = has_content(fd, work.extents, work.refs, writer.id_key, writer.tick, writer.cache)
            return Outcome(COMPLETE) if equal else missing(DIFFERS)
        finally:
            os.close(fd)

    def _settle(self, folder: int, work: Large) -> Outcome:
        fd = _open_there(folder, work.temp)
        if fd < 0:
            return missing(DIFFERS)
        try:
            return (
                self._writer.settle_open(fd, work.item, work.temp)
                if has_holes(fd, work.item.entry, self._writer.cache)
                else missing(DIFFERS)
            )
        finally:
            os.close(fd)

    def _write(self, folder: int, work: Large) -> Outcome:
        fd = os.open(work.temp, _WRITE_FILE, dir_fd=folder)
        try:
            write_chunks(fd, work.extents, work.refs, self._writer.source, self._writer.tick)
        finally:
            os.close(fd)
        return Outcome(WRITTEN)

    def _finish(self, folder: int, work: Large) -> Outcome:
        writer, item = self._writer, work.item
        try:
            slot = writer.slots.find(folder, item)
            if isinstance(slot, Outcome):
                self._drop(folder, work)
                return slot
            fd = os.open(work.temp, _WRITE_FILE, dir_fd=folder)
            try:
                problems = writer.metadata.apply(fd, item.entry, clean=item.fresh)
            finally:
                os.close(fd)
            moved = writer.slots.move(folder, work.temp, slot)
            return there(WRITTEN, moved.status, slot.name, tuple(problems), moved.removed_entries)
        except BaseException:
            self._drop(folder, work)
            raise

    @staticmethod
    def _drop(folder: int, work: Large) -> Outcome:
        with suppress(OSError):
            os.unlink(work.temp, dir_fd=folder)
        return missing("")


def _open_there(folder: int, name: bytes) -> int:
    """The file to be checked; -1 where it can't be read or is gone."""
    return open_existing(folder, Slot(name, status_of(folder, name)))

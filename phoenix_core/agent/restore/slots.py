"""Finds the name under which an entry is put, by what is there already, and moves the finished entry to it."""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass

from phoenix_core.agent.restore.apply_metadata import MetadataSetter
from phoenix_core.agent.restore.conflict import Action, decide, is_folder, may_empty_folders, restored_name
from phoenix_core.agent.restore.noreplace import rename_to_free_name
from phoenix_core.agent.restore.records import COMPLETE, SKIPPED, Item, Outcome
from phoenix_core.agent.restore.remove import remove_folder
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import Entry, EntryType

TEMP_PREFIX = b".phoenix-"
WORKERS_LIMIT = 1024
FORMATS = {
    EntryType.FIFO: stat.S_IFIFO,
    EntryType.SOCKET: stat.S_IFSOCK,
    EntryType.CHAR_DEVICE: stat.S_IFCHR,
    EntryType.BLOCK_DEVICE: stat.S_IFBLK,
    EntryType.SYMLINK: stat.S_IFLNK,
    EntryType.FILE: stat.S_IFREG,
    EntryType.DIRECTORY: stat.S_IFDIR,
}


class TempNames:
    """`.phoenix-<job>-<n>`, each number once in a job: worker `number` of up to 1,024 counts in its own steps."""

    def __init__(self, job: str, number: int) -> None:
        self._prefix = temp_prefix(job)
        self._next = number

    def take(self) -> bytes:
        self._next += WORKERS_LIMIT
        return self._prefix + b"%d" % self._next


def temp_prefix(job: str) -> bytes:
    """What the temporary names of a job begin with."""
    return TEMP_PREFIX + re.sub(rb"[^A-Za-z0-9]", b"_", job.encode()) + b"-"


def status_of(folder: int, name: bytes) -> os.stat_result | None:
    """The lstat of a name in an open folder; None where there is nothing. Raises OSError."""
    try:
        return os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None


def link_target(folder: int, name: bytes) -> bytes | None:
    """Where the symbolic link leads to; None for anything else."""
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def is_type(status: os.stat_result, kind: EntryType) -> bool:
    return stat.S_IFMT(status.st_mode) == FORMATS[kind]


def there(
    state: str, status: os.stat_result, name: bytes, problems: tuple[str, ...] = (), removed_entries: int = 0
) -> Outcome:
    """The outcome for an entry that is in place."""
    return Outcome(state, "", problems, status.st_ino, status.st_ctime_ns, name, removed_entries)


@dataclass(frozen=True, slots=True)
class Moved:
    """An entry that has its name."""

    status: os.stat_result
    removed_entries: int = 0
    """What was in the folder that it took the place of."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The name that an entry will have, and what is there now."""

    name: bytes
    existing: os.stat_result | None = None
    fresh: bool = False
    """The folder was made by this restore."""


class Slots:
    def __init__(self, rule: ConflictRule, stamp: str, metadata: MetadataSetter) -> None:
        self._rule = rule
        self._stamp = stamp
        self._metadata = metadata

    def find(
        self, folder: int, item: Item, settle: Callable[[Slot], Outcome | None] = lambda slot: None
    ) -> Slot | Outcome:
        """Where the entry goes in the open folder; or what became of it, where nothing is to be done. `settle` is asked
        what to make of something that seems equal. Raises OSError."""
        entry = item.entry
        existing = None if item.fresh else status_of(folder, entry.name)
        if existing is None:
            return Slot(entry.name, fresh=item.fresh)
        settled = self._settled(item, Slot(entry.name, existing), settle)
        if settled is not None:
            return settled
        if item.begun and is_type(existing, EntryType.FILE):
            return Slot(entry.name, existing)
        action = decide(self._rule, entry, existing)
        if action is Action.SKIP:
            return Outcome(SKIPPED)
        return self._other_name(folder, item, settle) if action is Action.RENAME else Slot(entry.name, existing)

    def move(self, folder: int, temp: bytes, slot: Slot) -> Moved:
        """Give a finished entry its name. Raises OSError: FileExistsError where the name was
        free and isn't any more, unless the rule is to overwrite. In a folder that this restore made that can only be
        another of its entries, whose name this file system takes for the same."""
        if slot.existing is None and (slot.fresh or self._rule is not ConflictRule.OVERWRITE):
            rename_to_free_name(folder, temp, slot.name)
            return Moved(os.lstat(slot.name, dir_fd=folder))
        removed = 0
        if slot.existing is not None and is_folder(slot.existing):
            removed = remove_folder(folder, slot.name, with_content=may_empty_folders(self._rule))
        os.rename(temp, slot.name, src_dir_fd=folder, dst_dir_fd=folder)
        return Moved(os.lstat(slot.name, dir_fd=folder), removed)

    def _settled(self, item: Item, slot: Slot, settle: Callable[[Slot], Outcome | None]) -> Outcome | None:
        """What is there is what is to be there: complete since an interrupted run, or found equal."""
        existing = slot.existing
        if existing is None:
            return None
        if item.known is not None and item.known.is_that(existing, item.entry):
            return there(COMPLETE, existing, slot.name)
        return settle(slot) if self._may_be_equal(item.entry, existing) else None

    def _may_be_equal(self, entry: Entry, existing: os.stat_result) -> bool:
        if self._rule not in {ConflictRule.OVERWRITE, ConflictRule.KEEP_BOTH} or not is_type(existing, entry.type):
            return False
        if existing.st_mtime_ns != entry.mtime_ns or existing.st_nlink > entry.links:
            return False
        if entry.is_file:
            return existing.st_size == entry.size
        if entry.xattrs or (existing.st_uid, existing.st_gid) != self._metadata.numbers(entry):
            return False
        if entry.type is EntryType.SYMLINK:
            return True
        device = os.makedev(entry.rdev_major, entry.rdev_minor)
        return stat.S_IMODE(existing.st_mode) == entry.mode and existing.st_rdev == device

    def _other_name(self, folder: int, item: Item, settle: Callable[[Slot], Outcome | None]) -> Slot | Outcome:
        """A free name; or what an interrupted run completed under such a name."""
        attempt = 1
        while True:
            name = restored_name(item.entry.name, self._stamp, attempt)
            slot = Slot(name, status_of(folder, name))
            if slot.existing is None:
                return slot
            settled = self._settled(item, slot, settle)
            if settled is not None:
                return settled
            attempt += 1

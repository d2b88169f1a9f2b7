"""Puts one entry in place: beside its place under a temporary name, complete with metadata, then renamed over.

Everything goes through descriptors of folders that were opened without following links, so that neither a link at the
destination nor one that the snapshot plants can lead outside. What goes wrong with one entry makes it missing, and
leaves what was there before.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress

from phoenix_core.agent.backup.openfile import open_file_in
from phoenix_core.agent.backup.pagecache import CacheKeeper
from phoenix_core.agent.restore.apply_metadata import MetadataSetter
from phoenix_core.agent.restore.content import (
    Chunks,
    Tick,
    check_length,
    extents_of,
    has_content,
    has_holes,
    write_all,
    write_chunks,
)
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.errors import raise_if_general, reason_of
from phoenix_core.agent.restore.folders import FolderCache, proc_path
from phoenix_core.agent.restore.records import COMPLETE, NOT_MADE, WRITTEN, Anchor, Item, Outcome, missing
from phoenix_core.agent.restore.slots import FORMATS, Slot, Slots, TempNames, status_of, there
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.names import shown
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType

NO_FOLDER = "folder_not_restored"
CHANGED = "changed_meanwhile"
NO_LINK = "no_link"
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_LINKS = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP})
_NO_NODES = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class EntryWriter:
    """Not thread-safe. Its methods raise `DestinationFull`, `DestinationNotWritable`, and what the node and the core
    raise."""

    def __init__(
        self,
        folders: FolderCache,
        rule: ConflictRule,
        stamp: str,
        names: TempNames,
        source: Chunks,
        id_key: bytes,
        tick: Tick,
        *,
        without_mask: bool = False,
    ) -> None:
        """`source` gives the data chunks, `id_key` is their key. `tick` is told the bytes of each chunk done.
        `without_mask`: this process has umask 0."""
        self.metadata = MetadataSetter()
        self.slots = Slots(rule, stamp, self.metadata)
        self.names = names
        self.source = source
        self.id_key = id_key
        self.tick = tick
        self.cache = CacheKeeper()
        """Reads what is compared where it lies."""
        self._keeps_existing = rule is ConflictRule.KEEP_BOTH
        self._folders = folders
        self._without_mask = without_mask

    def put(self, item: Item) -> Outcome:
        """A file, symbolic link or node."""
        return self.guarded(item, lambda folder: self._put(folder, item))

    def put_in_place(self, item: Item) -> Outcome:
        """As `put`; a file in a folder that this restore made is made under its own name at once. Whoever asks for that
        knows what to do with half a file there after a kill."""
        if item.fresh and item.entry.is_file:
            return self.guarded(item, lambda folder: self._make_in_place(folder, item.entry))
        return self.put(item)

    def link(self, item: Item, anchor: Anchor) -> Outcome:
        """A further name of a file that was restored. `missing` with the reason `no_link` where the file system can't
        have it."""
        return self.guarded(item, lambda folder: self._link(folder, item, anchor))

    def guarded(self, item: Item, work: Callable[[int], Outcome]) -> Outcome:
        """Do `work` in the item's open folder; what goes wrong with this one entry makes it missing."""
        try:
            folder = self._folders.open(item.folder)
        except OSError as error:
            raise_if_general(error, shown(item.path))
            absent = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
            return missing(NO_FOLDER if absent else reason_of(error))
        try:
            return work(folder)
        except OSError as error:
            raise_if_general(error, shown(item.path))
            return missing(reason_of(error))
        except PhoenixError as error:
            reason = damage_reason(error)
            if not reason:
                raise
            return missing(reason)

    def settle_open(self, fd: int, item: Item, name: bytes) -> Outcome:
        """An existing file has the entry's content: give it the metadata too, unless the rule keeps what is there."""
        problems = [] if self._keeps_existing else self.metadata.apply(fd, item.entry, clean=False)
        return there(COMPLETE, os.fstat(fd), name, tuple(problems))

    def _put(self, folder: int, item: Item) -> Outcome:
        slot = self.slots.find(folder, item, lambda found: self._settle(folder, item, found))
        if isinstance(slot, Outcome):
            return slot
        temp = self.names.take()
        try:
            make = self._make_file if item.entry.is_file else self._make_other
            reason, problems = make(folder, temp, item)
            if reason:
                return Outcome(NOT_MADE, reason)
            moved = self.slots.move(folder, temp, slot)
            status = moved.status
            if self._makes_plain(item) and not self.metadata.made_as_wanted(status, item.entry):
                status, problems = self._apply_afterwards(folder, slot.name, item)
        except BaseException:
            with suppress(OSError):
                os.unlink(temp, dir_fd=folder)
            raise
        return there(WRITTEN, status, slot.name, tuple(problems), moved.removed_entries)

    def _make_in_place(self, folder: int, entry: Entry) -> Outcome:
        chunks = entry.chunks
        data = self._whole(chunks[0]) if len(chunks) == 1 and entry.extents is None else None
        plain = self._without_mask and self.metadata.is_plain(entry)
        fd = os.open(entry.name, NEW_FILE, entry.mode if plain else 0o600, dir_fd=folder)
        try:
            if data is None:
                self._fill(fd, entry)
            elif os.write(fd, data) != len(data):
                write_all(fd, data, 0)
            problems = self.metadata.set_times(fd, entry) if plain else self.metadata.apply(fd, entry, clean=True)
            status = os.fstat(fd)
            if plain and not self.metadata.made_as_wanted(status, entry):
                problems = self.metadata.apply(fd, entry, clean=True)
                status = os.fstat(fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(entry.name, dir_fd=folder)
            raise
        finally:
            os.close(fd)
        return Outcome(WRITTEN, "", tuple(problems), status.st_ino, status.st_ctime_ns, entry.name)

    def _whole(self, ref: ChunkRef) -> bytes | memoryview:
        """The content of a file of one chunk."""
        data = self.source.read_one(ChunkId(ref.id))
        check_length(data, ref)
        self.tick(ref.length)
        return data

    def _fill(self, fd: int, entry: Entry) -> None:
        if entry.extents is not None:
            os.ftruncate(fd, entry.size)
        write_chunks(fd, extents_of(entry), entry.chunks, self.source, self.tick)

    def _settle(self, folder: int, item: Item, found: Slot) -> Outcome | None:
        entry = item.entry
        if not entry.is_file:
            equal = entry.type is not EntryType.SYMLINK or os.readlink(found.name, dir_fd=folder) == entry.target
            return there(COMPLETE, os.lstat(found.name, dir_fd=folder), found.name) if equal else None
        fd = open_existing(folder, found)
        if fd < 0:
            return None
        try:
            equal = has_holes(fd, entry, self.cache) and has_content(
                fd, extents_of(entry), entry.chunks, self.id_key, self.tick, self.cache
            )
            return self.settle_open(fd, item, found.name) if equal else None
        finally:
            os.close(fd)

    def _make_file(self, folder: int, temp: bytes, item: Item) -> tuple[str, list[str]]:
        entry = item.entry
        plain = self._makes_plain(item)
        fd = os.open(temp, NEW_FILE, entry.mode if plain else 0o600, dir_fd=folder)
        try:
            self._fill(fd, entry)
            if plain:
                return "", self.metadata.set_times(fd, entry)
            return "", self.metadata.apply(fd, entry, clean=item.fresh)
        finally:
            os.close(fd)

    def _makes_plain(self, item: Item) -> bool:
        """Whether the file can be made with its mode at once. Only in a folder that was made for it: elsewhere somebody
        could read it before it has its owner."""
        return self._without_mask and item.fresh and item.entry.is_file and self.metadata.is_plain(item.entry)

    def _apply_afterwards(self, folder: int, name: bytes, item: Item) -> tuple[os.stat_result, list[str]]:
        """The folder or the file system gave the new file another owner or mode."""
        fd = os.open(name, READ_FILE, dir_fd=folder)
        try:
            problems = self.metadata.apply(fd, item.entry, clean=True)
            return os.fstat(fd), problems
        finally:
            os.close(fd)

    def _make_other(self, folder: int, temp: bytes, item: Item) -> tuple[str, list[str]]:
        entry = item.entry
        if entry.type is EntryType.SYMLINK:
            os.symlink(entry.target, temp, dir_fd=folder)
            return "", self.metadata.apply_to_link(folder, entry, temp)
        try:
            device = os.makedev(entry.rdev_major, entry.rdev_minor)
            os.mknod(temp, FORMATS[entry.type] | 0o600, device, dir_fd=folder)
        except OSError as error:
            if error.errno in _NO_NODES:
                return f"{entry.type.name.lower()}: {reason_of(error)}", []
            raise
        fd = os.open(temp, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            return "", self.metadata.apply(proc_path(fd), entry, clean=item.fresh)
        finally:
            os.close(fd)

    def _link(self, folder: int, item: Item, anchor: Anchor) -> Outcome:
        name = item.entry.name
        existing = status_of(folder, name)
        if existing is not None and (existing.st_ino, existing.st_dev) == (anchor.inode, os.fstat(folder).st_dev):
            return there(COMPLETE, existing, name)
        slot = self.slots.find(folder, item)
        if isinstance(slot, Outcome):
            return slot
        temp = self.names.take()
        here = os.dup(folder)
        try:
            reason = self._make_link(here, temp, anchor)
            if reason:
                return missing(reason)
            moved = self.slots.move(here, temp, slot)
            return there(WRITTEN, moved.status, slot.name, (), moved.removed_entries)
        except BaseException:
            with suppress(OSError):
                os.unlink(temp, dir_fd=here)
            raise
        finally:
            os.close(here)

    def _make_link(self, folder: int, temp: bytes, anchor: Anchor) -> str:
        """Empty, or why there is no link."""
        try:
            beside = self._folders.open(anchor.folder)
            os.link(anchor.name, temp, src_dir_fd=beside, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NO_LINKS:
                return f"{NO_LINK}: {reason_of(error)}"
            raise
        if os.lstat(temp, dir_fd=folder).st_ino == anchor.inode:
            return ""
        os.unlink(temp, dir_fd=folder)
        return CHANGED


def open_existing(folder: int, found: Slot) -> int:
    """The file that was found there, open for reading; -1 where it can't be read or is another one by now."""
    try:
        fd = open_file_in(folder, found.name)
    except OSError:
        return -1
    if found.existing is not None and os.path.samestat(os.fstat(fd), found.existing):
        return fd
    os.close(fd)
    return -1

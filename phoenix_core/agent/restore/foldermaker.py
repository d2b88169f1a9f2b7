"""The restored folders: made on the way down, given their metadata on the way up once all is in place."""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from phoenix_core.agent.restore.apply_metadata import MetadataSetter, drop_default_acl
from phoenix_core.agent.restore.conflict import Action, decide, is_folder
from phoenix_core.agent.restore.durable import sync_file_system
from phoenix_core.agent.restore.errors import IN_THE_WAY, raise_if_general, reason_of
from phoenix_core.agent.restore.folders import Descent, proc_path
from phoenix_core.agent.restore.journal import Journal
from phoenix_core.agent.restore.records import Enter, Folder, FolderRecord, join
from phoenix_core.agent.restore.slots import link_target, temp_prefix
from phoenix_core.agent.restore.tally import Displaced
from phoenix_core.domain.names import shown
from phoenix_core.domain.states import ConflictRule

BLOCKED, LEFT_ALONE, APPLIED = 0, 1, 2
Lose = Callable[[bytes, str], None]


@dataclass
class Level:
    """A folder that is being restored into."""

    source: bytes
    target: bytes
    fresh: bool
    """Made by this run: it was empty."""
    blocked: str = ""
    """Why nothing can be restored into it."""

    @cached_property
    def folder(self) -> Folder:
        """As those who put files into it know it."""
        return Folder(self.target, self.source, self.fresh)


class FolderMaker:
    """Follows the plan's records down and up. `fates` says of each `Enter`, in order, what became of the folder."""

    def __init__(
        self, root: int, rule: ConflictRule, journal: Journal, displaced: Displaced, *, original: bool, lose: Lose
    ) -> None:
        """`root` is the open destination. `displaced` is told of links that gave way and of folders under another name,
        `lose` of folders that could not be made."""
        self.fates = bytearray()
        self.restored = 0
        """Folders made or found, those on the way left out."""
        self._descent = Descent(root)
        self._rule = rule
        self._journal = journal
        self._displaced = displaced
        self._original = original
        self._lose = lose
        self._levels = [Level(b"", b"", fresh=False)]
        self._leftovers = tuple(map(temp_prefix, journal.earlier_jobs))
        self._aside = temp_prefix(journal.job) + b"aside"
        self._clean(self._levels[0])

    @property
    def level(self) -> Level:
        """The folder that was entered last."""
        return self._levels[-1]

    def enter(self, record: Enter) -> None:
        """Make the folder, or find it there. Raises `DestinationFull`, `DestinationNotWritable`."""
        above = self.level
        level = Level(above.source + b"/" + record.entry.name, join(above.target, record.name), False, above.blocked)
        fate = BLOCKED
        if above.blocked:
            self._lose(level.source, above.blocked)
        else:
            try:
                fate = self._make(record, level)
                self.restored += not record.on_the_way
            except OSError as error:
                raise_if_general(error, shown(level.source))
                level.blocked = IN_THE_WAY if error.errno == errno.ENOTDIR else reason_of(error)
                self._lose(level.source, level.blocked)
        self.fates.append(fate)
        self._levels.append(level)

    def leave(self) -> None:
        """Raises `DestinationMoved`."""
        if not self._levels.pop().blocked:
            self._descent.leave()

    def close(self) -> None:
        self._descent.close()

    def _make(self, record: Enter, level: Level) -> int:
        folder, made_here = self._descent.fd, True
        try:
            os.mkdir(record.name, 0o700, dir_fd=folder)
        except FileExistsError:
            made_here = self._give_way(record, level)
        if record.name != record.entry.name:
            self._displaced.add_renamed(join(self.level.target, record.entry.name), record.name)
        self._descent.enter(record.name)
        try:
            return self._make_ready(record, level, made_here=made_here)
        except OSError:
            self._descent.leave()
            raise

    def _make_ready(self, record: Enter, level: Level, *, made_here: bool) -> int:
        """The folder that the descent is in now."""
        if made_here:
            level.fresh = True
            if not self.level.fresh:
                drop_default_acl(proc_path(self._descent.fd))
            return APPLIED
        self._clean(level)
        if self._journal.is_resumed and self._journal.has_made(level.target):
            return APPLIED
        wanted = self._rule is ConflictRule.OVERWRITE or (self._rule is ConflictRule.IF_OLDER and record.older)
        if not wanted or record.on_the_way:
            return LEFT_ALONE
        self._make_usable()
        return APPLIED

    def _give_way(self, record: Enter, level: Level) -> bool:
        """Something is there under the folder's name: true if it was removed and the folder made."""
        folder = self._descent.fd
        existing = os.lstat(record.name, dir_fd=folder)
        if is_folder(existing):
            return False
        keeps = record.on_the_way and self._original
        if keeps or decide(self._rule, record.entry, existing) is not Action.WRITE:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        aside, target = self._aside, link_target(folder, record.name)
        os.rename(record.name, aside, src_dir_fd=folder, dst_dir_fd=folder)
        try:
            os.mkdir(record.name, 0o700, dir_fd=folder)
        except OSError:
            os.rename(aside, record.name, src_dir_fd=folder, dst_dir_fd=folder)
            raise
        os.unlink(aside, dir_fd=folder)
        if target is not None:
            self._displaced.add_link(level.target, target)
        return True

    def _make_usable(self) -> None:
        """A folder of this user's that is closed even to him, and gets its own mode in the end. Where that is refused
        its entries meet what is wrong, one by one."""
        at = proc_path(self._descent.fd)
        status = os.fstat(self._descent.fd)
        if status.st_uid == os.geteuid() and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(PermissionError):
                os.chmod(at, stat.S_IMODE(status.st_mode) | stat.S_IRWXU)

    def _clean(self, level: Level) -> None:
        """Remove what an interrupted run left here under temporary names."""
        if not self._leftovers:
            return
        folder = self._descent.fd
        try:
            names = os.listdir(proc_path(folder))
        except OSError:
            return
        for name in names:
            if name.startswith(self._leftovers):
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)


def finish_folders(
    root: int,
    records: Iterable[FolderRecord],
    fates: bytearray,
    *,
    lose: Lose,
    not_applied: Callable[[bytes, list[str]], None],
    tick: Callable[[bytes], None],
) -> None:
    """Give the folders their metadata, each after all that is in it; then all that was restored is brought to the disk.
    `fates` as `FolderMaker` left them."""
    finisher = _Finisher(root, fates, lose, not_applied)
    try:
        for record in records:
            if isinstance(record, Enter):
                tick(finisher.enter(record))
            else:
                finisher.leave()
        finisher.sync()
    finally:
        finisher.close()


class _Finisher:
    def __init__(
        self, root: int, fates: bytearray, lose: Lose, not_applied: Callable[[bytes, list[str]], None]
    ) -> None:
        self._descent = Descent(root)
        self._fates = iter(fates)
        self._lose = lose
        self._not_applied = not_applied
        self._metadata = MetadataSetter()
        self._way: list[tuple[Enter, bytes, int]] = []
        self._devices: dict[int, int] = {}
        """Of each file system that was entered one open folder."""
        self._meet_device()

    def sync(self) -> None:
        """Wait until the file systems of all folders have everything. Raises OSError."""
        for folder in self._devices.values():
            sync_file_system(folder)

    def close(self) -> None:
        self._descent.close()
        for folder in self._devices.values():
            os.close(folder)
        self._devices.clear()

    def enter(self, record: Enter) -> bytes:
        fate = next(self._fates)
        path = (self._way[-1][1] if self._way else b"") + b"/" + record.entry.name
        if self._way and self._way[-1][2] == BLOCKED:
            fate = BLOCKED
        if fate != BLOCKED:
            try:
                self._descent.enter(record.name)
                self._meet_device()
            except OSError as error:
                raise_if_general(error, shown(path))
                self._lose(path, reason_of(error))
                fate = BLOCKED
        self._way.append((record, path, fate))
        return path

    def _meet_device(self) -> None:
        if self._descent.device not in self._devices:
            self._devices[self._descent.device] = os.dup(self._descent.fd)

    def leave(self) -> None:
        record, path, fate = self._way.pop()
        if fate == BLOCKED:
            return
        fd = self._descent.leave_open()
        try:
            if fate == APPLIED:
                self._apply(fd, record, path)
        finally:
            os.close(fd)

    def _apply(self, fd: int, record: Enter, path: bytes) -> None:
        try:
            problems = self._metadata.apply(proc_path(fd), record.entry, clean=False)
        except OSError as error:
            raise_if_general(error, shown(path))
            problems = [f"metadata: {reason_of(error)}"]
        if problems:
            self._not_applied(path, problems)

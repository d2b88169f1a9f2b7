"""An archive for a local store: a second folder, say a slow NAS, with a settable delay before a thaw is done.

Beside an object a mark `.thaw` holds, as JSON, from when until when it may be read.
"""

import os
import secrets
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from phoenix_core.domain.clock import Clock
from phoenix_core.host.atomicfile import sync_folder, sync_folders
from phoenix_core.storage.durable import DurableFolders, publish, write_all
from phoenix_core.storage.errors import ObjectCold
from phoenix_core.storage.objectstore import ThawState, Tier

_INCOMING = ".incoming"
_MARKS = ".thaw"


class _Mark(msgspec.Struct, frozen=True):
    ready_at: datetime
    until: datetime


class ColdFolder:
    def __init__(self, folder: Path, thaw_delay_s: float, clock: Clock) -> None:
        self.folder = folder.absolute()
        self._folders = DurableFolders(self.folder)
        self._delay_s = thaw_delay_s
        self._clock = clock

    def path(self, name: str) -> Path:
        return self.folder / name

    def take(self, name: str, warm: Path) -> None:
        """Copy a warm object here, durably."""
        final = self.path(name)
        self._folders.need(self.folder / _INCOMING)
        self._folders.need(final.parent)
        temporary = self.folder / _INCOMING / secrets.token_hex(16)
        with warm.open("rb") as source, temporary.open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        publish(temporary, final, replace=True)

    def readable(self, name: str) -> Path:
        """The path of a thawed object. Raises ObjectCold, FileNotFoundError."""
        path = self.path(name)
        if path.exists() and not self.state(name).readable:
            raise ObjectCold(name=name)
        return path

    def request_thaw(self, name: str, keep_s: int) -> None:
        self.path(name).stat()
        now = self._clock.now()
        mark = self._mark(name)
        ready_at = mark.ready_at if mark and mark.until > now else now + timedelta(seconds=self._delay_s)
        until = max(now, ready_at) + timedelta(seconds=keep_s)
        final = self.folder / _MARKS / name
        self._folders.need(self.folder / _INCOMING)
        self._folders.need(final.parent)
        temporary = self.folder / _INCOMING / secrets.token_hex(16)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, msgspec.json.encode(_Mark(ready_at, until)))
            os.fsync(fd)
        finally:
            os.close(fd)
        publish(temporary, final, replace=True)

    def state(self, name: str) -> ThawState:
        mark, now = self._mark(name), self._clock.now()
        if mark is None or now >= mark.until:
            return ThawState(Tier.COLD)
        if now < mark.ready_at:
            return ThawState(Tier.THAWING, mark.ready_at)
        return ThawState(Tier.THAWED, mark.until)

    def delete(self, name: str) -> None:
        for path in (self.path(name), self.folder / _MARKS / name):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                continue
            sync_folder(path.parent)

    def settle(self) -> None:
        sync_folders(self.folder)

    def sweep_leftovers(self) -> int:
        incoming = self.folder / _INCOMING
        left = list(incoming.iterdir()) if incoming.is_dir() else []
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _mark(self, name: str) -> _Mark | None:
        try:
            return msgspec.json.decode((self.folder / _MARKS / name).read_bytes(), type=_Mark)
        except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

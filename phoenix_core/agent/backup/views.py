"""Where a backup reads what it keeps under live paths: snapshots of file systems stand in for them.

A view begins at a folder of the live server, mostly a mount point, and says which other folder is read in its place,
with all below it, down to where another view begins. So excludes, entries and the parent's trees know live paths only.
"""

import os
from collections.abc import Iterable

import msgspec

from phoenix_core.agent.backup.stamps import step_ns

STAMPS_NS = 20_000_000
"""How coarse a kernel's own time stamps are, at most."""


class View(msgspec.Struct, frozen=True, array_like=True):
    live: bytes
    real: bytes
    """What is read; the same folder where it is read live, in the middle of what is not."""
    device: int = 0
    """The `st_dev` of what is read, and of what it stands for; 0: of itself."""
    live_device: int = 0
    made_from_ns: int = 0
    """The snapshot was made between these times; 0: there is none."""
    made_by_ns: int = 0


class Views:
    def __init__(self, views: Iterable[View] = ()) -> None:
        self.all = tuple(views)
        self._begin = {view.live: view for view in self.all}
        self._devices = {view.device: view.live_device for view in self.all if view.device}

    def begins(self, path: bytes) -> bytes | None:
        """What is read in place of a folder with a view of its own; None: it is what its parent has there."""
        view = self._begin.get(path)
        return view.real if view is not None else None

    def real(self, path: bytes) -> bytes:
        """Where a live path is read."""
        view = self._of(path)
        if view is None or view.live == view.real:
            return path
        rest = path if view.live == b"/" else path[len(view.live) :]
        return view.real + rest if rest != b"/" else view.real

    def live_device(self, device: int) -> int:
        """The `st_dev` that the live file has; it is what entries keep of hard links."""
        return self._devices.get(device, device)

    def may_have_changed_since(self, folder: bytes, ctime_ns: int) -> bool:
        """Whether a file in a folder changed so shortly before its snapshot that a change of the live file after it
        might leave the same time stamp."""
        view = self._of(folder)
        if view is None or not view.made_by_ns:
            return False
        return view.made_from_ns - step_ns(ctime_ns, STAMPS_NS) <= ctime_ns <= view.made_by_ns

    def is_snapshot(self, path: bytes) -> bool:
        view = self._of(path)
        return view is not None and bool(view.made_by_ns)

    def lstat(self, path: bytes, name: bytes, folder: int) -> os.stat_result:
        """Of a name in an open folder, the path of which it is. Raises OSError."""
        real = self._begin.get(path) if self._begin else None
        return os.lstat(name, dir_fd=folder) if real is None else os.lstat(real.real)

    def _of(self, path: bytes) -> View | None:
        if not self._begin:
            return None
        at = path
        while True:
            view = self._begin.get(at)
            if view is not None or at in (b"/", b""):
                return view
            at = at[: at.rindex(b"/")] or b"/"


LIVE = Views()
"""No snapshots: everything is read where it is."""

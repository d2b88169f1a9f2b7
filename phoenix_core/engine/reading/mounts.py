"""Mounts: who shows snapshots as a folder, and the files that are read through them, which are kept ready."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.names import shown
from phoenix_core.domain.reading import MountView, NodePage, NodeView
from phoenix_core.engine.browse import TYPE_NAMES, SnapshotReader
from phoenix_core.engine.reading.errors import MountUnknown
from phoenix_core.engine.reading.snapshotfiles import SnapshotFiles
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.filecontent import FileContent

FILES_KEPT = 128
MOUNTS_KEPT = 1000
LATELY_S = 600.0
"""So long after the last look into it through a mount a snapshot counts as read: a copy waits between two files."""


class Mounts:
    """Used from the event loop. A mount ends when it is closed, or with the core."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, MountView] = OrderedDict()
        self._looks: dict[str, dict[str, float]] = {}
        """By snapshot and mount: the last look."""

    def open(self, place: str, who: str) -> MountView:
        mount = MountView(new_id("m", 16), place, who, self._clock.now())
        self._open[mount.id] = mount
        if len(self._open) > MOUNTS_KEPT:  # of processes that were killed
            self.close(next(iter(self._open)))
        return mount

    def listed(self) -> list[MountView]:
        return list(self._open.values())

    def get(self, name: str) -> MountView:
        """Raises MountUnknown."""
        found = self._open.get(name)
        if found is None:
            raise MountUnknown(what="mount", name=name[:40])
        return found

    def close(self, name: str) -> MountView:
        """Raises MountUnknown."""
        found = self.get(name)
        del self._open[name]
        looks = ((snapshot, by) for snapshot, by in self._looks.items() if by.keys() != {name})
        self._looks = {snapshot: {each: at for each, at in by.items() if each != name} for snapshot, by in looks}
        return found

    def looked(self, name: str, snapshot_id: str) -> None:
        """Something in the snapshot was listed or read through this mount."""
        self._looks.setdefault(snapshot_id, {})[name] = self._clock.monotonic_s()

    def reading(self, snapshot_id: str) -> MountView | None:
        """A mount through which the snapshot was read lately, if any."""
        now_s = self._clock.monotonic_s()
        recent = {
            name: at_s
            for name, at_s in self._looks.pop(snapshot_id, {}).items()
            if name in self._open and now_s < at_s + LATELY_S
        }
        if not recent:
            return None
        self._looks[snapshot_id] = recent
        return self._open[max(recent, key=lambda name: recent[name])]


class OpenFiles:
    """The files that were read last: each further range of one needs no way through its folders. Thread-safe."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, bytes], FileContent] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, snapshot_id: str, path: bytes, find: Callable[[], FileContent]) -> FileContent:
        with self._lock:
            found = self._files.get((snapshot_id, path))
            if found is not None:
                self._files.move_to_end((snapshot_id, path))
                return found
        found = find()
        with self._lock:
            self._files[snapshot_id, path] = found
            if len(self._files) > FILES_KEPT:
                self._files.popitem(last=False)
        return found

    def read(self, files: SnapshotFiles, path: bytes, start: int, end: int) -> bytes:
        """Blocks. Raises what `SnapshotFiles` raises."""
        content = self.get(files.row.id, path, lambda: files.content(path))
        return b"".join(files.read(path, content, start, end))


def node_view(entry: Entry) -> NodeView:
    return NodeView(
        name=shown(entry.name) or "/",
        type=TYPE_NAMES[entry.type],
        mode=entry.mode,
        size=entry.size,
        uid=entry.uid,
        gid=entry.gid,
        mtime_ns=entry.mtime_ns,
        ctime_ns=entry.ctime_ns,
        links=entry.links,
        data_bytes=entry.data_bytes,
        rdev_major=entry.rdev_major,
        rdev_minor=entry.rdev_minor,
        target=shown(entry.target),
    )


def nodes(view: SnapshotReader, folder: Entry, after: bytes, limit: int) -> NodePage:
    """A page of a folder's entries, by name bytes."""
    page = [child for child in view.children(folder.tree) if not after or child.name > after][: limit + 1]
    return NodePage(
        nodes=tuple(node_view(child) for child in page[:limit]),
        next_after=shown(page[limit - 1].name) if len(page) > limit else "",
    )

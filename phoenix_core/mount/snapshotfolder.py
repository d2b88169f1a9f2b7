"""All snapshots as one read-only folder: SERVER/TIME/…, and SERVER/latest.

Nothing is read before it is asked for: listings page by page, files in the ranges that are read. What was listed is
kept for a while, since a snapshot never changes; which snapshots there are is asked anew every ten seconds.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import NamedTuple, Protocol, TypeVar

import structlog

from phoenix_core.domain.errors import PhoenixError, RemoteError
from phoenix_core.domain.names import parse_shown, shown
from phoenix_core.domain.reading import MountView, NodePage, NodeView
from phoenix_core.domain.views import SnapshotView

LATEST = b"latest"
CATALOGUE_S = 10.0
NODES_KEPT = 100_000
PAGE_NODES = 2000
_ERRNO = {
    "path_not_in_snapshot": errno.ENOENT,
    "not_found": errno.ENOENT,
    "snapshot_lost": errno.EIO,
    "not_a_folder": errno.ENOTDIR,
    "not_a_file": errno.EISDIR,
    "usage": errno.EINVAL,
}
MOUNT_UNKNOWN = "mount_unknown"

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Snapshots(Protocol):
    """The core, as far as a mount asks it: `client.CoreClient`."""

    async def snapshots(self) -> list[SnapshotView]: ...

    async def open_mount(self, place: str) -> MountView: ...

    async def close_mount(self, mount: str) -> None: ...

    async def nodes(self, mount: str, snapshot: str, path: str, *, after: str, limit: int) -> NodePage: ...

    async def node(self, mount: str, snapshot: str, path: str) -> NodeView: ...

    async def read_content(self, mount: str, snapshot: str, path: str, start: int, length: int) -> bytes: ...


class Node(NamedTuple):
    name: bytes
    type: str
    """As in `EntryView.type`."""
    mode: int
    size: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    links: int = 1
    data_bytes: int = 0
    rdev: int = 0
    target: bytes = b""

    @property
    def is_folder(self) -> bool:
        return self.type == "directory"


class _Place(NamedTuple):
    """A path in a snapshot."""

    snapshot: SnapshotView
    path: bytes
    """Absolute, as in the snapshot."""


class SnapshotFolder:
    """Raises OSError as a file system does: ENOENT, ENOTDIR, EISDIR, and EIO for damage and a core that is away, which
    are logged. Used from one event loop. `open` it first."""

    def __init__(self, core: Snapshots, place: str, monotonic_s: Callable[[], float]) -> None:
        """`place`: where it is shown, for the core's records."""
        self._core = core
        self._place = place
        self._monotonic_s = monotonic_s
        self._mount = ""
        self._catalogue: dict[bytes, dict[bytes, SnapshotView]] = {}
        self._read_at_s = -CATALOGUE_S
        self._listed: OrderedDict[tuple[str, bytes], dict[bytes, Node]] = OrderedDict()
        self._listed_nodes = 0
        self._single: OrderedDict[tuple[str, bytes], Node] = OrderedDict()

    async def open(self) -> None:
        """Raises RemoteError, CoreUnreachable."""
        self._mount = (await self._core.open_mount(self._place)).id

    async def close(self) -> None:
        try:
            await self._core.close_mount(self._mount)
        except PhoenixError as error:
            log.info("a mount was not closed at the core", error=error.message)

    # --- what a file system asks -------------------------------------------------------------------------------------

    async def stat(self, path: bytes) -> Node:
        names = _names(path)
        if len(names) < 3:
            return await self._top(names)
        place = await self._inside(names)
        above, _, name = place.path.rpartition(b"/")
        known = self._listed.get((place.snapshot.id, above or b"/"))
        if known is not None:
            if name not in known:
                raise _error(errno.ENOENT, path)
            return known[name]
        return await self._one(place)

    async def entries(self, path: bytes) -> list[Node]:
        """What is in a folder, by name bytes."""
        names = _names(path)
        if len(names) < 2:
            return await self._top_list(names)
        place = await self._inside(names)
        return list((await self._folder(place)).values())

    async def read(self, path: bytes, start: int, length: int) -> bytes:
        """At most so many bytes of a file; fewer only at its end."""
        names = _names(path)
        if len(names) < 3:
            raise _error(errno.EISDIR, path)
        place = await self._inside(names)
        return await self._asked(
            path,
            lambda: self._core.read_content(self._mount, place.snapshot.id, shown(place.path), start, length),
        )

    # --- above the snapshots -----------------------------------------------------------------------------------------

    async def _servers(self) -> dict[bytes, dict[bytes, SnapshotView]]:
        """By server and time, in order of time. While the core is away, as it was."""
        if self._monotonic_s() - self._read_at_s >= CATALOGUE_S:
            try:
                found = await self._core.snapshots()
            except PhoenixError as error:
                if not self._catalogue:
                    log.warning("the snapshots can't be listed", error=error.message)
                    raise _error(errno.EIO, b"/") from error
            else:
                self._catalogue = _by_server(found)
                self._read_at_s = self._monotonic_s()
        return self._catalogue

    async def _of_server(self, name: bytes) -> dict[bytes, SnapshotView]:
        found = (await self._servers()).get(name)
        if found is None:
            raise _error(errno.ENOENT, b"/" + name)
        return found

    async def _top(self, names: list[bytes]) -> Node:
        if not names:
            newest = [snapshot for each in (await self._servers()).values() for snapshot in each.values()]
            return _folder_node(b"", max(map(_time_ns, newest), default=0))
        snapshots = await self._of_server(names[0])
        if len(names) == 1:
            return _folder_node(names[0], max(map(_time_ns, snapshots.values())))
        if names[1] == LATEST:
            return _latest(snapshots)
        if names[1] not in snapshots:
            raise _error(errno.ENOENT, b"/".join(names))
        return _folder_node(names[1], _time_ns(snapshots[names[1]]))

    async def _top_list(self, names: list[bytes]) -> list[Node]:
        if not names:
            servers = await self._servers()
            return [_folder_node(name, max(map(_time_ns, servers[name].values()))) for name in sorted(servers)]
        snapshots = await self._of_server(names[0])
        times = [_folder_node(name, _time_ns(snapshot)) for name, snapshot in snapshots.items()]
        return [*times, _latest(snapshots)]

    # --- inside a snapshot -------------------------------------------------------------------------------------------

    async def _inside(self, names: list[bytes]) -> _Place:
        snapshots = await self._of_server(names[0])
        time = next(reversed(snapshots)) if names[1] == LATEST else names[1]
        if time not in snapshots:
            raise _error(errno.ENOENT, b"/".join(names))
        return _Place(snapshots[time], b"/" + b"/".join(names[2:]))

    async def _one(self, place: _Place) -> Node:
        key = (place.snapshot.id, place.path)
        found = self._single.get(key)
        if found is None:
            view = await self._asked(
                place.path, lambda: self._core.node(self._mount, place.snapshot.id, shown(place.path))
            )
            found = self._single[key] = _node(view)
            if len(self._single) > NODES_KEPT // 10:
                self._single.popitem(last=False)
        return found

    async def _folder(self, place: _Place) -> dict[bytes, Node]:
        key = (place.snapshot.id, place.path)
        known = self._listed.get(key)
        if known is not None:
            self._listed.move_to_end(key)
            return known
        found: dict[bytes, Node] = {}
        after = ""
        while True:
            page = await self._page(place, after)
            for view in page.nodes:
                found[parse_shown(view.name)] = _node(view)
            after = page.next_after
            if not after:
                break
        self._keep(key, found)
        return found

    async def _page(self, place: _Place, after: str) -> NodePage:
        return await self._asked(
            place.path,
            lambda: self._core.nodes(self._mount, place.snapshot.id, shown(place.path), after=after, limit=PAGE_NODES),
        )

    def _keep(self, key: tuple[str, bytes], found: dict[bytes, Node]) -> None:
        before = self._listed.pop(key, {})
        self._listed[key] = found
        self._listed_nodes += len(found) - len(before)
        while self._listed_nodes > NODES_KEPT and len(self._listed) > 1:
            self._listed_nodes -= len(self._listed.popitem(last=False)[1])

    async def _asked(self, path: bytes, ask: Callable[[], Awaitable[T]]) -> T:
        """What the core answers; once more where it was started again since."""
        try:
            try:
                return await ask()
            except RemoteError as error:
                if error.view().code != MOUNT_UNKNOWN:
                    raise
                await self.open()
                return await ask()
        except PhoenixError as error:
            code = error.view().code
            number = _ERRNO.get(code, errno.EIO)
            if number == errno.EIO:
                log.error("a mount can't give what was asked for", path=shown(path), error=error.message)  # noqa: TRY400
            raise _error(number, path) from error


def _by_server(found: list[SnapshotView]) -> dict[bytes, dict[bytes, SnapshotView]]:
    servers: dict[bytes, dict[bytes, SnapshotView]] = {}
    for snapshot in sorted(found, key=lambda each: (each.created_at, each.id)):
        if snapshot.is_lost:
            continue
        server = servers.setdefault(_as_name(snapshot.server_name), {})
        name = f"{snapshot.created_at.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}"
        if name.encode() in server:
            name += f"-{snapshot.id[:12]}"
        server[name.encode()] = snapshot
    return servers


def _as_name(server: str) -> bytes:
    """One that a folder may have."""
    name = server.encode("utf-8", "surrogateescape").replace(b"/", b"_").replace(b"\0", b"_")
    return b"_" + name if name in {b"", b".", b".."} else name


def _names(path: bytes) -> list[bytes]:
    return [name for name in path.split(b"/") if name]


def _folder_node(name: bytes, time_ns: int) -> Node:
    return Node(name, "directory", 0o755, mtime_ns=time_ns, ctime_ns=time_ns, links=2)


def _latest(snapshots: dict[bytes, SnapshotView]) -> Node:
    target = next(reversed(snapshots))
    time_ns = _time_ns(snapshots[target])
    return Node(LATEST, "symlink", 0o777, len(target), mtime_ns=time_ns, ctime_ns=time_ns, target=target)


def _time_ns(snapshot: SnapshotView) -> int:
    return int(snapshot.created_at.timestamp()) * 10**9


def _node(view: NodeView) -> Node:
    target = parse_shown(view.target)
    return Node(
        name=parse_shown(view.name),
        type=view.type,
        mode=view.mode,
        size=len(target) if view.type == "symlink" else view.size,
        uid=view.uid,
        gid=view.gid,
        mtime_ns=view.mtime_ns,
        ctime_ns=view.ctime_ns,
        links=2 if view.type == "directory" else view.links,
        data_bytes=view.data_bytes,
        rdev=os.makedev(view.rdev_major, view.rdev_minor),
        target=target,
    )


def _error(number: int, path: bytes) -> OSError:
    return OSError(number, os.strerror(number), path)

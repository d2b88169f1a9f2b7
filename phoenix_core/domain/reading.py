"""What the operators' API returns and takes for finding and reading files: versions of a name, downloads, mounts.

Paths and names are in shown form (`domain.names`), times are UTC, sizes bytes."""

from datetime import datetime
from enum import StrEnum

import msgspec

from phoenix_core.domain.errors import ErrorView


class ArchiveFormat(StrEnum):
    TAR = "tar"
    ZIP = "zip"


class FileVersion(msgspec.Struct, frozen=True):
    """One version of an entry: the same content, time and type, in whichever snapshots of a server it is."""

    server_id: str
    server_name: str
    path: str
    type: str
    size: int
    mtime: datetime
    snapshots: int
    """In how many snapshots it is."""
    newest: str
    """Id of the newest of them: the one to restore from."""
    newest_at: datetime
    oldest: str
    oldest_at: datetime
    target: str = ""
    """A symbolic link's."""
    gone: bool = False
    """The server's newest snapshot that covers the path holds another version, or none. False also where that one is
    lost, damaged there, or not searched."""


class SearchProgress(msgspec.Struct, frozen=True):
    folders: int
    """Folders read so far; one that is the same in several snapshots counts once."""
    entries: int
    current: str = ""
    unreadable: int = 0
    """Folders whose tree is damaged: what they held isn't found."""
    lost: int = 0
    """Snapshots that are lost: they aren't searched."""


class SearchLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the answer to `GET /v1/find`; exactly one part is set. The last one has `end`, or `error`."""

    version: FileVersion | None = None
    progress: SearchProgress | None = None
    end: SearchProgress | None = None
    truncated: bool = False
    """With `end`: as many versions as asked for were found, and there may be more."""
    error: ErrorView | None = None


class DownloadState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Whoever asked went, or didn't read on, or the core stopped."""


class DownloadView(msgspec.Struct, frozen=True):
    """One download: how far it is, and why it was cut short. The header `Phoenix-Download` of its answer has the id."""

    id: str
    state: DownloadState
    snapshot_id: str
    path: str
    sent_bytes: int = 0
    error: ErrorView | None = None


class MountRequest(msgspec.Struct, frozen=True):
    place: str
    """Where it is to be seen, for people: a folder, or an address."""


class MountView(msgspec.Struct, frozen=True):
    id: str
    place: str
    opened_by: str
    opened_at: datetime


class NodeView(msgspec.Struct, frozen=True):
    """An entry as a mount shows it."""

    name: str
    type: str
    mode: int
    size: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    links: int = 1
    data_bytes: int = 0
    """Without holes."""
    rdev_major: int = 0
    rdev_minor: int = 0
    target: str = ""


class NodePage(msgspec.Struct, frozen=True):
    nodes: tuple[NodeView, ...]
    next_after: str = ""
    """Pass it as `after` for the next page; empty: this was the last."""

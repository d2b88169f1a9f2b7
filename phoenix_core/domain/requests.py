"""What the operators' API takes, as JSON. Times are UTC; file names are in shown form (`domain.names`)."""

from datetime import datetime

import msgspec

from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.domain.states import ConflictRule, VerifyDepth


class BackupRequest(msgspec.Struct, frozen=True):
    server: str
    """Name or id."""
    paths: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    cross_mounts: bool = False
    dry_run: bool = False
    full: bool = False
    """Read every file, whatever the parent says."""
    tags: tuple[str, ...] = ()
    """Of the snapshot that it makes."""
    source_snapshot: SourceSnapshot | None = None
    """None: what the server's policy says."""
    stream: str = ""
    """Back up, under this name, what the agent's `script` prints, instead of files."""
    script: str = ""
    """Name of a script in the agent's folder of scripts."""


class RestoreRequest(msgspec.Struct, frozen=True):
    server: str
    """The server whose data it is; name or id."""
    snapshot: str = "latest"
    paths: tuple[str, ...] = ()
    destination: str = ""
    """Empty: the original place."""
    to_server: str = ""
    """Empty: the same server."""
    conflict: ConflictRule | None = None
    """None: what the setting `restore.conflict` says."""
    check_only: bool = False


class VerifyRequest(msgspec.Struct, frozen=True):
    depth: VerifyDepth = VerifyDepth.STRUCTURE
    snapshots: tuple[str, ...] = ()
    """Empty: all."""


class RepairRequest(msgspec.Struct, frozen=True):
    depth: VerifyDepth = VerifyDepth.STRUCTURE
    """How deep to look for damage that isn't known yet. Packs that were found damaged are read to their last chunk."""
    execute: bool = False
    """False: make and show the plan only."""


class PruneRequest(msgspec.Struct, frozen=True):
    execute: bool = False
    """False: make and show the plan only."""


class TagChange(msgspec.Struct, frozen=True):
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class NoteChange(msgspec.Struct, frozen=True):
    text: str
    """Empty: no note."""


class HoldRequest(msgspec.Struct, frozen=True):
    reason: str
    until: datetime | None = None
    """With a zone; null: for ever."""


class ActivationTokenRequest(msgspec.Struct, frozen=True):
    role: str = "agent"
    """`agent` or `storage`."""
    name: str = ""
    """The server's name; empty: its host name."""
    valid_s: int = 3600
    install: bool = False
    """With a line that installs the agent from this core's wheels; refused where it has none."""
    address: str = ""
    """The core's address in that line, `https://host:port`; empty: the first of its own."""

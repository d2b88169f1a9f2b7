"""What the kinds of snapshots have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phoenix_core.agent.sourcesnapshots.marks import Mark
from phoenix_core.agent.sourcesnapshots.mounttable import Mount, MountTable


class NoSnapshot(Exception):
    """Why there can be none of a file system, in words that may follow its path and a colon."""


@dataclass(frozen=True)
class Place:
    """A part of the live tree that one snapshot stands in for, down to where another file system begins."""

    live: bytes
    """A mount point, or a Btrfs subvolume."""
    mount: Mount
    below: bytes = b"/"
    """Where it begins in the snapshot."""


@dataclass(frozen=True)
class Volume:
    """What a snapshot is made of."""

    kind: str
    name: str
    """As in `Mark.volume`."""
    group: str
    """Those of one group get their snapshots at one moment."""
    file_system: str
    live: bytes
    """A place of it."""
    parent: str = ""
    """As in `Mark`."""
    folder: bytes = b""
    """The same; empty: its kind needs none."""
    place: str = ""
    """The same."""
    cow_bytes: int = 0
    """What is set aside for what changes meanwhile; 0: nothing needs to be."""


class Kind(Protocol):
    """Snapshots of one kind. The methods raise AgentError and OSError for what goes wrong."""

    @property
    def name(self) -> str:
        """`Btrfs`, `LVM` or `ZFS`."""

    def volume(self, place: Place, table: MountTable) -> Volume:
        """What there is to make a snapshot of. Raises NoSnapshot."""

    def make(self, volumes: Sequence[Volume], marks: Sequence[Mark]) -> list[Mark]:
        """Make snapshots, read-only, of volumes of one group; the marks with their ids. Raises NoSnapshot where one
        isn't as it should be."""

    def root(self, mark: Mark) -> bytes:
        """The folder to read it from."""

    def problem(self, mark: Mark) -> str:
        """What is wrong with a snapshot that was made; empty: it is good."""

    def delete(self, mark: Mark) -> bool:
        """False: it is not there. Never deletes what isn't marked in its own way, too. Raises NoSnapshot where that
        can't be told, since what it would lie on isn't there itself."""

"""Damage found in a vault, each with the snapshots and files that it hits."""

import msgspec

from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.domain.names import shown

FILES_NAMED = 1000


class Damage(msgspec.Struct, frozen=True):
    what: str
    """A sentence: what is damaged, and how."""
    snapshots: tuple[SnapshotId, ...]
    files: tuple[str, ...]
    """The first 1,000, in shown form, each with its snapshot's short id in front: `3f2a9c0d1e2b:/etc/hosts`."""
    file_count: int


class _Open:
    def __init__(self, what: str) -> None:
        self.what = what
        self.snapshots: dict[SnapshotId, None] = {}
        self.files: list[str] = []
        self.file_count = 0


class DamageBook:
    """Collects damages by cause."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def open(self, cause: str, what: str) -> None:
        """Note a damage, known under `cause`, whether or not it hits anything."""
        self._open.setdefault(cause, _Open(what))

    def hit(self, cause: str, what: str, snapshot: SnapshotId, path: bytes) -> None:
        """A file or folder of a snapshot can't be restored because of `cause`."""
        entry = self._open.setdefault(cause, _Open(what))
        entry.snapshots.setdefault(snapshot)
        entry.file_count += 1
        if len(entry.files) < FILES_NAMED:
            entry.files.append(f"{snapshot[:SHORT_ID_DIGITS]}:{shown(path)}")

    def damages(self) -> tuple[Damage, ...]:
        return tuple(
            Damage(entry.what, tuple(entry.snapshots), tuple(entry.files), entry.file_count)
            for entry in self._open.values()
        )

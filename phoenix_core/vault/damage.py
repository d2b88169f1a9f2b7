"""Damage found in a vault, each with the snapshots and files that it hits."""

from collections.abc import Collection

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
    of_records: bool = False
    """Records are damaged or gone: no backup heals that."""


class _Open:
    def __init__(self, what: str) -> None:
        self.what = what
        self.of_records = False
        self.stands_alone = False
        """It is damage even where no snapshot needs what is damaged."""
        self.snapshots: dict[SnapshotId, int] = {}
        """With the number of files hit in each."""
        self.files: list[tuple[SnapshotId, str]] = []


class DamageBook:
    """Collects damages by cause."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def open(self, cause: str, what: str, *, of_records: bool = False) -> None:
        """Note a damage, known under `cause`, whether or not it hits anything."""
        entry = self._open.setdefault(cause, _Open(what))
        entry.stands_alone = True
        entry.of_records = of_records

    def hit(self, cause: str, what: str, snapshot: SnapshotId, path: bytes, *, of_records: bool = False) -> None:
        """A file or folder of a snapshot can't be restored because of `cause`."""
        entry = self._open.setdefault(cause, _Open(what))
        entry.of_records = of_records
        entry.snapshots[snapshot] = entry.snapshots.get(snapshot, 0) + 1
        if len(entry.files) < FILES_NAMED:
            entry.files.append((snapshot, f"{snapshot[:SHORT_ID_DIGITS]}:{shown(path)}"))

    def has(self, cause: str) -> bool:
        return cause in self._open

    def forget(self, removed: Collection[SnapshotId]) -> None:
        """Take out what hit only these snapshots, which were removed while the search went on."""
        for cause, entry in list(self._open.items()):
            for snapshot in removed:
                entry.snapshots.pop(snapshot, None)
            entry.files = [file for file in entry.files if file[0] not in removed]
            if not entry.snapshots and not entry.stands_alone:
                del self._open[cause]

    def damages(self) -> tuple[Damage, ...]:
        return tuple(
            Damage(
                entry.what,
                tuple(entry.snapshots),
                tuple(path for _, path in entry.files),
                sum(entry.snapshots.values()),
                entry.of_records,
            )
            for entry in self._open.values()
        )

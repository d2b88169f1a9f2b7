"""Snapshots of a server's file systems as the source of a backup: what an order says of them."""

import msgspec

from phoenix_core.domain.sourcesnapshot import SourceSnapshot


class SourceSnapshotOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Part of a `BackupOrder`, unless live files are to be read."""

    mode: SourceSnapshot
    lvm_percent: int = 15
    """Of an LVM volume: how much is set aside for a snapshot of it."""

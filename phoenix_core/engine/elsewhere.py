"""What a snapshot doesn't hold, or isn't there to give: which other snapshot of the server does.

The advice names that snapshot alone. Whoever was asked composes the command: only there it is known what else was
asked for, and a command that lacks some of it may do what nobody wanted."""

import asyncio
from collections.abc import Sequence

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.domain.names import parse_shown
from phoenix_core.engine.commit import read_body
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.treewalk import resolve

LOOKED_INTO = 100
"""So many snapshots, of those that could hold the paths, are looked into, the newest first."""


async def path_missing(
    error: PathNotInSnapshot, row: SnapshotRow, vault: OpenVault, snapshots: Snapshots, paths: Sequence[str]
) -> PathNotInSnapshot:
    """The error, with the snapshot's name, and which snapshot holds all of `paths`, if one does."""
    path = str(error.fields["path"])
    where = f"Snapshot {row.id[:SHORT_ID_DIGITS]} of {row.server_name}, taken {told(row)},"
    found = await holder(row, vault, snapshots, paths)
    if found is None:
        advice = f"See what it holds with `phoenix snapshot browse {row.id[:SHORT_ID_DIGITS]}`; it backed up: "
        return PathNotInSnapshot(path=path, where=where, advice=advice + ", ".join(row.paths) + ".")
    other = found.id[:SHORT_ID_DIGITS]
    what = "it" if len(paths) == 1 else "all that was asked for"
    advice = f"Snapshot {other}, taken {told(found)}, has {what}: take that one."
    return PathNotInSnapshot(path=path, where=where, advice=advice, instead=other)


async def holder(row: SnapshotRow, vault: OpenVault, snapshots: Snapshots, paths: Sequence[str]) -> SnapshotRow | None:
    """The newest other snapshot of the server that can be read and holds all the paths."""
    others = await snapshots.listed(server_id=row.server_id, server_name=row.server_name, readable_only=True)
    likely = [each for each in others if each.id != row.id and all(_may_hold(each, path) for path in paths)]
    return await asyncio.to_thread(_first_with, vault, likely[:LOOKED_INTO], paths)


def told(row: SnapshotRow) -> str:
    """When it was taken."""
    return f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC"


def _may_hold(row: SnapshotRow, path: str) -> bool:
    below = path.rstrip("/") + "/"
    return any(below.startswith(each.rstrip("/") + "/") or each.startswith(below) for each in row.paths)


def _first_with(vault: OpenVault, rows: Sequence[SnapshotRow], paths: Sequence[str]) -> SnapshotRow | None:
    """Blocks."""
    raw = [parse_shown(path) for path in paths]
    for row in rows:
        try:
            read_body(vault, SnapshotId(row.id))
            reader = vault.reader(row.domain, row.epoch)
            for path in raw:
                resolve(reader, row.root, path)
        except PhoenixError:
            continue
        return row
    return None

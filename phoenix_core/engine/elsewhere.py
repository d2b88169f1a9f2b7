"""A path that a snapshot doesn't hold: which other snapshot of the server does."""

import asyncio
import shlex
from collections.abc import Callable, Sequence

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.names import parse_shown
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.treewalk import resolve

LOOKED_INTO = 100
"""So many snapshots, of those that could hold the path, are looked into, the newest first."""

Command = Callable[[str, str], Sequence[str]]
"""The words of a command that takes a path from another snapshot: of that one's id, and the path."""


async def path_missing(
    error: PathNotInSnapshot,
    row: SnapshotRow,
    vault: OpenVault,
    snapshots: Snapshots,
    command: Command,
) -> PathNotInSnapshot:
    """The error, with the snapshot's name, and where the path is instead."""
    path = str(error.fields["path"])
    where = f"Snapshot {row.id[:SHORT_ID_DIGITS]} of {row.server_name}, taken {_time(row)},"
    others = await snapshots.listed(server_id=row.server_id, server_name=row.server_name, readable_only=True)
    likely = [each for each in others if each.id != row.id and _may_hold(each, path)][:LOOKED_INTO]
    found = await asyncio.to_thread(_first_with, vault, likely, path)
    if found is None:
        advice = f"See what it holds with `phoenix snapshot browse {row.id[:SHORT_ID_DIGITS]}`; it backed up: "
        return PathNotInSnapshot(path=path, where=where, advice=advice + ", ".join(row.paths) + ".")
    words = shlex.join(("phoenix", *command(found.id[:SHORT_ID_DIGITS], path)))
    advice = f"Snapshot {found.id[:SHORT_ID_DIGITS]}, taken {_time(found)}, has it: `{words}`."
    return PathNotInSnapshot(path=path, where=where, advice=advice)


def _may_hold(row: SnapshotRow, path: str) -> bool:
    below = path.rstrip("/") + "/"
    return any(below.startswith(each.rstrip("/") + "/") or each.startswith(below) for each in row.paths)


def _first_with(vault: OpenVault, rows: Sequence[SnapshotRow], path: str) -> SnapshotRow | None:
    """Blocks."""
    raw = parse_shown(path)
    for row in rows:
        try:
            resolve(vault.reader(row.domain, row.epoch), row.root, raw)
        except PhoenixError:
            continue
        return row
    return None


def _time(row: SnapshotRow) -> str:
    return f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC"

"""Whose snapshots are meant: a server that is or was enrolled, or one that only the vault still knows."""

from datetime import datetime

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.engine import elsewhere
from phoenix_core.engine.elsewhere import Command
from phoenix_core.engine.errors import AmbiguousName, NoSnapshot, SnapshotIdShort, SnapshotLost, SnapshotOfOther
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.errors import PathNotInSnapshot

LATEST = "latest"
SNAPSHOT_PREFIX_MIN = 6


class Source(msgspec.Struct, frozen=True):
    id: str
    name: str
    platform: str
    """Empty where only the vault knows the server."""
    enrolled: bool


class Sources:
    def __init__(self, directory: PeerDirectory, snapshots: Snapshots, lost: LostSnapshots) -> None:
        self._directory = directory
        self._snapshots = snapshots
        self._lost = lost

    async def server(self, name: str) -> Source:
        """By id or name. Raises NotFound, AmbiguousName."""
        try:
            peer = self._directory.server(name)
        except NotFound:
            rows = await self._snapshots.listed(server_id=name, server_name=name, limit=1)
            if not rows:
                raise
            return Source(id=rows[0].server_id, name=rows[0].server_name, platform="", enrolled=False)
        return Source(id=peer.id, name=peer.name, platform=peer.platform, enrolled=True)

    async def listed(self, server: str = "", limit: int = 0) -> list[SnapshotRow]:
        """Newest first, of all servers or one; those of an earlier enrolment under the same name too."""
        await self._lost.look()
        if not server:
            return await self._snapshots.listed(limit=limit)
        source = await self.server(server)
        return await self._snapshots.listed(server_id=source.id, server_name=source.name, limit=limit)

    async def snapshot(self, name: str, server: str = "", *, own_only: bool = False) -> SnapshotRow:
        """By id, unique prefix of six digits or more, or `latest` (of a server). `own_only`: not of an earlier
        enrolment of the same name. One that is lost is found by its id.

        Raises NotFound, SnapshotIdShort, SnapshotOfOther, NoSnapshot, AmbiguousName, and SnapshotLost where the latest
        is lost: an older one is restored only where it is named."""
        source = await self.server(server) if server else None
        if name == LATEST:
            return await self._latest(source, own_only)
        if len(name) < SNAPSHOT_PREFIX_MIN and not name.strip("0123456789abcdefABCDEF"):
            raise SnapshotIdShort(name=name or "Nothing", digits=SNAPSHOT_PREFIX_MIN)
        found = await self._snapshots.with_prefix(name.lower(), 3) if len(name) >= SNAPSHOT_PREFIX_MIN else []
        if len(found) > 1:
            ids = ", ".join(row.id[:SHORT_ID_DIGITS] for row in found)
            raise AmbiguousName(what="Snapshot", name=name, found=ids)
        if found and source is not None and not own_only and not _belongs(found[0], source, own_only):
            short, owner = found[0].id[:SHORT_ID_DIGITS], found[0].server_name
            raise SnapshotOfOther(snapshot=short, owner=owner, server=source.name)
        if not found or (source is not None and not _belongs(found[0], source, own_only)):
            raise NotFound(what="snapshot", name=name)
        return found[0]

    async def legible(self, name: str, server: str = "") -> SnapshotRow:
        """As `snapshot`, but raises SnapshotLost for one that is known to be lost."""
        row = await self.snapshot(name, server)
        if not row.readable:
            raise await self._loss(row)
        return row

    async def check(self, row: SnapshotRow) -> None:
        """Raises SnapshotLost where the snapshot's object can't be read, which is tried now."""
        if not row.readable or not await self._lost.readable(row):
            raise await self._loss(row)

    async def path_missing(
        self, error: PathNotInSnapshot, row: SnapshotRow, vault: OpenVault, command: Command
    ) -> PathNotInSnapshot:
        """The error, with the snapshot's name, and where the path is instead, if another of the server has it."""
        return await elsewhere.path_missing(error, row, vault, self._snapshots, command)

    async def _latest(self, source: Source | None, own_only: bool) -> SnapshotRow:
        await self._lost.look()
        rows = await self._snapshots.listed(
            server_id=source.id if source else "",
            server_name=source.name if source and not own_only else "",
            limit=1,
        )
        if not rows:
            raise NoSnapshot(server=source.name if source else "")
        if not rows[0].readable:
            raise await self._loss(rows[0])
        return rows[0]

    async def _loss(self, row: SnapshotRow) -> SnapshotLost:
        others = await self._snapshots.listed(
            server_id=row.server_id, server_name=row.server_name, limit=1, readable_only=True
        )
        advice = f"{row.server_name} has no other that is there."
        if others:
            other = others[0].id[:SHORT_ID_DIGITS]
            advice = (
                f"The newest that is there is {other}, taken {_told(others[0].created_at)}: restore that one with "
                f"`phoenix restore {row.server_name} --snapshot {other}`."
            )
        advice += f" A copy of the vault may still hold snapshots/{row.id}: put it back."
        return SnapshotLost(
            snapshot=row.id[:SHORT_ID_DIGITS], server=row.server_name, time=_told(row.created_at), advice=advice
        )


def _told(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _belongs(row: SnapshotRow, source: Source, own_only: bool) -> bool:
    return row.server_id == source.id or (row.server_name == source.name and not own_only)

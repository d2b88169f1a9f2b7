"""Whose snapshots are meant: a server that is or was enrolled, or one that only the vault still knows."""

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.engine.errors import AmbiguousName, NoSnapshot
from phoenix_core.engine.peer_directory import PeerDirectory

LATEST = "latest"
SNAPSHOT_PREFIX_MIN = 6


class Source(msgspec.Struct, frozen=True):
    id: str
    name: str
    platform: str
    """Empty where only the vault knows the server."""
    enrolled: bool


class Sources:
    def __init__(self, directory: PeerDirectory, snapshots: Snapshots) -> None:
        self._directory = directory
        self._snapshots = snapshots

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
        if not server:
            return await self._snapshots.listed(limit=limit)
        source = await self.server(server)
        return await self._snapshots.listed(server_id=source.id, server_name=source.name, limit=limit)

    async def snapshot(self, name: str, server: str = "", *, own_only: bool = False) -> SnapshotRow:
        """By id, unique prefix of six digits or more, or `latest` (of a server). `own_only`: not of an earlier
        enrolment of the same name. Raises NotFound, NoSnapshot, AmbiguousName."""
        source = await self.server(server) if server else None
        if name == LATEST:
            return await self._latest(source, own_only)
        found = await self._snapshots.with_prefix(name.lower(), 3) if len(name) >= SNAPSHOT_PREFIX_MIN else []
        if len(found) > 1:
            ids = ", ".join(row.id[:SHORT_ID_DIGITS] for row in found)
            raise AmbiguousName(what="Snapshot", name=name, found=ids)
        if not found or (source is not None and not _belongs(found[0], source, own_only)):
            raise NotFound(what="snapshot", name=name)
        return found[0]

    async def _latest(self, source: Source | None, own_only: bool) -> SnapshotRow:
        rows = await self._snapshots.listed(
            server_id=source.id if source else "",
            server_name=source.name if source and not own_only else "",
            limit=1,
            readable_only=True,
        )
        if not rows:
            raise NoSnapshot(server=source.name if source else "of any name")
        return rows[0]


def _belongs(row: SnapshotRow, source: Source, own_only: bool) -> bool:
    return row.server_id == source.id or (row.server_name == source.name and not own_only)

"""Whose snapshots are meant: a server that is or was enrolled, or one that only the vault still knows."""

from collections.abc import Sequence

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.annotations import checked_tags
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.streams import name_of
from phoenix_core.engine import elsewhere
from phoenix_core.engine.errors import (
    AmbiguousName,
    NoSnapshot,
    SnapshotIdShort,
    SnapshotLost,
    SnapshotOfOther,
)
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.standing import held_error, holds, removed_error
from phoenix_core.engine.vault import OpenVault, VaultSeat
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
    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        snapshots: Snapshots,
        lost: LostSnapshots,
        seen: SeenTime,
        clock: Clock,
    ) -> None:
        self._seat = seat
        self._directory = directory
        self._snapshots = snapshots
        self._lost = lost
        self._seen = seen
        self._clock = clock

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

    async def listed(
        self,
        server: str = "",
        limit: int = 0,
        tags: Sequence[str] = (),
        *,
        held: bool = False,
        removed: bool = False,
        own_only: bool = False,
    ) -> list[SnapshotRow]:
        """Newest first, of all servers or one; those of an earlier enrolment under the same name too, but with
        `own_only`. `tags`: only what has all of them. `held`: only what a hold keeps. `removed`: only those whose
        removal can still be undone. Raises UsageError for what is no tag."""
        await self._lost.look()
        source = await self.server(server) if server else None
        rows = await self._snapshots.listed(
            server_id=source.id if source else "",
            server_name=source.name if source and not own_only else "",
            limit=0 if held else limit,
            tags=checked_tags(tags),
            with_hold=held,
            removed=removed,
        )
        if held:
            rows = [row for row in rows if self.is_held(row)]
        return rows[:limit] if limit else rows

    def is_held(self, row: SnapshotRow) -> bool:
        """Whether a hold keeps it now."""
        return holds(row, self._clock.now(), self._seen.now_s) is not None

    def check_free(self, row: SnapshotRow) -> None:
        """Raises SnapshotHeld."""
        hold = holds(row, self._clock.now(), self._seen.now_s)
        if hold is not None:
            raise held_error(row, hold)

    async def snapshot(
        self,
        name: str,
        server: str = "",
        *,
        own_only: bool = False,
        paths: Sequence[str] = (),
        removed: bool = False,
    ) -> SnapshotRow:
        """By id, unique prefix of six digits or more, or `latest` (of a server). `own_only`: not of an earlier
        enrolment of the same name. One that is lost is found by its id. `paths`: what is wanted; none: all. `removed`:
        also one whose removal can still be undone.

        Raises NotFound, SnapshotRemoved, SnapshotIdShort, SnapshotOfOther, NoSnapshot, AmbiguousName, and SnapshotLost
        where the latest is lost: an older one is restored only where it is named."""
        source = await self.server(server) if server else None
        if name == LATEST:
            return await self._latest(source, own_only, paths)
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
        if found[0].removed_at is not None and not removed:
            raise removed_error(found[0], self._clock.now(), self._seen.now_s)
        return found[0]

    async def legible(self, name: str, server: str = "", paths: Sequence[str] = ()) -> SnapshotRow:
        """As `snapshot`, but raises SnapshotLost for one that is known to be lost."""
        row = await self.snapshot(name, server, paths=paths)
        if not row.readable:
            raise await self._loss(row, paths)
        return row

    async def check(self, row: SnapshotRow, paths: Sequence[str] = ()) -> None:
        """Raises SnapshotLost where the snapshot's object can't be read, which is tried now."""
        if not row.readable or not await self._lost.readable(row):
            raise await self._loss(row, paths)

    async def path_missing(
        self, error: PathNotInSnapshot, row: SnapshotRow, vault: OpenVault, paths: Sequence[str]
    ) -> PathNotInSnapshot:
        """The error, with the snapshot's name, and which other of the server has all the paths, if one does."""
        return await elsewhere.path_missing(error, row, vault, self._snapshots, paths)

    async def newest(self, server: str) -> SnapshotRow:
        """The server's newest snapshot of files, lost or not: of its own, or where it has none of an earlier enrolment
        under its name. Raises NotFound, AmbiguousName, NoSnapshot."""
        source = await self.server(server)
        try:
            return await self._newest(source, own_only=True, paths=())
        except NoSnapshot:
            return await self._newest(source, own_only=False, paths=())

    async def _latest(self, source: Source | None, own_only: bool, paths: Sequence[str]) -> SnapshotRow:
        newest = await self._newest(source, own_only=own_only, paths=paths)
        if not newest.readable:
            raise await self._loss(newest, paths)
        return newest

    async def _newest(self, source: Source | None, *, own_only: bool, paths: Sequence[str]) -> SnapshotRow:
        await self._lost.look()
        rows = await self._snapshots.listed(
            server_id=source.id if source else "",
            server_name=source.name if source and not own_only else "",
            limit=1,
            stream=name_of(paths) if source else None,
        )
        if not rows:
            raise NoSnapshot(server=source.name if source else "")
        return rows[0]

    async def _loss(self, row: SnapshotRow, paths: Sequence[str]) -> SnapshotLost:
        wanted = paths or row.paths
        vault = self._seat.opened
        found = None if vault is None or not wanted else await elsewhere.holder(row, vault, self._snapshots, wanted)
        other = "" if found is None else found.id[:SHORT_ID_DIGITS]
        if found is not None:
            advice = (
                f"The newest that is there and has {', '.join(wanted)} is {other}, taken {elsewhere.told(found)}: "
                "take that one."
            )
        elif wanted:
            advice = f"{row.server_name} has no other that is there and has {', '.join(wanted)}."
        else:
            advice = (
                f"What it held isn't known any more; `phoenix snapshot list --server {row.server_name}` shows others."
            )
        return SnapshotLost(
            snapshot=row.id[:SHORT_ID_DIGITS],
            server=row.server_name,
            time=elsewhere.told(row),
            advice=f"{advice} A copy of the vault may still hold snapshots/{row.id}: put it back.",
            instead=other,
        )


def _belongs(row: SnapshotRow, source: Source, own_only: bool) -> bool:
    return row.server_id == source.id or (row.server_name == source.name and not own_only)

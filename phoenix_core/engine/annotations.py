"""Tags, notes and holds: each change is a signed record in the vault, and in the catalog after it."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.annotations import checked_note, checked_reason, checked_tags
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound, UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.engine.commit import RecordCheck, remember_last_record
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.standing import as_recorded, since_epoch_ns
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.annotation import Annotation, Hold


class Annotations:
    """All methods raise RecordsBroken, VaultRolledBack, NotFound, and what the node raises."""

    def __init__(
        self,
        snapshots: Snapshots,
        facts: Facts,
        records: RecordCheck,
        seen: SeenTime,
        news: SnapshotNews,
        clock: Clock,
    ) -> None:
        self._snapshots = snapshots
        self._facts = facts
        self._records = records
        self._seen = seen
        self._news = news
        self._clock = clock

    async def tag(
        self, vault: OpenVault, snapshot: SnapshotId, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> SnapshotRow:
        """Raises UsageError for what is no tag, and for too many."""
        wanted, unwanted = checked_tags(add), {tag.lower() for tag in remove}

        def change(said: Annotation) -> Annotation:
            tags = checked_tags({*said.tags, *wanted} - unwanted)
            return msgspec.structs.replace(said, tags=tags)

        return await self._change(vault, snapshot, change)

    async def note(self, vault: OpenVault, snapshot: SnapshotId, text: str) -> SnapshotRow:
        """Empty: none. Raises UsageError."""
        note = checked_note(text)
        return await self._change(vault, snapshot, lambda said: msgspec.structs.replace(said, note=note))

    async def hold(
        self, vault: OpenVault, snapshot: SnapshotId, reason: str, who: str, until: datetime | None
    ) -> SnapshotRow:
        """In place of a hold that is there. Raises UsageError for an end that isn't in the future."""
        now = self._clock.now()
        if until is not None and until <= now:
            raise UsageError(detail=f"A hold ends in the future; {until:%Y-%m-%d %H:%M} UTC is not.")
        hold = Hold(checked_reason(reason), who, since_epoch_ns(now), since_epoch_ns(until) if until else 0)
        return await self._change(vault, snapshot, lambda said: msgspec.structs.replace(said, hold=hold))

    async def release(self, vault: OpenVault, snapshot: SnapshotId) -> SnapshotRow:
        return await self._change(vault, snapshot, lambda said: msgspec.structs.replace(said, hold=None))

    async def _change(
        self, vault: OpenVault, snapshot: SnapshotId, change: Callable[[Annotation], Annotation]
    ) -> SnapshotRow:
        async with self._records.turn:
            await self._records.check_in_turn(vault)
            row = await self._snapshots.get(snapshot)
            committed = vault.chain.commit_of(snapshot)
            if row is None or committed is None:
                raise NotFound(what="snapshot", name=snapshot[:SHORT_ID_DIGITS])
            said = vault.chain.standing(snapshot).annotation
            wanted = change(said)
            if wanted != said:
                await asyncio.to_thread(vault.chain.annotate, committed, wanted)
                await remember_last_record(self._facts, vault)
            now = as_recorded(row, vault.chain.standing(snapshot), self._seen.now_s)
            await self._snapshots.put(now)
            self._news.changed(now)
            return now

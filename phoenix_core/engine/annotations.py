"""Tags, notes and holds: each change is a decision about a snapshot, recorded in the vault."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.annotations import checked_note, checked_reason, checked_tags
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.decisions import Decisions, Subject
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.standing import removed_error, since_epoch_ns
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.annotation import Annotation, Hold


class Annotations:
    """All methods raise RecordsBroken, VaultRolledBack, NotFound, and what the node raises."""

    def __init__(self, decisions: Decisions, seen: SeenTime, clock: Clock) -> None:
        self._decisions = decisions
        self._seen = seen
        self._clock = clock

    async def tag(
        self, vault: OpenVault, snapshot: SnapshotId, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> SnapshotRow:
        """Raises UsageError for what is no tag, and for too many."""
        wanted, unwanted = checked_tags(add), {tag.lower() for tag in remove}

        def change(subject: Subject) -> Annotation:
            said = subject.standing.annotation
            tags = checked_tags({*said.tags, *wanted} - unwanted)
            return msgspec.structs.replace(said, tags=tags)

        return await self._change(vault, snapshot, change)

    async def note(self, vault: OpenVault, snapshot: SnapshotId, text: str) -> SnapshotRow:
        """Empty: none. Raises UsageError."""
        note = checked_note(text)
        return await self._change(
            vault, snapshot, lambda subject: msgspec.structs.replace(subject.standing.annotation, note=note)
        )

    async def hold(
        self, vault: OpenVault, snapshot: SnapshotId, reason: str, who: str, until: datetime | None
    ) -> SnapshotRow:
        """In place of a hold that is there. Raises UsageError for an end that isn't in the future, SnapshotRemoved for
        one that was removed meanwhile: it must be brought back first."""
        now = self._clock.now()
        if until is not None and until <= now:
            raise UsageError(detail=f"A hold ends in the future; {until:%Y-%m-%d %H:%M} UTC is not.")
        hold = Hold(checked_reason(reason), who, since_epoch_ns(now), since_epoch_ns(until) if until else 0)

        def change(subject: Subject) -> Annotation:
            if subject.standing.aside is not None:
                raise removed_error(subject.row, self._clock.now(), self._seen.now_s)
            return msgspec.structs.replace(subject.standing.annotation, hold=hold)

        return await self._change(vault, snapshot, change)

    async def release(self, vault: OpenVault, snapshot: SnapshotId) -> SnapshotRow:
        return await self._change(
            vault, snapshot, lambda subject: msgspec.structs.replace(subject.standing.annotation, hold=None)
        )

    async def _change(
        self, vault: OpenVault, snapshot: SnapshotId, change: Callable[[Subject], Annotation]
    ) -> SnapshotRow:
        async with self._decisions.turn(vault):
            subject = await self._decisions.subject(vault, snapshot)
            wanted = change(subject)
            same = wanted == subject.standing.annotation
            append = None if same else lambda: vault.chain.annotate(subject.committed, wanted)
            return await self._decisions.record(vault, subject, append)

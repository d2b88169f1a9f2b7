"""What the records say of a snapshot beside its commit, as the catalog keeps it: annotation, hold, and a removal that
can still be undone.

Times that end something (a hold, an undo period) are kept twice: as the records tell them, and as a reading of
`SeenTime` that must be reached. The reading isn't in the vault; a catalog that is made anew counts from then on, and in
full, so that its loss makes nothing end sooner.
"""

import math
from datetime import UTC, datetime, timedelta

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.annotations import Hold
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.engine.errors import SnapshotHeld, SnapshotRemoved
from phoenix_core.vault import annotation as recorded
from phoenix_core.vault.annotation import Standing

_EPOCH = datetime.fromtimestamp(0, UTC)


def as_recorded(row: SnapshotRow, standing: Standing, seen_s: float) -> SnapshotRow:
    """The row with what the records say now. `seen_s`: reading of `SeenTime`."""
    said, aside = standing.annotation, standing.aside
    hold = _hold(said.hold)
    if hold != row.hold:
        length_s = (hold.until - hold.since).total_seconds() if hold and hold.until else 0
        row = msgspec.structs.replace(row, hold=hold, hold_due_s=math.ceil(seen_s + max(length_s, 0)))
    removed_at = at(standing.aside_ns) if aside else None
    if removed_at != row.removed_at:
        row = msgspec.structs.replace(
            row,
            removed_at=removed_at,
            removed_by=aside.who if aside else "",
            undo_due_s=math.ceil(seen_s + aside.undo_s) if aside else 0,
        )
    return msgspec.structs.replace(row, tags=said.tags, note=said.note)


def kept_readings(row: SnapshotRow, before: SnapshotRow | None) -> SnapshotRow:
    """A row that was read anew from the vault, with the readings that were known of it."""
    if before is None:
        return row
    names = ("tags", "note", "hold", "hold_due_s", "removed_at", "removed_by", "undo_due_s")
    return msgspec.structs.replace(row, **{name: getattr(before, name) for name in names})


def holds(row: SnapshotRow, now: datetime, seen_s: float) -> Hold | None:
    """The hold, while it holds: its end counts once the clock says so and the time until then was seen to pass, so that
    a clock which jumps ends none."""
    hold = row.hold
    if hold is None or hold.until is None:
        return hold
    return None if now >= hold.until and seen_s >= row.hold_due_s else hold


def held_error(row: SnapshotRow, hold: Hold) -> SnapshotHeld:
    """Why it can't be removed."""
    return SnapshotHeld(
        snapshot=row.id[:SHORT_ID_DIGITS],
        server=row.server_name,
        who=hold.who,
        until="for ever" if hold.until is None else f"until {hold.until:%Y-%m-%d %H:%M} UTC",
        reason=hold.reason.rstrip("."),
    )


def removed_error(row: SnapshotRow, now: datetime, seen_s: float) -> SnapshotRemoved:
    """Of one that is set aside: who did it, and until when it can be brought back."""
    return SnapshotRemoved(
        snapshot=row.id[:SHORT_ID_DIGITS],
        server=row.server_name,
        who=row.removed_by,
        time=f"{row.removed_at:%Y-%m-%d %H:%M} UTC",
        until=f"{undo_until(row, now, seen_s):%Y-%m-%d %H:%M} UTC",
    )


def undo_over(row: SnapshotRow, seen_s: float) -> bool:
    """Whether the removal can't be undone any more."""
    return row.removed_at is not None and seen_s >= row.undo_due_s


def undo_until(row: SnapshotRow, now: datetime, seen_s: float) -> datetime | None:
    """About when the undo period ends, if the core goes on running."""
    return now + timedelta(seconds=max(0.0, row.undo_due_s - seen_s)) if row.removed_at else None


def at(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).replace(microsecond=time_ns // 1000 % 1_000_000)


def since_epoch_ns(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def hold_to_record(hold: Hold | None) -> recorded.Hold | None:
    if hold is None:
        return None
    until_ns = since_epoch_ns(hold.until) if hold.until else 0
    return recorded.Hold(hold.reason, hold.who, since_epoch_ns(hold.since), until_ns)


def _hold(hold: recorded.Hold | None) -> Hold | None:
    if hold is None:
        return None
    return Hold(hold.reason, hold.who, at(hold.since_ns), at(hold.until_ns) if hold.until_ns else None)

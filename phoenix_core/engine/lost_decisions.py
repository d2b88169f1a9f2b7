"""Decisions about snapshots that the catalog knows and the records, put back to an earlier state, don't tell any more:
named before an operator accepts that loss, and recorded anew once one did.

Where it isn't clear which of the two is older, the safer word counts: a hold stays, and a snapshot that either of them
calls a restore point is one. So no removal is recorded anew that the records tell was undone since, as another core may
have done that opened the vault meanwhile.
"""

import math

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.engine.record_chain import RecordChain
from phoenix_core.engine.standing import as_recorded, at, hold_to_record
from phoenix_core.vault.annotation import Annotation, Aside, Standing
from phoenix_core.vault.record import Record

WHO = "the core"


def named(row: SnapshotRow, standing: Standing) -> str:
    """What of this snapshot is lost, such as `the hold of 3f2a9c0d1e2b of web1`; empty: nothing."""
    told = as_recorded(row, standing, 0)
    lost = ["the hold"] if row.hold is not None and row.hold != told.hold else []
    if row.removed_at is None and told.removed_at is not None:
        lost.append("the undone removal")
    elif _removal_is_lost(row, standing):
        lost.append("the removal")
    if (row.tags, row.note) != (told.tags, told.note):
        lost.append("tags and note")
    return f"{' and '.join(lost)} of {row.id[:SHORT_ID_DIGITS]} of {row.server_name}" if lost else ""


def record_anew(chain: RecordChain, committed: Record, row: SnapshotRow, seen_s: float) -> None:
    """Append what the records lack. Blocks; can be repeated. Raises what the node raises."""
    standing = chain.standing(committed.snapshot_id)
    hold = hold_to_record(row.hold) or standing.annotation.hold
    wanted = Annotation(row.tags, row.note, hold)
    if wanted != standing.annotation:
        chain.annotate(committed, wanted)
    if row.removed_at is None and standing.aside is not None:
        chain.bring_back(committed, WHO)
    elif _removal_is_lost(row, standing):
        chain.set_aside(committed, Aside(row.removed_by, max(0, math.ceil(row.undo_due_s - seen_s))))


def _removal_is_lost(row: SnapshotRow, standing: Standing) -> bool:
    return row.removed_at is not None and standing.aside is None and at(standing.undone_ns) < row.removed_at

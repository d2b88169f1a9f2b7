"""How the backups of each server's files and of each of its streams ended last: kept with each end, in its transaction.

In the order in which they ended, not by the clock: one that ended while the clock was ahead hides none after it. And
whoever asks reads a row or two of each, however many jobs there have been."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.catalog.rows import BackupEnd, JobRow
from phoenix_core.catalog.stream_names import asked_in
from phoenix_core.catalog.tables import last_ends
from phoenix_core.domain.policies import WINDOW_ENDS
from phoenix_core.domain.states import JobKind, JobState

_ENDS: Mapping[JobState, BackupEnd] = {
    JobState.SUCCESSFUL: BackupEnd.MADE,
    JobState.SUCCESSFUL_WITH_ERRORS: BackupEnd.MADE,
    JobState.FAILED: BackupEnd.FAILED,
    JobState.ABORTED: BackupEnd.FAILED,
    JobState.SKIPPED: BackupEnd.SKIPPED,
}
_OVER: Mapping[BackupEnd, tuple[BackupEnd, ...]] = {
    BackupEnd.MADE: tuple(BackupEnd),
    BackupEnd.FAILED: (BackupEnd.FAILED, BackupEnd.SKIPPED, BackupEnd.STOPPED),
    BackupEnd.SKIPPED: (BackupEnd.SKIPPED,),
    BackupEnd.STOPPED: (BackupEnd.STOPPED,),
}
"""What an end takes the place of."""


async def keep_end(connection: AsyncConnection, job: JobRow) -> None:
    """Of a job that may be over, in the transaction that ended it. Only backups count; neither trials do, nor what
    somebody cancelled."""
    end = _ENDS.get(job.state)
    if job.state is JobState.CANCELLED and job.cancelled_by.startswith(WINDOW_ENDS):
        end = BackupEnd.STOPPED
    if job.kind is not JobKind.FILE_BACKUP or end is None:
        return
    asked = asked_in(job.request)
    if asked.dry_run:
        return
    of_part = sa.and_(last_ends.c.server_id == job.server_id, last_ends.c.stream == asked.stream_name)
    in_a_row = 1
    if end is BackupEnd.FAILED:
        before = sa.select(last_ends.c.in_a_row).where(of_part, last_ends.c.how == end)
        in_a_row += await connection.scalar(before) or 0
    await connection.execute(sa.delete(last_ends).where(of_part, last_ends.c.how.in_(_OVER[end])))
    row = {"server_id": job.server_id, "stream": asked.stream_name, "how": end, "job_id": job.id, "in_a_row": in_a_row}
    await connection.execute(sa.insert(last_ends).values(row))

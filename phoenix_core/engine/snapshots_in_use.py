"""Which snapshots a job that waits or runs restores from, or compares with: they aren't removed before it is over."""

import msgspec

from phoenix_core.catalog.jobs import ACTIVE, Jobs
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.errors import SnapshotInUse

READING = frozenset({JobKind.FILE_RESTORE, JobKind.FILE_COMPARE, JobKind.RESTORE_DRILL})


class _Reads(msgspec.Struct, frozen=True):
    snapshot_id: str = ""


class SnapshotsInUse:
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def by(self, snapshot_id: str) -> str:
        """The id of such a job; empty: none."""
        for job in await self._jobs.in_states(ACTIVE):
            if job.kind in READING and msgspec.json.decode(job.request, type=_Reads).snapshot_id == snapshot_id:
                return job.id
        return ""

    async def check(self, row: SnapshotRow) -> None:
        """Raises SnapshotInUse."""
        job = await self.by(row.id)
        if job:
            raise SnapshotInUse(snapshot=row.id[:SHORT_ID_DIGITS], server=row.server_name, job=job)

"""Which snapshots are read: by a job that waits or runs and restores from them or compares with them, or through a
mount. They aren't removed before that is over."""

import msgspec

from phoenix_core.catalog.jobs import ACTIVE, Jobs
from phoenix_core.catalog.rows import JobRow, SnapshotRow
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.errors import SnapshotInUse, SnapshotMounted
from phoenix_core.engine.reading.mounts import Mounts

READING = frozenset({JobKind.FILE_RESTORE, JobKind.FILE_COMPARE, JobKind.RESTORE_DRILL})


class _Reads(msgspec.Struct, frozen=True):
    snapshot_id: str = ""


class SnapshotsInUse:
    def __init__(self, jobs: Jobs, mounts: Mounts) -> None:
        self._jobs = jobs
        self._mounts = mounts

    async def _job(self, snapshot_id: str) -> str:
        for job in await self._jobs.in_states(ACTIVE):
            if job.kind in READING and _read_by(job) == snapshot_id:
                return job.id
        return ""

    async def check(self, row: SnapshotRow) -> None:
        """Raises SnapshotInUse, SnapshotMounted."""
        mount = self._mounts.reading(row.id)
        if mount:
            raise SnapshotMounted(snapshot=row.id[:SHORT_ID_DIGITS], server=row.server_name, place=mount.place)
        job = await self._job(row.id)
        if job:
            raise SnapshotInUse(snapshot=row.id[:SHORT_ID_DIGITS], server=row.server_name, job=job)


def _read_by(job: JobRow) -> str:
    """The snapshot that was chosen when the job began, else the one that was asked for; empty: neither yet."""
    return job.snapshot_id or msgspec.json.decode(job.request, type=_Reads).snapshot_id

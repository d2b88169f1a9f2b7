"""Decides which backups read all files again, whatever their metadata says (a policy's `reread_every`).

It goes by the backups that made a restore point: one that was cancelled or failed has not had its turn.
"""

import msgspec

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.engine.requests import BackupJob

READ_ALL = "read_all"
"""In a job's result: whether the backup read every file, as the first of its folders does."""
LOOKED_AT_MAX = 4000


class Rereads:
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def due(self, request: BackupJob, policy: BackupPolicy | None) -> str:
        """Why this backup reads all files, such as `re-read, every 10th run`; empty: it need not."""
        every = policy.reread_every if policy is not None else 0
        if not every or request.dry_run:
            return ""
        since = 0
        recorded = await self._jobs.recorded_backups(request.server_id, min(4 * every, LOOKED_AT_MAX))
        for job in recorded:
            if since >= every - 1:
                break
            if msgspec.json.decode(job.request, type=_Paths).paths == request.paths:
                if job.result.get(READ_ALL):
                    return ""
                since += 1
        return f"re-read, {_nth(every)}" if since >= every - 1 else ""


class _Paths(msgspec.Struct):
    paths: tuple[str, ...]


def _nth(every: int) -> str:
    if every == 1:
        return "every run"
    ending = "th" if every % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(every % 10, "th")
    return f"every {every}{ending} run"

"""Decides which backups read all files again, whatever their metadata says (a policy's `reread_every`).

It goes by the backups that made a restore point: one that was cancelled or failed has not had its turn.
"""

from collections.abc import AsyncIterator

import msgspec

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.engine.requests import BackupJob

READ_ALL = "read_all"
"""In a job's result: whether the backup read every file, as the first of its folders does."""
PAGE = 200


class Rereads:
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def due(self, request: BackupJob, policy: BackupPolicy | None) -> str:
        """Why this backup reads all files, such as `re-read, every 10th run`; empty: it need not."""
        every = policy.reread_every if policy is not None else 0
        if not every or request.dry_run:
            return ""
        since = 0
        async for job in self._of_the_same_paths(request):
            if since >= every - 1 or job.result.get(READ_ALL):
                break
            since += 1
        return f"re-read, {_nth(every)}" if since >= every - 1 else ""

    async def _of_the_same_paths(self, request: BackupJob) -> AsyncIterator[JobRow]:
        """The server's backups of these folders that made a restore point, newest first, however many others are
        between."""
        hint = f'"paths":{msgspec.json.encode(request.paths).decode()}'
        before: JobRow | None = None
        while True:
            page = await self._jobs.recorded_backups(request.server_id, PAGE, hint=hint, before=before)
            for job in page:
                if msgspec.json.decode(job.request, type=_Paths).paths == request.paths:
                    yield job
            if len(page) < PAGE:
                return
            before = page[-1]


class _Paths(msgspec.Struct):
    paths: tuple[str, ...]


def _nth(every: int) -> str:
    if every == 1:
        return "every run"
    ending = "th" if every % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(every % 10, "th")
    return f"every {every}{ending} run"

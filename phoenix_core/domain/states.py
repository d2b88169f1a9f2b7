"""Job states with their transitions, step states and job kinds."""

from enum import StrEnum


class JobKind(StrEnum):
    FILE_BACKUP = "file_backup"
    FILE_RESTORE = "file_restore"
    VERIFY = "verify"
    REPAIR = "repair"
    PRUNE = "prune"
    REBUILD_INDEX = "rebuild_index"
    SNAPSHOT_REMOVE = "snapshot_remove"
    RETENTION = "retention"
    RESTORE_DRILL = "restore_drill"
    FILE_COMPARE = "file_compare"


class JobState(StrEnum):
    QUEUED = "queued"
    WAITING_FOR_AGENT = "waiting_for_agent"
    WAITING_FOR_PROXY = "waiting_for_proxy"
    WAITING_FOR_THAW = "waiting_for_thaw"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    SUCCESSFUL_WITH_ERRORS = "successful_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    ABORTED = "aborted"

    @property
    def is_final(self) -> bool:
        return not TRANSITIONS[self]

    @property
    def is_waiting(self) -> bool:
        return self in _WAITING


_WAITING = frozenset(
    {JobState.QUEUED, JobState.WAITING_FOR_AGENT, JobState.WAITING_FOR_PROXY, JobState.WAITING_FOR_THAW}
)
_ENDS = frozenset(
    {
        JobState.SUCCESSFUL,
        JobState.SUCCESSFUL_WITH_ERRORS,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.ABORTED,
    }
)

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: _WAITING - {JobState.QUEUED} | {JobState.RUNNING, JobState.SKIPPED} | _ENDS,
    JobState.WAITING_FOR_AGENT: frozenset({JobState.QUEUED, JobState.RUNNING, JobState.SKIPPED}) | _ENDS,
    JobState.WAITING_FOR_PROXY: frozenset({JobState.QUEUED, JobState.RUNNING, JobState.SKIPPED}) | _ENDS,
    JobState.WAITING_FOR_THAW: frozenset({JobState.RUNNING}) | _ENDS,
    JobState.RUNNING: frozenset({JobState.WAITING_FOR_THAW, JobState.WAITING_FOR_AGENT, JobState.SKIPPED}) | _ENDS,
    JobState.SUCCESSFUL: frozenset(),
    JobState.SUCCESSFUL_WITH_ERRORS: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.SKIPPED: frozenset(),
    JobState.ABORTED: frozenset(),
}


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class ConflictRule(StrEnum):
    """What a restore does where an entry already exists at the destination."""

    OVERWRITE = "overwrite"
    SKIP = "skip"
    KEEP_BOTH = "keep_both"
    IF_OLDER = "if_older"


class VerifyDepth(StrEnum):
    STRUCTURE = "structure"
    PACKS = "packs"
    CHUNKS = "chunks"

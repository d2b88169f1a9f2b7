"""What a job was asked to do, as the catalog keeps it: names resolved to ids, so that a retry means the same."""

from datetime import datetime

import msgspec

from phoenix_core.domain.drills import Sample
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.domain.states import ConflictRule, JobKind, VerifyDepth
from phoenix_core.domain.streams import Stream, path_of
from phoenix_core.engine.content import by_hand, excludes_of, paths_of

AGENT_ASKS = "agent of "
"""How a job's `requested_by` begins where an agent asked for it by itself; no user's name has a blank."""

POLICY_ASKS = "policy "
"""The same where a backup policy's schedule asked for it."""


class ScheduledBackup(msgspec.Struct, frozen=True):
    """What the scheduler asks for: a backup of one server in a run of its group."""

    job_id: str
    """Follows from group, server and time, so that a run makes no job twice."""
    server_id: str
    policy: str
    """Its name."""
    group: str
    """Its name, too."""
    due: datetime
    missed: bool
    """The core was not running when it was due. It is made up for, unless it is left out."""
    left_out: bool = False
    """Its policy wants no missed run made up for."""
    in_window: bool = True
    """It is in its policy's backup window now."""
    stream: Stream | None = None
    """This instead of what the rules say of files."""

    @property
    def due_text(self) -> str:
        return f"{self.due:%Y-%m-%d %H:%M} UTC"


class BackupJob(msgspec.Struct, frozen=True):
    server_id: str
    paths: tuple[str, ...]
    """Absolute, in shown form."""
    excludes: tuple[str, ...] = ()
    cross_mounts: bool = False
    dry_run: bool = False
    full: bool = False
    source_snapshot: SourceSnapshot | None = None
    """None: what the server's policy says when the job begins."""
    scheduled: bool = False
    """As against Backup Now: skipped where the agent isn't there (WF4.2)."""
    rules: tuple[ContentRule, ...] = ()
    """As they were when the job was made; none: what the fields above say."""
    tags: tuple[str, ...] = ()
    """Of the snapshot that it makes."""
    stream: Stream | None = None
    """This is backed up instead of files; `paths` is then where it is in the snapshot."""

    def content(self) -> tuple[ContentRule, ...]:
        return self.rules or (by_hand(self.paths, self.excludes, cross_mounts=self.cross_mounts),)


def scheduled_job(wanted: ScheduledBackup, rules: tuple[ContentRule, ...]) -> BackupJob:
    """What is backed up by these rules, those of its group with folders; or the stream that is wanted."""
    if wanted.stream is not None:
        return BackupJob(wanted.server_id, (path_of(wanted.stream.name),), scheduled=True, stream=wanted.stream)
    return BackupJob(wanted.server_id, paths_of(rules), excludes_of(rules), scheduled=True, rules=rules)


def by_hand_instead(kind: JobKind, request: str) -> str:
    """The request of a job, as the catalog keeps it, where an operator asks for the same: it waits for
    its agent."""
    asked: type[BackupJob | RestoreDrillJob]
    if kind is JobKind.FILE_BACKUP:
        asked = BackupJob
    elif kind is JobKind.RESTORE_DRILL:
        asked = RestoreDrillJob
    else:
        return request
    by_hand = msgspec.structs.replace(msgspec.json.decode(request, type=asked), scheduled=False)
    return msgspec.json.encode(by_hand).decode()


class _Stream(msgspec.Struct, frozen=True):
    stream: Stream | None = None


def stream_of(request: str) -> str:
    """The stream that a backup, as the catalog keeps it, is of; empty: it is one of files."""
    found = msgspec.json.decode(request, type=_Stream).stream
    return found.name if found else ""


class RestoreJob(msgspec.Struct, frozen=True):
    server_id: str
    agent_id: str
    snapshot_id: str
    paths: tuple[str, ...] = ()
    destination: str = ""
    conflict: ConflictRule = ConflictRule.OVERWRITE
    check_only: bool = False


class RestoreDrillJob(msgspec.Struct, frozen=True):
    server_id: str
    agent_id: str
    """The server whose agent restores."""
    snapshot_id: str = ""
    """Empty: the newest that there is when the job begins."""
    sample: Sample = Sample()
    seed: str = ""
    scheduled: bool = False
    """Skipped where the agent isn't there; one asked for by hand waits for it."""


class CompareJob(msgspec.Struct, frozen=True):
    server_id: str
    snapshot_id: str
    paths: tuple[str, ...] = ()
    folder: str = ""
    content: bool = False


class _Check(msgspec.Struct, frozen=True):
    check_only: bool = False


def is_check(request: str) -> bool:
    """Whether a restore, as the catalog keeps it, is one that only checks."""
    return msgspec.json.decode(request, type=_Check).check_only


class VerifyJob(msgspec.Struct, frozen=True):
    depth: VerifyDepth = VerifyDepth.STRUCTURE
    snapshots: tuple[str, ...] = ()
    in_turn: bool = False
    """Also read some packs to their last chunk, so that each has its turn within `verify.days`; beside all else."""


class RepairJob(msgspec.Struct, frozen=True):
    depth: VerifyDepth = VerifyDepth.STRUCTURE
    execute: bool = False


class PruneJob(msgspec.Struct, frozen=True):
    execute: bool = False
    if_worth_it: bool = False
    """Only where enough is unused, and nothing is lost or damaged."""


class RebuildIndexJob(msgspec.Struct, frozen=True):
    pass


class RemoveSnapshotJob(msgspec.Struct, frozen=True):
    snapshot_id: str = ""
    """Empty: all whose undo period is over."""
    at_once: bool = False
    """Without an undo period."""


class RetentionJob(msgspec.Struct, frozen=True):
    pass

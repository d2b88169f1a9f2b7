"""The catalog's rows as frozen structures."""

from datetime import datetime
from enum import StrEnum

import msgspec

from phoenix_core.domain.annotations import Hold
from phoenix_core.domain.drills import DrillOutcome
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.policies import BackupPolicy, ContentRule
from phoenix_core.domain.states import JobKind, JobState, StepState

Result = dict[str, int | float | str | bool]


class PeerRow(msgspec.Struct, frozen=True):
    """A host that was enrolled: an agent on a protected server, or a storage node."""

    id: str
    role: str
    name: str
    hostname: str
    platform: str
    version: str
    enrolled_at: datetime
    last_seen_at: datetime | None = None
    revoked_at: datetime | None = None
    this_host: bool = False
    default_paths: tuple[str, ...] = ()
    url: str = ""
    """A storage node's own address."""
    revoked_seen_s: float = 0.0
    """How much time the core had seen pass when it was removed."""


class CertificateRow(msgspec.Struct, frozen=True):
    serial: str
    peer_id: str
    public_key: bytes
    """Raw Ed25519, 32 bytes: what the peer signs its snapshots with."""
    issued_at: datetime
    ends_at: datetime


class TokenRow(msgspec.Struct, frozen=True):
    """An activation token, of which the catalog keeps only the hash."""

    secret_hash: str
    role: str
    name: str
    created_at: datetime
    expires_at: datetime
    created_by: str
    used_at: datetime | None = None
    used_by: str = ""


class JobRow(msgspec.Struct, frozen=True):
    id: str
    kind: JobKind
    state: JobState
    title: str
    server_id: str
    """Whose data it is; empty for operations on the vault."""
    agent_id: str
    """The peer that does the work; empty where the core does it itself."""
    requested_by: str
    created_at: datetime
    request: str
    """The request as JSON, with names resolved to ids: what a retry runs again."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    snapshot_id: str = ""
    lease: str = ""
    outcome: bytes | None = None
    """The agent's last report as it came, from before the engine acts on it until after."""
    last_report: int = 0
    """Number of the newest report on this job that is in the catalog."""
    cancelled_by: str = ""
    """Who asked to cancel it; the job may still run."""
    error: ErrorView | None = None
    missing_count: int = 0
    result: Result = {}
    retry_of: str = ""
    attempt: int = 1
    ended_seen_s: float = 0
    """Reading of `engine.seen_time` at its end."""


class BackupEnd(StrEnum):
    """How a backup ended that counts."""

    MADE = "made"
    """It made a snapshot, of all or not of all that it was to read."""
    FAILED = "failed"
    """It failed, or was aborted."""
    SKIPPED = "skipped"
    STOPPED = "stopped"
    """The end of its policy's backup window cancelled it."""


class StepRow(msgspec.Struct, frozen=True):
    job_id: str
    position: int
    step: str
    title: str
    state: StepState = StepState.PENDING
    started_at: datetime | None = None
    finished_at: datetime | None = None
    detail: str = ""
    error: ErrorView | None = None


class LogRow(msgspec.Struct, frozen=True):
    job_id: str
    number: int
    at: datetime
    level: str
    text: str


class SnapshotRow(msgspec.Struct, frozen=True):
    """What a snapshot and its record say, kept for speed; made anew from the vault at any time."""

    id: str
    sequence: int
    """Number of the commit's record."""
    server_id: str
    server_name: str
    root: bytes
    created_at: datetime
    recorded_at: datetime
    paths: tuple[str, ...]
    files: int
    directories: int
    bytes: int
    stored_bytes: int
    missing_count: int
    job_id: str
    parent: str
    hostname: str
    domain: str
    epoch: int
    packs: tuple[str, ...]
    """Hex ids of the packs that the backup wrote."""
    proved: bool = False
    readable: bool = True
    """False: the record is there, the snapshot object is lost or damaged."""
    tags: tuple[str, ...] = ()
    note: str = ""
    hold: Hold | None = None
    """Also one whose time is over; `engine.standing.holds` tells."""
    hold_due_s: int = 0
    """What `engine.seen_time` must have reached for the hold's end to count."""
    removed_at: datetime | None = None
    """When it was removed, where that can still be undone."""
    removed_by: str = ""
    undo_due_s: int = 0
    """What `engine.seen_time` must have reached for the removal to become final."""


class DamageRow(msgspec.Struct, frozen=True):
    job_id: str
    position: int
    what: str
    snapshots: tuple[str, ...]
    files: tuple[str, ...]
    file_count: int


class DrillRow(msgspec.Struct, frozen=True):
    """What came of a restore drill; of the fields see `domain.drills.DrillView`."""

    id: str
    server_id: str
    server_name: str
    agent_name: str
    snapshot_id: str
    snapshot_at: datetime
    ended_at: datetime
    outcome: DrillOutcome
    requested_by: str
    sample: str
    seed: str
    files: int = 0
    bytes: int = 0
    others: int = 0
    failure_count: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    not_carried_count: int = 0
    detail: str = ""


class AuditRow(msgspec.Struct, frozen=True):
    """Written once, never changed."""

    id: str
    at: datetime
    who: str
    action: str
    subject: str
    detail: str
    outcome: str


class PolicyRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    body: BackupPolicy


class RuleRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    body: ContentRule


class GroupRow(msgspec.Struct, frozen=True):
    """A server group, by ids, so that what it refers to can be renamed."""

    id: str
    name: str
    policy_id: str | None
    considered_until: datetime
    """The scheduler has dealt with all that was due up to this time."""
    rule_ids: tuple[str, ...] = ()
    server_ids: tuple[str, ...] = ()

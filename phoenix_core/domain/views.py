"""What the operators' API returns, as JSON. Times are UTC; file names are in shown form (`domain.names`)."""

from datetime import datetime

import msgspec

from phoenix_core.domain.alerts import AlertView
from phoenix_core.domain.annotations import Hold
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.readings import Readings
from phoenix_core.domain.states import JobKind, JobState, StepState, VerifyDepth
from phoenix_core.domain.versions import Standing


class ServerView(msgspec.Struct, frozen=True):
    """A protected server: a host with an enrolled agent."""

    id: str
    name: str
    hostname: str
    platform: str
    role: str
    agent_version: str
    connected: bool
    enrolled_at: datetime
    last_seen_at: datetime | None = None
    last_backup_at: datetime | None = None
    """Of its files; of a stream where nothing else is backed up of it."""
    last_backup_state: JobState | None = None
    last_backup_stream: str = ""
    """The stream that this is said of; empty: its files."""
    snapshots: int = 0
    certificate_ends_at: datetime | None = None
    certificate_overdue_at: datetime | None = None
    """From then on its renewal is late."""
    revoked: bool = False
    this_host: bool = False
    default_paths: tuple[str, ...] = ()
    """What the last backup covered; a backup without paths takes these."""
    version_standing: Standing = Standing.CURRENT
    """The agent's version beside the core's."""
    last_proof_at: datetime | None = None
    """When a restore drill last proved that what was backed up of it can be restored."""
    proof_due: bool = False
    """It has snapshots, and that was too long ago (setting `drill.recent_days`), or never."""
    upgrade: str = ""
    """How an upgrade that was ordered goes; empty: none was, or it is through."""
    undo_until: datetime | None = None
    """Of a removed one: about until when that can be undone, if the core goes on running; null: it is final."""


class StepView(msgspec.Struct, frozen=True):
    """A numbered step of a job's workflow; `id` is of workflows.md (`WF5.4`)."""

    id: str
    title: str
    state: StepState
    started_at: datetime | None = None
    finished_at: datetime | None = None
    detail: str = ""
    error: ErrorView | None = None


class ProgressView(msgspec.Struct, frozen=True):
    phase: str
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    sent_bytes: int = 0
    bytes_per_s: float = 0.0
    """Over the last seconds, of `bytes_done`."""
    sent_bytes_per_s: float = 0.0
    elapsed_s: float = 0.0
    eta_s: float = -1.0
    current: str = ""


class MissingView(msgspec.Struct, frozen=True):
    path: str
    reason: str


class JobView(msgspec.Struct, frozen=True):
    """One run of a workflow."""

    id: str
    kind: JobKind
    state: JobState
    title: str
    """Such as `Backup of web1: /etc, /srv`."""
    server_id: str = ""
    server_name: str = ""
    requested_by: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    snapshot_id: str = ""
    progress: ProgressView | None = None
    steps: tuple[StepView, ...] = ()
    """Empty in lists; filled by the single-job resource and in events on that job."""
    error: ErrorView | None = None
    missing: tuple[MissingView, ...] = ()
    """The first 1,000; empty in lists."""
    missing_count: int = 0
    result: dict[str, int | float | str | bool] = {}
    """The numbers of the job's result, named as in `agentlink.messages.BackupResult`, `RestoreResult`, or the
    vault operation's own."""
    retry_of: str = ""
    attempt: int = 1
    notes: tuple[MissingView, ...] = ()
    """What gave way or stands under another name, and metadata not applied (restore); files that changed while read
    (backup)."""
    agent_name: str = ""
    """The server whose agent does the work; of a restore, the one that the data goes to."""
    check_only: bool = False
    """Of a restore: it only checks, and writes nothing."""
    held_up: str = ""
    """What outside of it a running job stands still for, such as an agent that the core has lost; empty: nothing."""


class LogLineView(msgspec.Struct, frozen=True):
    number: int
    at: datetime
    level: str
    text: str


class SnapshotView(msgspec.Struct, frozen=True):
    id: str
    server_id: str
    server_name: str
    created_at: datetime
    """When the backup's scan began, by the agent's clock."""
    recorded_at: datetime
    """The core's time at the commit."""
    paths: tuple[str, ...]
    files: int
    directories: int
    bytes: int
    stored_bytes: int
    """What this backup added to the vault."""
    missing_count: int
    job_id: str
    parent: str = ""
    hostname: str = ""
    proved: bool = False
    """Every pack that this backup wrote has been read back, decrypted and re-hashed. Never of a lost one."""
    tier: str = "warm"
    """`warm`; `cold`: older than the setting `warm_days`; `lost`: its object is gone or damaged, so that it can't be
    restored."""

    stream: str = ""
    """The stream that it holds; empty: it is one of files."""
    tags: tuple[str, ...] = ()
    note: str = ""
    hold: Hold | None = None
    """While it holds, nothing removes the snapshot."""
    removed_at: datetime | None = None
    """When it was removed; such a snapshot is listed only where removed ones are asked for."""
    removed_by: str = ""
    undo_until: datetime | None = None
    """About until when the removal can be undone, if the core goes on running."""

    @property
    def is_lost(self) -> bool:
        return self.tier == "lost"


class EntryView(msgspec.Struct, frozen=True):
    """A file, folder or other entry in a snapshot."""

    path: str
    name: str
    type: str
    size: int
    mode: int
    owner: str
    group: str
    mtime: datetime
    target: str = ""
    """A symbolic link's."""


class EntryPage(msgspec.Struct, frozen=True):
    entries: tuple[EntryView, ...]
    next_after: str = ""
    """Pass it as `after` for the next page; empty: this was the last."""
    total: int = 0


class ChangeView(msgspec.Struct, frozen=True):
    """One line of a diff between two snapshots: `added`, `removed`, `content`, `metadata`, `type`."""

    path: str
    change: str
    size_before: int = 0
    size_after: int = 0


class ChangePage(msgspec.Struct, frozen=True):
    changes: tuple[ChangeView, ...]
    next_after: str = ""


class DamageView(msgspec.Struct, frozen=True):
    """What a damaged or lost pack, record or snapshot hits."""

    what: str
    """Such as `pack 3f2a… is truncated`."""
    snapshots: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """The first 1,000, in shown form, each with its snapshot's short id in front: `3f2a9c0d1e2b:/etc/hosts`."""
    file_count: int = 0


class VaultView(msgspec.Struct, frozen=True):
    vault_id: str
    format_version: int
    location: str
    created_at: datetime
    key_holder: str
    key_available: bool
    packs: int
    chunks: int
    stored_bytes: int
    source_bytes: int
    """Sum of the sizes of the files of all snapshots that aren't lost."""
    unproved_packs: int
    """Those that wait to be read back; not those that are damaged, lost or condemned, which nobody will read."""
    condemned_packs: int
    damaged_packs: int
    """Damaged or lost."""
    snapshots: int
    """Those that were committed and not removed, lost ones too."""
    records: int
    free_bytes: int
    total_bytes: int
    index_complete: bool
    index_problem: ErrorView | None = None
    """Why the index can't be used, and what to do."""
    epoch: int = 1
    lost_snapshots: int = 0
    """Of `snapshots`: those whose object is gone or damaged."""
    removed_snapshots: int = 0
    """Beside `snapshots`: those whose removal can still be undone."""
    last_verify_at: datetime | None = None
    """End of the newest verify of all snapshots that came to its end, whether or not it found damage."""
    last_verify_state: JobState | None = None
    """`successful`, or `failed`: it found damage."""
    last_verify_depth: VerifyDepth | None = None
    last_verify_job: str = ""
    rolled_back: bool = False
    """Records that this core has seen are gone from the vault."""
    readings: Readings | None = None
    """None: not known, as of a storage node of an earlier release."""
    problem: str = ""
    """Why the vault can't be used, or its records can't be trusted. What is lost or damaged of its contents is counted
    by `damaged_packs` and `lost_snapshots`."""

    @property
    def in_order(self) -> bool:
        """Nothing is known to be wrong: it can be used, and all that it should hold is there."""
        return (
            self.key_available
            and self.index_complete
            and not (self.problem or self.rolled_back or self.damaged_packs or self.lost_snapshots)
        )


class PrunePlanView(msgspec.Struct, frozen=True):
    packs: int
    bytes: int
    kept_packs: int
    kept_bytes: int
    unused_packs: int
    unused_bytes: int
    rewrite_packs: int
    rewrite_bytes: int
    held_by_leases: int
    """Jobs that may need packs which look unused: those packs stay."""
    waiting_snapshots: int = 0
    """Removed ones whose removal can still be undone: what they need stays too."""
    waiting_bytes: int = 0
    """About what of that they alone need: the next prune after their undo periods frees it."""
    stopped_packs: int = 0
    """That backups seem to have sent which were stopped or failed: of those above that are unused, or, of a prune on
    schedule, of those kept beside them, for `prune.keep_stopped_days`."""
    stopped_bytes: int = 0


class RepairView(msgspec.Struct, frozen=True):
    depth: str
    packs: int
    bytes_read: int
    damaged_packs: int
    lost_packs: int
    returned_packs: int
    """Found damaged or lost before, and sound now: usable again."""
    rescue_chunks: int
    """Chunks that can be had from damaged packs and have no sound copy elsewhere."""
    rescue_bytes: int
    damaged_index_objects: int
    rebuild_index: bool
    """Packs are there that the index doesn't know."""
    damages: int
    """What is left, or without `execute` what there is; `GET /v1/jobs/{job}/damage` names it."""
    damaged_files: int
    damaged_snapshots: int
    unneeded_packs: int
    """Damaged or gone, and needed by no snapshot: prune deletes them."""
    written_packs: int = 0
    rescued_chunks: int = 0
    rescued_bytes: int = 0
    mended_index_objects: int = 0


class StatusView(msgspec.Struct, frozen=True):
    version: str
    data_dir: str
    pid: int
    started_at: datetime
    edition: str
    servers: int
    servers_connected: int
    jobs_running: int
    jobs_waiting: int
    vault: VaultView | None = None
    embedded: bool = False
    link_address: str = ""


class StorageNodeView(msgspec.Struct, frozen=True):
    id: str
    name: str
    url: str
    connected: bool
    embedded: bool
    enrolled_at: datetime | None = None


class SettingView(msgspec.Struct, frozen=True):
    key: str
    value: str
    default: str
    description: str
    at_start: bool = False
    """A change takes effect when the core starts next."""


class ActivationTokenView(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime
    install_line: str = ""
    """To be pasted at the server; holds the token."""


class FindingView(msgspec.Struct, frozen=True):
    """One line of `phoenix doctor`."""

    subject: str
    state: str
    """`ok`, `warning`, `error`."""
    text: str
    hint: str = ""


class Event(msgspec.Struct, frozen=True):
    """One event of `GET /v1/events`. Exactly one of the parts is set, by `kind`."""

    number: int
    kind: str
    """`job`, `progress`, `server`, `vault`, `log`, `snapshot`, `alert`; `reset` (no part set): the events before this
    one are not held any more, so what a reader knows may be stale; also the first event of a new subscription."""
    at: datetime
    job: JobView | None = None
    """`job`: with steps. `progress`: id, kind, state, title and progress only."""
    server: ServerView | None = None
    vault: VaultView | None = None
    log: LogLineView | None = None
    job_id: str = ""
    snapshot: SnapshotView | None = None
    alert: AlertView | None = None

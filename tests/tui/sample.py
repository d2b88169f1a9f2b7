"""Fixed data for the console's tests: three servers, jobs in several states, snapshots, a tree."""

from datetime import UTC, datetime, timedelta, timezone

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.readings import Readings
from phoenix_core.domain.states import JobKind, JobState, StepState, VerifyDepth
from phoenix_core.domain.views import (
    JobView,
    LogLineView,
    MissingView,
    ProgressView,
    ServerView,
    SettingView,
    SnapshotView,
    StatusView,
    StepView,
    VaultView,
)

NOW = datetime(2026, 11, 23, 20, 2, 11, tzinfo=UTC)
CET = timezone(timedelta(hours=1), "CET")
GIB = 1 << 30
MIB = 1 << 20

BACKUP_PLAN = (
    ("WF5.2", "Make sure that the agent is running"),
    ("WF1.2", "Validate the request"),
    ("WF1.3", "Assign storage"),
    ("WF5.1", "Forward the request to the agent"),
    ("WF5.3", "Decide the type"),
    ("WF5.4", "Scan files and folders"),
    ("WF5.5", "Estimate the time"),
    ("WF5.6", "Settle the file set"),
    ("WF1.4", "Back the data up to storage"),
    ("record", "Record the restore point"),
)
RESTORE_PLAN = (
    ("WF6.1", "Start the restore"),
    ("WF6.2", "Make sure that the agent is running"),
    ("WF2.2", "Validate the request and assign storage"),
    ("WF6.3", "Validate the destination"),
    ("WF6.4", "Check the free space"),
    ("WF6.5", "Determine the file set"),
    ("WF6.6", "Restore"),
)
_DETAILS = {
    "WF5.2": "web1 is connected",
    "WF1.2": "/etc, /srv",
    "WF1.3": "vault 5f0c9a1be2d4, domain default",
    "WF5.1": "to web1",
    "WF5.3": "incremental, since 8b41d0f6a2c9",
    "WF5.4": "30,110 files in 2,841 folders",
    "WF5.5": "2.6 GiB, about 0:14",
    "WF5.6": "30,110 files",
}


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def steps(plan: tuple[tuple[str, str], ...], *, running: str = "", failed: str = "") -> tuple[StepView, ...]:
    """The steps of a job that began 52 seconds ago, up to the one that runs (or failed); without one all are done."""
    found = []
    state = StepState.DONE
    for at, (step_id, title) in enumerate(plan):
        began = ago(seconds=52 - 2 * at)
        if step_id in {running, failed}:
            now = StepState.RUNNING if running else StepState.FAILED
            ended = None if running else began + timedelta(seconds=1.4)
            error = NO_SPACE if failed else None
            found.append(StepView(step_id, title, now, began, ended, "", error))
            state = StepState.PENDING if running else StepState.SKIPPED
        elif state is StepState.DONE:
            ended = began + timedelta(seconds=0.3 + at * 0.2)
            found.append(StepView(step_id, title, state, began, ended, _DETAILS.get(step_id, "")))
        else:
            found.append(StepView(step_id, title, state))
    return tuple(found)


NO_SPACE = ErrorView(
    code="no_space",
    message="The destination /srv/restore on db1 has 1.2 GiB free; 2.6 GiB are needed.",
    hint="Free space there, or restore to another folder.",
)

WEB1 = ServerView(
    id="s1web",
    name="web1",
    hostname="web1.example.org",
    platform="Linux 6.1 x86_64",
    role="agent",
    agent_version="0.1.0",
    connected=True,
    enrolled_at=ago(days=40),
    last_seen_at=ago(seconds=3),
    last_backup_at=ago(hours=23),
    last_backup_state=JobState.SUCCESSFUL,
    snapshots=2,
    certificate_ends_at=NOW + timedelta(days=50),
    this_host=True,
    default_paths=("/etc", "/srv"),
    last_proof_at=ago(days=12),
)
DB1 = ServerView(
    id="s2db",
    name="db1",
    hostname="db1.example.org",
    platform="Linux 6.12 aarch64",
    role="agent",
    agent_version="0.1.0",
    connected=False,
    enrolled_at=ago(days=39),
    last_seen_at=ago(hours=2),
    last_backup_at=ago(hours=26),
    last_backup_state=JobState.SUCCESSFUL_WITH_ERRORS,
    snapshots=1,
    certificate_ends_at=NOW + timedelta(days=51),
    default_paths=("/etc", "/var/lib/postgresql"),
)
NAS = ServerView(
    id="s3nas",
    name="files-münchen",
    hostname="nas.example.org",
    platform="Linux 6.1 x86_64",
    role="agent",
    agent_version="0.1.0",
    connected=True,
    enrolled_at=ago(hours=1),
    last_seen_at=ago(seconds=2),
    certificate_ends_at=NOW + timedelta(days=90),
)
SERVERS = (WEB1, DB1, NAS)

PROGRESS = ProgressView(
    phase="transfer",
    files_done=14_201,
    files_total=30_110,
    bytes_done=1_300 * MIB,
    bytes_total=2_662 * MIB,
    sent_bytes=377 * MIB,
    bytes_per_s=210.4 * MIB,
    sent_bytes_per_s=61.2 * MIB,
    elapsed_s=6.2,
    eta_s=7.0,
    current="/srv/www/media/2026/11/teaser-4k.mp4",
)

RUNNING = JobView(
    id="j4x0k2m9qtz",
    kind=JobKind.FILE_BACKUP,
    state=JobState.RUNNING,
    title="Backup of web1: /etc, /srv",
    server_id=WEB1.id,
    server_name=WEB1.name,
    requested_by="mara",
    created_at=ago(seconds=53),
    started_at=ago(seconds=52),
    progress=PROGRESS,
    steps=steps(BACKUP_PLAN, running="WF1.4"),
)
WAITING = JobView(
    id="j8r2w5c1nbd",
    kind=JobKind.FILE_BACKUP,
    state=JobState.WAITING_FOR_AGENT,
    title="Backup of db1: /etc, /var/lib/postgresql",
    server_id=DB1.id,
    server_name=DB1.name,
    requested_by="mara",
    created_at=ago(minutes=14),
)
DONE = JobView(
    id="j1c7v3h8pme",
    kind=JobKind.FILE_BACKUP,
    state=JobState.SUCCESSFUL,
    title="Backup of web1: /etc, /srv",
    server_id=WEB1.id,
    server_name=WEB1.name,
    requested_by="mara",
    created_at=ago(hours=23, seconds=14),
    started_at=ago(hours=23, seconds=14),
    finished_at=ago(hours=23),
    snapshot_id="8b41d0f6a2c9" + "0" * 52,
    steps=steps(BACKUP_PLAN),
    result={
        "files": 30_104,
        "directories": 2_840,
        "bytes": 2_661 * MIB,
        "changed_files": 211,
        "read_bytes": 380 * MIB,
        "new_chunks": 402,
        "stored_bytes": 92 * MIB,
        "packs": 4,
        "scan_s": 1.2,
        "transfer_s": 11.4,
    },
)
WITH_ERRORS = JobView(
    id="j2d9s4f7xka",
    kind=JobKind.FILE_BACKUP,
    state=JobState.SUCCESSFUL_WITH_ERRORS,
    title="Backup of db1: /etc, /var/lib/postgresql",
    server_id=DB1.id,
    server_name=DB1.name,
    requested_by="mara",
    created_at=ago(hours=26, minutes=2),
    started_at=ago(hours=26, minutes=2),
    finished_at=ago(hours=26),
    snapshot_id="c07e55a1d3f4" + "0" * 52,
    missing_count=3,
    result={"files": 9_120, "bytes": 41 * GIB, "stored_bytes": 11 * GIB},
    steps=steps(BACKUP_PLAN),
)
FAILED = JobView(
    id="j5g0q8z2tyu",
    kind=JobKind.FILE_RESTORE,
    state=JobState.FAILED,
    title="Restore of web1: /srv/www to db1",
    server_id=WEB1.id,
    server_name=WEB1.name,
    requested_by="jan",
    created_at=ago(hours=30),
    started_at=ago(hours=30),
    finished_at=ago(hours=30) + timedelta(seconds=4),
    error=NO_SPACE,
    steps=steps(RESTORE_PLAN, failed="WF6.4"),
)
VERIFIED = JobView(
    id="j6h1r9a3uzv",
    kind=JobKind.VERIFY,
    state=JobState.SUCCESSFUL,
    title="Verify of the vault: packs",
    requested_by="mara",
    created_at=ago(days=2),
    started_at=ago(days=2),
    finished_at=ago(days=2) + timedelta(seconds=31),
    result={"depth": "packs", "snapshots": 3, "trees": 5_690, "packs": 392, "damages": 0},
)
JOBS = (RUNNING, WAITING, DONE, WITH_ERRORS, FAILED, VERIFIED)

MISSING = (
    MissingView("/var/lib/postgresql/17/main/postmaster.pid", "permission denied"),
    MissingView("/var/lib/postgresql/17/main/base/16384/2619", "permission denied"),
    MissingView("/etc/ssl/private/odd\\xffname.key", "device or resource busy"),
)

LOG = (
    LogLineView(1, ago(seconds=52), "info", "Agent web1 takes the job, with 3 workers."),
    LogLineView(2, ago(seconds=44), "info", "The parent is snapshot 8b41d0f6a2c9; unchanged files are not read."),
    LogLineView(3, ago(seconds=30), "info", "211 of 30,110 files changed, 380.0 MiB of 2.6 GiB."),
    LogLineView(
        4, ago(seconds=12), "warning", "/srv/www/cache/session-9f31 changed while it was read; its state is kept."
    ),
    LogLineView(5, ago(seconds=3), "info", "12 packs stored."),
)

VAULT = VaultView(
    vault_id="5f0c9a1be2d4" + "0" * 20,
    format_version=1,
    location="/var/lib/phoenix/vault",
    created_at=ago(days=40),
    key_holder="keyring",
    key_available=True,
    packs=392,
    chunks=48_213,
    stored_bytes=int(12.4 * GIB),
    source_bytes=int(52.1 * GIB),
    unproved_packs=3,
    condemned_packs=0,
    damaged_packs=0,
    snapshots=3,
    records=3,
    free_bytes=int(187.2 * GIB),
    total_bytes=230 * GIB,
    index_complete=True,
    last_verify_at=VERIFIED.finished_at,
    last_verify_state=JobState.SUCCESSFUL,
    last_verify_depth=VerifyDepth.PACKS,
    last_verify_job=VERIFIED.id,
    readings=Readings(unread=0, oldest_at=ago(days=12), within_days=30),
)

STATUS = StatusView(
    version="0.1.0",
    data_dir="/var/lib/phoenix",
    pid=4711,
    started_at=ago(days=3),
    edition="elite",
    servers=3,
    servers_connected=2,
    jobs_running=1,
    jobs_waiting=1,
    vault=VAULT,
)


def _snapshot(short: str, server: ServerView, hours: float, parent: str = "", **values: object) -> SnapshotView:
    return SnapshotView(
        id=short + "0" * 52,
        server_id=server.id,
        server_name=server.name,
        hostname=server.hostname,
        created_at=ago(hours=hours, seconds=12),
        recorded_at=ago(hours=hours),
        paths=server.default_paths,
        parent=parent,
        proved=True,
        **values,  # type: ignore[arg-type]
    )


SNAPSHOTS = (
    _snapshot(
        "8b41d0f6a2c9",
        WEB1,
        23,
        "3f2a9c0d1e2b" + "0" * 52,
        files=30_104,
        directories=2_840,
        bytes=2_661 * MIB,
        stored_bytes=92 * MIB,
        missing_count=0,
        job_id=DONE.id,
    ),
    _snapshot(
        "c07e55a1d3f4",
        DB1,
        26,
        files=9_120,
        directories=311,
        bytes=41 * GIB,
        stored_bytes=11 * GIB,
        missing_count=3,
        job_id=WITH_ERRORS.id,
    ),
    _snapshot(
        "3f2a9c0d1e2b",
        WEB1,
        47,
        files=30_002,
        directories=2_838,
        bytes=2_640 * MIB,
        stored_bytes=1_310 * MIB,
        missing_count=0,
        job_id="j0aaaaaaaaa",
    ),
)

SETTINGS = (
    SettingView("backup.compression_level", "3", "3", "zstd level of new packs."),
    SettingView("backup.cross_mounts", "false", "false", "Whether backups go into other file systems mounted below."),
    SettingView("edition", "elite", "elite", "The edition: which features are on."),
    SettingView("restore.conflict", "skip", "overwrite", "What a restore does where an entry exists."),
    SettingView("storage.reserve_bytes", "1073741824", "1073741824", "Bytes of the vault's disk that stay free."),
    SettingView("warm_days", "90", "90", "Days after which a snapshot counts as cold."),
)

"""What an agent tells of its jobs: progress, which may be lost, and reports, which may not; see `messages`."""

import msgspec

from phoenix_core.agentlink.comparemessages import CompareFindings
from phoenix_core.agentlink.drillmessages import DrillFindings
from phoenix_core.agentlink.messages import Message
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import StepState

# --- progress, lossy: agent → core -----------------------------------------------------------------------------------


class Progress(Message, frozen=True):
    """Agent → core, about twice a second while a job runs; may be lost. Counters are totals since the job began."""

    job: str
    phase: str
    """`scan`, `transfer`, `commit`; for a restore `plan`, `download`, `finish`."""
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    sent_bytes: int = 0
    """Bytes that left for storage, or for a restore came from it."""
    elapsed_s: float = 0.0
    eta_s: float = -1.0
    """-1: not known."""
    current: str = ""
    """A path being worked on, in shown form."""


# --- reports, at least once: agent → core, each acknowledged ----------------------------------------------------------


class StepReport(Message, frozen=True):
    """A workflow step began or ended; `step` is an id of workflows.md such as `WF5.4`."""

    step: str
    state: StepState
    detail: str = ""
    at_ns: int = 0


class LogReport(Message, frozen=True):
    level: str
    text: str
    at_ns: int = 0


class MissingFile(msgspec.Struct, frozen=True):
    """A file that could not be read or restored, and why (`EACCES`, `vanished`, `damaged`, …)."""

    path: str
    reason: str


class EstimateReport(Message, frozen=True):
    """WF5.5: what the scan found, before the transfer."""

    files: int
    directories: int
    bytes: int
    changed_files: int
    changed_bytes: int
    seconds: float
    data_bytes: int = 0
    """Of all files: their sizes, holes left out, hard links once; what a restore of them takes on disk."""


class BackupResult(Message, frozen=True):
    """The agent's part of a backup is complete and its snapshot staged at the storage node."""

    snapshot_id: str
    files: int = 0
    directories: int = 0
    other_entries: int = 0
    bytes: int = 0
    """Sum of the sizes of all files in the snapshot; hard links once."""
    changed_files: int = 0
    read_bytes: int = 0
    new_chunks: int = 0
    new_raw_bytes: int = 0
    """Plain bytes of the chunks that were not there yet."""
    stored_bytes: int = 0
    """Bytes of the packs that were written."""
    packs: int = 0
    scan_s: float = 0.0
    transfer_s: float = 0.0
    commit_s: float = 0.0
    missing: tuple[MissingFile, ...] = ()
    """The first 1,000; the snapshot has them all."""
    missing_count: int = 0
    changed_while_read: tuple[str, ...] = ()
    dry_run: bool = False
    left_out: int = 0
    """Entries that rules left out; what is in a folder that was left out is not counted."""
    problems: tuple[str, ...] = ()
    """What went wrong beside the backup itself, such as a script."""
    source_snapshots: tuple[str, ...] = ()  # folders that were read from snapshots, such as `/home (Btrfs)`


class RestoreResult(Message, frozen=True):
    files: int = 0
    directories: int = 0
    other_entries: int = 0
    bytes: int = 0
    fetched_bytes: int = 0
    skipped: int = 0
    """Entries left alone by the conflict rule, or complete from an interrupted run."""
    seconds: float = 0.0
    needed_bytes: int = 0
    free_bytes: int = 0
    destination: str = ""
    missing: tuple[MissingFile, ...] = ()
    missing_count: int = 0
    not_applied: tuple[MissingFile, ...] = ()
    """Metadata that this user may not set (owner, device nodes, capabilities), per path."""
    not_applied_count: int = 0
    check_only: bool = False
    displaced: tuple[MissingFile, ...] = ()
    """Paths at the destination: folders removed for what isn't one, links replaced by folders, and what stands under
    another name than its own; the first hundred of each. Of a check: what a restore would do."""
    removed_folders: int = 0
    """Folders that held something and gave way to what isn't a folder."""
    removed_entries: int = 0
    """All that was below them."""
    replaced_links: int = 0
    renamed: int = 0
    drill: DrillFindings | None = None
    compare: CompareFindings | None = None


class JobFailed(Message, frozen=True):
    error: ErrorView


class JobCancelled(Message, frozen=True):
    who: str


ReportBody = StepReport | LogReport | EstimateReport | BackupResult | RestoreResult | JobFailed | JobCancelled


class Report(Message, frozen=True):
    """A numbered report on a job. The peer keeps it on disk until `ReportAck`; the core ignores one it has seen."""

    number: int
    job: str
    body: ReportBody

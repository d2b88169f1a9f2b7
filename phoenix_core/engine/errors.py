"""Errors of the engine."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError, RemoteError, UsageError
from phoenix_core.domain.states import JobKind


class CoreEmbedded(PhoenixError):
    """A core that ends with the program that it is in."""

    code = "core_embedded"
    template = "This core is part of the console or command that runs as process {pid}."
    hint = "Leave that console, or let the command end; the core ends with it."
    http_status = 409


class SnapshotHeld(PhoenixError):
    """A removal of a snapshot that is held."""

    code = "snapshot_held"
    template = "Snapshot {snapshot} of {server} is held by {who}, {until}: {reason}."
    hint = "Where it may go, end the hold with `phoenix snapshot release {snapshot}`, then remove it."
    http_status = 409


class RemovalWaits(SnapshotHeld):
    """A removal that doesn't become final by itself."""

    code = "removal_waits"
    template = "Snapshot {snapshot} of {server} stays, though the time to undo its removal is over, since {why}."
    hint = (
        "`phoenix snapshot undelete {snapshot}` makes it a restore point again, `phoenix snapshot remove {snapshot} "
        "--at-once` removes it all the same."
    )


class SnapshotInUse(SnapshotHeld):
    """A removal of a snapshot that a job restores from."""

    code = "snapshot_in_use"
    template = "Snapshot {snapshot} of {server} is needed by job {job}, which isn't over."
    hint = "It can go once that is: see `phoenix job show {job}`, or end it with `phoenix job cancel {job}`."


class SnapshotMounted(SnapshotHeld):
    """A removal of a snapshot that somebody reads through a mount."""

    code = "snapshot_mounted"
    template = "Snapshot {snapshot} of {server} is read through the mount in {place}."
    hint = "It can go ten minutes after the last look into it, or once that mount is ended."


class StreamNeedsPlace(PhoenixError):
    """A stream came from a program, so there is no original place to restore it to."""

    code = "stream_needs_place"
    template = "{stream} of {server} is a stream: it has no original place to be restored to."
    hint = (
        "`phoenix restore {server} --snapshot {snapshot} --stdout` prints it; with --to FOLDER it becomes a file below "
        "that folder."
    )
    exit_code = EXIT_USAGE


class StreamsUnknown(PhoenixError):
    code = "streams_unknown"
    template = "The agent on {server} is too old to back up streams."
    hint = "Upgrade it: `phoenix agent upgrade` on {server}."
    http_status = 409


class StreamUnderWay(PhoenixError):
    code = "stream_under_way"
    template = "The stream {stream} of this server is being backed up already, by job {job}."
    hint = "Wait until that is over, or cancel it: `phoenix job cancel {job}` at the core."
    http_status = 409
    retryable = True


class TooManyStreams(PhoenixError):
    code = "too_many_streams"
    template = "{count} streams of this server wait for their backup already."
    hint = "Wait until some of them are through."
    http_status = 409
    retryable = True


class StreamsOfDayUsedUp(PhoenixError):
    code = "streams_of_day_used_up"
    template = "{server} has handed over {count} streams since midnight, UTC: no more are taken on one day."
    hint = (
        "If it means to, allow more at the core: `phoenix setting set streams.handed_per_day N`. If not, somebody else "
        "may have its agent: see `phoenix job list` there, and docs/security.md."
    )
    http_status = 409
    retryable = True


class SnapshotRemoved(PhoenixError):
    """What was asked for is of a snapshot whose removal can still be undone."""

    code = "snapshot_removed"
    template = "Snapshot {snapshot} of {server} was removed by {who} on {time}."
    hint = "`phoenix snapshot undelete {snapshot}` brings it back, until about {until}."
    http_status = 409


class CommitRefused(PhoenixError):
    """A staged snapshot isn't what its job may commit."""

    code = "commit_refused"
    template = "The snapshot that job {job} staged was refused: {detail}."
    hint = "Run the backup again; if it happens again, check that nobody else uses this server's key."


class ServerRemoved(PhoenixError):
    code = "server_removed"
    template = "The server {server} was removed."
    hint = (
        "`phoenix server undelete {server}` brings it back within servers.undo_days. Later: enrol it again, or restore "
        "its data to another server with --to-server."
    )
    http_status = 409


class NotRemoved(PhoenixError):
    code = "not_removed"
    template = "The server {server} was not removed."
    hint = "There is nothing to undo. `phoenix server list` shows its state."
    http_status = 409
    exit_code = EXIT_USAGE


class RemovalFinal(PhoenixError):
    code = "removal_final"
    template = "The removal of {server} can't be undone any more: {detail}."
    hint = "Enrol it again: `phoenix server add {server}`. Its snapshots are there all the same."
    http_status = 409


class PlatformMismatch(PhoenixError):
    """WF6.1: a Linux restore goes to a Linux server."""

    code = "platform_mismatch"
    template = "Data of the {source} server {server} can't be restored to the {target} server {to_server}."
    hint = (
        "Owners, permissions and names of the one mean nothing on the other. Name a server of the same platform with "
        "--to-server; to get at the contents alone, `phoenix snapshot download` or `phoenix mount` brings them here."
    )
    exit_code = EXIT_USAGE


class AgentCannotCompare(PhoenixError):
    code = "agent_cannot_compare"
    template = "The agent of {server} is of a release that can't compare a snapshot with what is there."
    hint = "Bring it to this core's release, or mount the snapshots with `phoenix mount` and compare with `diff -r`."
    http_status = 409


class NothingToBackUp(PhoenixError):
    code = "nothing_to_back_up"
    template = "No path was named for {server}, no content rule of its group names one, and no earlier backup has one."
    hint = "Name a path: `phoenix backup {server} /path`."
    exit_code = EXIT_USAGE


class NoSnapshot(PhoenixError):
    code = "no_snapshot"
    template = "There is no snapshot{of}."
    hint = "Make one with `phoenix backup {server} PATH`."
    http_status = 404

    def __init__(self, *, server: str = "") -> None:
        super().__init__(server=server or "SERVER", of=f" of {server}" if server else "")


class SnapshotIdShort(PhoenixError):
    code = "snapshot_id_short"
    template = "{name} is too short for the id of a snapshot."
    hint = "Give {digits} digits or more; `phoenix snapshot list` shows twelve."
    exit_code = EXIT_USAGE
    http_status = 404


class SnapshotOfOther(PhoenixError):
    """A snapshot was named together with a server that it isn't of."""

    code = "snapshot_of_other_server"
    template = "Snapshot {snapshot} is of {owner}, not of {server}."
    hint = (
        "To restore it on {server}, name {owner} as the server, and add --to-server {server} and a destination folder "
        "with --to; what else was asked for stays."
    )
    exit_code = EXIT_USAGE
    http_status = 404


class SnapshotLost(PhoenixError):
    """The records name the snapshot, and its object can't be read."""

    code = "snapshot_lost"
    template = "Snapshot {snapshot} of {server}, taken {time}, is lost: its object is gone from the vault, or damaged."
    hint = "{advice}"
    http_status = 410

    def __init__(self, *, snapshot: str, server: str, time: str, advice: str, instead: str = "") -> None:
        """`instead`: the snapshot, named in the advice, that holds what was asked for; empty: none does."""
        super().__init__(snapshot=snapshot, server=server, time=time, advice=advice, instead=instead)


class AmbiguousName(PhoenixError):
    code = "ambiguous"
    template = "{what} {name} fits more than one: {found}."
    hint = "Give more digits."
    exit_code = EXIT_USAGE


class NotOfThisJob(PhoenixError):
    """A peer asked for something that its job may not have."""

    code = "not_of_this_job"
    template = "Job {job} may not have this: {detail}."
    hint = "Only the agent that runs the job may ask, and only for what the job needs."
    http_status = 403


class GrantGrows(PhoenixError):
    """An agent that plans its restore asked for keys that the core may yet grant."""

    code = "grant_grows"
    template = "What job {job} may read is still being found out."
    hint = "The agent asks again by itself."
    retryable = True
    http_status = 503


class JobAborted(PhoenixError):
    """A job ended without a result, though nobody cancelled it."""

    code = "aborted"
    template = "{detail}."
    hint = "Run it again with `phoenix job retry {job}`{kept}."
    retryable = True

    def __init__(self, *, detail: str, job: str = "JOB", kept: str = "") -> None:
        super().__init__(detail=detail, job=job, kept=kept)

    def of_job(self, job: str, kind: JobKind) -> "JobAborted":
        """The same, of this job."""
        return JobAborted(detail=str(self.fields["detail"]), job=job, kept=_kept(kind))


class AgentLost(JobAborted):
    """The agent that worked on the job went and did not come back."""

    code = "agent_lost"
    template = "The agent of {server} did not come back within {seconds} s."
    hint = (
        "Start it first, with `phoenix agent run` on {server} or as its service, then run the job again with "
        "`phoenix job retry {job}`{kept}."
    )

    def __init__(self, *, server: str, seconds: str, job: str = "JOB", kept: str = "") -> None:
        PhoenixError.__init__(self, server=server, seconds=seconds, job=job, kept=kept)

    def of_job(self, job: str, kind: JobKind) -> "AgentLost":
        return AgentLost(
            server=str(self.fields["server"]), seconds=str(self.fields["seconds"]), job=job, kept=_kept(kind)
        )


def _kept(kind: JobKind) -> str:
    """What a run of the job that was aborted leaves to the next one."""
    return "; what was uploaded is used again" if kind is JobKind.FILE_BACKUP else ""


class BadSetting(PhoenixError):
    code = "bad_setting"
    template = "{value} is no value for the setting {key}: {detail}."
    hint = "See `phoenix setting list`."
    exit_code = EXIT_USAGE


class BadRequest(UsageError):
    """What an operator's request holds can't be read."""

    template = "The request can't be read: {detail}."
    hint = "`--help` of a command says what it takes, docs/api.md what each resource does."


class NotAFolder(UsageError):
    """Only a folder of a snapshot can be listed."""

    code = "not_a_folder"
    template = "{path} is no folder in snapshot {snapshot}: {what}."
    hint = "To restore it: `phoenix restore {server} --snapshot {snapshot} --path {quoted} --to FOLDER`."


class SourceGone(PhoenixError):
    """The server whose data it is was never enrolled at this core, so its data needs another place to go."""

    code = "source_gone"
    template = "{server} is not enrolled at this core; only its snapshots are here."
    hint = "Name another server with --to-server, and a destination folder with --to."
    http_status = 409
    exit_code = EXIT_USAGE


class JobSkipped(RemoteError):
    """The agent began, and found that the job is to be left out."""


class AgentAway(PhoenixError):
    """Why a scheduled backup was skipped (WF4.2, WF5.2)."""

    code = "agent_away"
    template = "The agent on {server} was not connected when the scheduled backup was to begin."
    hint = (
        "Start the agent there: `phoenix agent run`. The next scheduled backup runs by itself; `phoenix backup "
        "{server}` runs one now."
    )
    retryable = True


class AgentWithoutSnapshots(PhoenixError):
    code = "agent_without_snapshots"
    template = "The agent of {server} is of an older version, which can't make snapshots of its file systems."
    hint = (
        "Bring it to the core's version, or have live files read: `--source-snapshot off` or `if_available`, in the"
        " policy or for this backup."
    )


class GroupWithoutRules(PhoenixError):
    """Why a scheduled backup was skipped."""

    code = "group_without_rules"
    template = "Group {group} has no content rules, so policy {policy} has nothing of {server} to back up."
    hint = "Attach one: `phoenix group set {group} --rule RULE`; `phoenix rule list` shows which there are."


class EarlierRuns(PhoenixError):
    """Why a scheduled backup was skipped: two at once would read the same files."""

    code = "earlier_runs"
    template = "The scheduled backup of {server} before this one, job {job}, was not over yet."
    hint = "Look at it with `phoenix job show {job}`. Where backups take that long as a rule, schedule them less often."
    retryable = True


class OutsideWindow(PhoenixError):
    """Why a scheduled backup was skipped."""

    code = "outside_window"
    template = "The scheduled backup of {server} could begin only outside of the backup window of policy {policy}."
    hint = "`phoenix policy runs {policy}` shows when it runs next; `phoenix backup {server}` runs one now."
    retryable = True


class RunMissed(PhoenixError):
    """Why a scheduled backup was skipped: its policy says `missed` `skip`."""

    code = "run_missed"
    template = (
        "The backup of {server} that was due at {due} could not begin then, and policy {policy} makes up for no "
        "missed run."
    )
    hint = (
        "The next scheduled backup runs by itself; `phoenix job retry {job}` makes up for this one, and "
        "`phoenix policy set {policy} --missed run` has missed ones made up for."
    )

"""What a finished job prints."""

from phoenix_core.cli.output import duration, print_json, say, size, warn
from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView

MISSING_SHOWN = 20


def print_result(job: JobView, *, as_json: bool) -> None:
    """The job as JSON, or its end in some lines: state, numbers, what is missing, what to do next."""
    if as_json:
        print_json(job)
        return
    took = f" in {duration(job.started_at, job.finished_at)}" if job.started_at and job.finished_at else ""
    say(f"Job {job.id}: {job.state.replace('_', ' ')}{took}.")
    numbers = _numbers(job)
    if numbers:
        say(numbers)
    _print_missing(job)
    if job.error is not None:
        warn(f"phoenix: {job.error.message}\n  {job.error.hint}")
    elif job.state is JobState.WAITING_FOR_AGENT:
        say(f"It starts when the agent of {job.server_name} connects. Follow it with: phoenix job watch {job.id}")


def _print_missing(job: JobView) -> None:
    if job.missing_count:
        say(f"{job.missing_count} missing:")
        for missing in job.missing[:MISSING_SHOWN]:
            say(f"  {missing.path}: {reason_text(missing.reason)}")
        if job.missing_count > MISSING_SHOWN:
            say(f"  … all of them: phoenix job show {job.id} --json")
    if job.notes:
        say(f"{len(job.notes)} noted:")
        for note in job.notes[:MISSING_SHOWN]:
            say(f"  {note.path}: {reason_text(note.reason)}")


def _numbers(job: JobView) -> str:
    result = job.result

    def whole(name: str) -> int:
        return int(result.get(name, 0))

    if job.kind is JobKind.FILE_BACKUP and job.snapshot_id:
        return (
            f"Snapshot {job.snapshot_id[:12]}: {whole('files')} files, {size(whole('bytes'))}; "
            f"{whole('changed_files')} new or changed, {size(whole('read_bytes'))} read, "
            f"{size(whole('stored_bytes'))} stored."
        )
    if job.kind is JobKind.FILE_BACKUP and result.get("dry_run"):
        return (
            f"Dry run: {whole('files')} files, {size(whole('bytes'))}; {whole('changed_files')} new or changed. "
            "Nothing was stored."
        )
    if job.kind is JobKind.FILE_RESTORE and result:
        text = f"{whole('files')} files, {whole('directories')} folders, {size(whole('bytes'))} restored"
        skipped = f", {whole('skipped')} left as they were" if whole("skipped") else ""
        return f"{text}{skipped}."
    if job.kind is JobKind.VERIFY and result:
        return (
            f"{whole('snapshots')} snapshots, {whole('files')} files, {whole('packs')} packs looked at; "
            f"{size(whole('bytes_read'))} read."
        )
    if job.kind is JobKind.PRUNE and result:
        done = (
            f"{whole('deleted_packs')} packs deleted, {size(whole('deleted_bytes'))} freed."
            if ("deleted_packs" in result)
            else "Nothing was deleted: this is the plan. Carry it out with: phoenix vault prune --execute"
        )
        return (
            f"{whole('packs')} packs, {size(whole('bytes'))}; unused: {whole('unused_packs')} packs, "
            f"{size(whole('unused_bytes'))}; mostly unused: {whole('rewrite_packs')} packs, "
            f"{size(whole('rewrite_bytes'))}.\n{done}"
        )
    return ""

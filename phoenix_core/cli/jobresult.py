"""What a finished job prints."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from phoenix_core.cli.output import duration, print_error, print_json, say, size, when
from phoenix_core.cli.program import as_typed
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.changes import Change
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import DamageView, JobView, LogLineView

MISSING_SHOWN = 20


def print_result(job: JobView, *, as_json: bool) -> None:
    """The job as JSON, or its end in some lines: state, numbers, what is missing, what to do next."""
    if as_json:
        print_json(job)
        return
    took = f" in {duration(job.started_at, job.finished_at)}" if job.started_at and job.finished_at else ""
    say(f"Job {job.id}: {job.state.replace('_', ' ')}{took}.")
    if job.kind in {JobKind.FILE_RESTORE, JobKind.RESTORE_DRILL} and "snapshot_at" in job.result:
        taken = when(datetime.fromisoformat(str(job.result["snapshot_at"])))
        say(f"From snapshot {job.snapshot_id[:SHORT_ID_DIGITS]} of {job.server_name}, taken {taken}.")
    numbers = _numbers(job)
    if numbers:
        say(numbers)
    _print_missing(job)
    if job.held_up:
        say(job.held_up)
    if job.error is not None:
        print_error(job.error, as_json=False)
    elif job.state is JobState.WAITING_FOR_AGENT:
        follow = as_typed(f"`phoenix job watch {job.id}`")
        say(f"It starts when the agent of {job.server_name} connects. Follow it with {follow}.")


def print_damages(damages: Iterable[DamageView]) -> None:
    """What a verify found, and which files each of it hits."""
    for damage in damages:
        files, snapshots = amount(damage.file_count, "file"), amount(len(damage.snapshots), "snapshot")
        say(f"{damage.what} Hits {files} in {snapshots}:")
        for file in damage.files:
            say(f"  {file}")


def print_advice(lines: Iterable[LogLineView]) -> None:
    """What a repair can't do, and who can."""
    for line in lines:
        say(as_typed(line.text))


def _print_missing(job: JobView) -> None:
    if job.missing_count:
        say(f"{job.missing_count} {'not as in the snapshot' if job.kind is JobKind.RESTORE_DRILL else 'missing'}:")
        for missing in job.missing[:MISSING_SHOWN]:
            say(f"  {missing.path}: {reason_text(missing.reason)}")
        if job.missing_count > MISSING_SHOWN:
            say(as_typed(f"  … all of them: `phoenix job show {job.id} --json`"))
    if job.notes:
        say(f"{len(job.notes)} noted:")
        for note in job.notes[:MISSING_SHOWN]:
            say(f"  {note.path}: {reason_text(note.reason)}")


def _numbers(job: JobView) -> str:
    result = job.result

    def whole(name: str) -> int:
        return int(result.get(name, 0))

    def some(name: str, what: str) -> str:
        return amount(whole(name), what)

    if job.kind is JobKind.FILE_BACKUP and job.snapshot_id:
        return (
            f"Snapshot {job.snapshot_id[:SHORT_ID_DIGITS]}: {some('files', 'file')}, {size(whole('bytes'))}; "
            f"{whole('changed_files')} new or changed, {size(whole('read_bytes'))} read, of which "
            f"{size(whole('new_raw_bytes'))} were new and took {size(whole('stored_bytes'))}."
        )
    if job.kind is JobKind.FILE_BACKUP and result.get("dry_run"):
        return (
            f"Dry run: {some('files', 'file')}, {size(whole('bytes'))}; {whole('changed_files')} new or changed. "
            "Nothing was stored."
        )
    if job.kind is JobKind.FILE_RESTORE and "files" in result:
        return _restored(job)
    if job.kind is JobKind.RESTORE_DRILL and "files" in result:
        verdict = "not all as in the snapshot" if job.missing_count else "all as in the snapshot"
        return (
            f"{some('files', 'file')}, {size(whole('bytes'))} restored to a scratch place and compared: {verdict}. "
            f"Sample: {result['sample']}, seed {result['seed']}."
        )
    if job.kind is JobKind.FILE_COMPARE and "same" in result:
        return compared(result)
    return _of_maintenance(job) if result else ""


def compared(result: Mapping[str, int | float | str | bool]) -> str:
    """What a comparison counted."""
    counts = {name: int(result.get(name, 0)) for name in Change}
    differ = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    same = int(result.get("same", 0))
    if not differ:
        some = "No difference in what was compared" if result.get("not_compared") else "No difference"
        return f"{some}; {amount(same, 'entry', 'entries')} compared."
    return f"{differ}; {same} the same."


def _of_maintenance(job: JobView) -> str:
    result = job.result

    def whole(name: str) -> int:
        return int(result.get(name, 0))

    def some(name: str, what: str) -> str:
        return amount(whole(name), what)

    if job.kind is JobKind.VERIFY:
        return (
            f"{some('snapshots', 'snapshot')}, {some('files', 'file')}, {some('packs', 'pack')} looked at; "
            f"{size(whole('bytes_read'))} read."
        )
    if job.kind is JobKind.RETENTION:
        return f"{some('removed', 'snapshot')} removed, {whole('kept')} kept."
    if job.kind is JobKind.SNAPSHOT_REMOVE:
        return _removed(job)
    if job.kind is JobKind.REPAIR and "damages" in result:
        return _repaired(job)
    if job.kind is JobKind.PRUNE:
        planned = as_typed("Nothing was deleted: this is the plan. Carry it out with `phoenix vault prune --execute`.")
        done = str(result.get("left", planned))
        if "deleted_packs" in result:
            done = f"{some('deleted_packs', 'pack')} deleted, {size(whole('deleted_bytes'))} freed."
        return (
            f"{some('packs', 'pack')}, {size(whole('bytes'))}; unused: {some('unused_packs', 'pack')}, "
            f"{size(whole('unused_bytes'))}; mostly unused: {some('rewrite_packs', 'pack')}, "
            f"{size(whole('rewrite_bytes'))}.\n{_stopped(job)}{_waiting(job)}{done}"
        )
    return ""


def _stopped(job: JobView) -> str:
    """Of a prune: what of it the next backups could use."""
    packs = int(job.result.get("stopped_packs", 0))
    if not packs:
        return ""
    what = f"{amount(packs, 'pack')}, {size(int(job.result.get('stopped_bytes', 0)))}"
    return f"Of backups that were stopped, whose next ones need not send it again: {what}.\n"


def _waiting(job: JobView) -> str:
    """Of a prune: what it leaves since somebody may want it back."""
    snapshots = int(job.result.get("waiting_snapshots", 0))
    if not snapshots:
        return ""
    waits = "waits" if snapshots == 1 else "wait"
    held = f"about {size(int(job.result.get('waiting_bytes', 0)))} that only they need"
    listed = as_typed("`phoenix snapshot list --removed`")
    return f"{amount(snapshots, 'removed snapshot')} still {waits} to be undone, with {held}: {listed}.\n"


def _removed(job: JobView) -> str:
    """Of a removal."""
    if "undo_days" not in job.result:
        kept = int(job.result.get("kept", 0))
        stay = as_typed(f" {kept} stay; `phoenix job log {job.id}` says why.") if kept else ""
        return f"{amount(int(job.result.get('removed', 0)), 'snapshot')} removed for good.{stay}"
    days, short = int(job.result["undo_days"]), job.snapshot_id[:SHORT_ID_DIGITS]
    if not days:
        return as_typed("It is gone for good; `phoenix vault prune --execute` frees what it alone needed.")
    return as_typed(f"For {amount(days, 'day')}, `phoenix snapshot undelete {short}` brings it back.")


def _repaired(job: JobView) -> str:
    """Of a repair, or of its plan."""
    result = {name: int(value) for name, value in job.result.items() if not isinstance(value, str)}
    found = (
        f"{amount(result['packs'], 'pack')} looked at, depth {job.result['depth']}: {result['damaged_packs']} damaged, "
        f"{result['lost_packs']} gone, {result['returned_packs']} sound again."
    )
    chunks, objects = "rescued_chunks", "mended_index_objects"
    if chunks in result:
        done = (
            f"{amount(result[chunks], 'chunk')} saved, {size(result['rescued_bytes'])}; "
            f"{amount(result[objects], 'index object')} written anew."
        )
    elif result["rescue_chunks"] or result["damaged_index_objects"]:
        done = as_typed(
            f"{amount(result['rescue_chunks'], 'chunk')} can be saved, {size(result['rescue_bytes'])}; "
            f"{amount(result['damaged_index_objects'], 'index object')} can be written anew. Nothing was written: this "
            "is the plan. Carry it out with `phoenix vault repair --execute`."
        )
    else:
        done = "Nothing is there to be saved by a repair."
    left = f"Damages {'left' if chunks in result else 'now'}: {result['damages']}."
    return f"{found}\n{done}\n{left}"


def _restored(job: JobView) -> str:
    """Of a restore, or of a check of one."""
    result = {name: int(value) for name, value in job.result.items() if not isinstance(value, str)}
    found = f"{amount(result['files'], 'file')}, {amount(result['directories'], 'folder')}, {size(result['bytes'])}"
    skipped = f", {result['skipped']} left as they were" if result.get("skipped") else ""
    told = "".join(f"\n{job.result[name]}" for name in ("removed", "replaced", "beside") if name in job.result)
    if not result.get("check_only"):
        return f"{found} restored{skipped}.{told}"
    which = "All but what is missing" if job.missing_count else "It"
    space = f"{size(result.get('needed_bytes', 0))} needed, {size(result.get('free_bytes', 0))} free"
    return f"{which} can be restored: {found}{skipped}; {space}. Nothing was written.{told}"

"""A job's log, files, damage and result as lines of text."""

from datetime import datetime

from textual.content import Content

from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.states import JobKind
from phoenix_core.domain.views import DamageView, JobView, LogLineView
from phoenix_tui.formats import Formats, number, ratio, short_id, size, took
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.tones import BAD, DIM, PLAIN, STRONG, WARN
from phoenix_tui.widgets.facts import Fact

_LEVELS = {"warning": ("!", WARN), "error": ("✗", BAD)}

ESTIMATE = "estimated_"
TAKEN = "snapshot_at"
"""Of a restore: when its snapshot was taken."""

_NAMES = {
    "files": _("Files"),
    "directories": _("Folders"),
    "other_entries": _("Other entries"),
    "bytes": _("Size"),
    "changed_files": _("Files read"),
    "read_bytes": _("Bytes read"),
    "new_chunks": _("New chunks"),
    "new_raw_bytes": _("New data, plain"),
    "stored_bytes": _("New data, stored"),
    "packs": _("Packs"),
    "scan_s": _("Scan took"),
    "transfer_s": _("Transfer took"),
    "commit_s": _("Commit took"),
    "fetched_bytes": _("Fetched"),
    "skipped": _("Left alone"),
    "seconds": _("Took"),
    "needed_bytes": _("Space needed"),
    "free_bytes": _("Space free"),
    "destination": _("Destination"),
    "removed_folders": _("Folders removed"),
    "removed_entries": _("Entries in them"),
    "replaced_links": _("Links replaced"),
    "renamed": _("Under another name"),
    "removed": _("Removed"),
    "replaced": _("Replaced"),
    "beside": _("Beside"),
    "not_applied_count": _("Metadata not applied"),
    "dry_run": _("Trial only"),
    "check_only": _("Check only"),
    "depth": _("Depth"),
    "snapshots": _("Snapshots"),
    "trees": _("Folders read"),
    "chunks": _("Chunks"),
    "bytes_read": _("Bytes read"),
    "damages": _("Damages"),
    "unreadable_packs": _("Packs unreadable"),
    "lost_packs": _("Packs gone"),
    "unneeded_packs": _("Packs damaged, not needed"),
    "kept_packs": _("Packs kept"),
    "kept_bytes": _("Bytes kept"),
    "unused_packs": _("Packs unused"),
    "unused_bytes": _("Bytes unused"),
    "rewrite_packs": _("Packs to rewrite"),
    "rewrite_bytes": _("Bytes to rewrite"),
    "held_by_leases": _("Running jobs"),
    "damaged_packs": _("Packs damaged"),
    "returned_packs": _("Packs sound again"),
    "rescue_chunks": _("Chunks to be saved"),
    "rescue_bytes": _("Bytes to be saved"),
    "damaged_index_objects": _("Index objects damaged"),
    "rebuild_index": _("Index to be rebuilt"),
    "written_packs": _("Packs written"),
    "rescued_chunks": _("Chunks saved"),
    "rescued_bytes": _("Bytes saved"),
    "mended_index_objects": _("Index objects written anew"),
    "damaged_files": _("Files hit"),
    "damaged_snapshots": _("Snapshots hit"),
    "deleted_packs": _("Packs deleted"),
    "deleted_bytes": _("Bytes deleted"),
    "rewritten_packs": _("Packs rewritten"),
    "estimated_files": _("Estimate: files"),
    "estimated_directories": _("Estimate: folders"),
    "estimated_bytes": _("Estimate: size"),
    "estimated_data_bytes": _("Estimate: size without holes"),
    "estimated_changed_files": _("Estimate: files to read"),
    "estimated_changed_bytes": _("Estimate: to read"),
    "estimated_s": _("Estimate: time"),
}


def log_line(line: LogLineView, formats: Formats) -> Content:
    sign, tone = _LEVELS.get(line.level, (" ", PLAIN))
    return Content.assemble((formats.local(line.at).strftime("%H:%M:%S "), DIM), (f"{sign} ", tone), (line.text, tone))


def file_lines(job: JobView) -> list[Content]:
    """Files that the job could not deal with, then notes on others."""
    lines = [Content.assemble((each.path, STRONG), "  ", (_(reason_text(each.reason)), WARN)) for each in job.missing]
    hidden = job.missing_count - len(job.missing)
    if hidden > 0 and job.missing:
        more = ngettext("and {count} more file", "and {count} more files", hidden).format(count=number(hidden))
        lines.append(Content.styled(f"{more}; phoenix job show {job.id}", DIM))
    if not job.missing_count and job.state.is_final:
        lines.append(Content(_("No file is missing.")))
    elif not job.missing_count:
        lines.append(Content.styled(_("So far no file is missing."), DIM))
    lines += [Content.assemble(each.path, "  ", (_(reason_text(each.reason)), DIM)) for each in job.notes]
    return lines


def damage_lines(damages: tuple[DamageView, ...]) -> list[Content]:
    if not damages:
        return [Content(_("No damage was found."))]
    lines = []
    for damage in damages:
        lines.append(Content.assemble(("✗ ", BAD), (damage.what, STRONG)))
        lines += [Content.assemble("    ", path) for path in damage.files]
        hidden = damage.file_count - len(damage.files)
        if hidden > 0:
            more = ngettext("and {count} more file", "and {count} more files", hidden).format(count=number(hidden))
            lines.append(Content.styled(f"    {more}", DIM))
    return lines


def result_facts(job: JobView, formats: Formats) -> list[Fact]:
    facts: list[Fact] = [(_("Started"), formats.moment(job.started_at)), (_("Ended"), formats.moment(job.finished_at))]
    if job.snapshot_id:
        facts.append((_("Snapshot"), short_id(job.snapshot_id)))
    if job.retry_of:
        facts.append((_("Retry of"), job.retry_of))
    if TAKEN in job.result:
        facts.append((_("Taken"), formats.moment(datetime.fromisoformat(str(job.result[TAKEN])))))
    told = ((name, value) for name, value in job.result.items() if name != TAKEN)
    numbers = sorted(told, key=lambda item: item[0].startswith(ESTIMATE))
    facts += [(_NAMES.get(name, name), _value(name, value)) for name, value in numbers if value != ""]
    stored, size_bytes = job.result.get("stored_bytes", 0), job.result.get("bytes", 0)
    if job.kind is JobKind.FILE_BACKUP and isinstance(stored, int) and isinstance(size_bytes, int) and stored:
        facts.append((_("Reduction"), ratio(size_bytes, stored)))
    return facts


def _value(name: str, value: float | str | bool) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str):
        return value
    if name == "bytes" or name.endswith("bytes") or name == "bytes_read":
        return size(value)
    if name == "seconds" or name.endswith("_s"):
        return took(float(value))
    return number(int(value))

"""Cells about jobs, for every table that lists them."""

from textual.content import Content

from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView, ProgressView
from phoenix_tui.formats import NOTHING, Formats, clock_span, files, number, rate, size, took
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.signs import LOST_AGENT, job_sign
from phoenix_tui.widgets.bar import bar, fraction_done, percent_done

BAR_CELLS = 10


def state_cell(job: JobView, *, lost: bool = False) -> Content:
    """`lost`: it runs, and the core has lost its agent."""
    return (LOST_AGENT if lost else job_sign(job.state)).content


def progress_cell(job: JobView, width: int) -> Content:
    """A bar while it runs, nothing else."""
    if job.state is not JobState.RUNNING:
        return Content("")
    return bar(fraction_done(job.progress), width)


def percent_cell(job: JobView) -> str:
    return percent_done(fraction_done(job.progress)) if job.state is JobState.RUNNING else ""


def rate_cell(job: JobView) -> str:
    progress = job.progress
    return rate(progress.bytes_per_s) if progress and progress.bytes_per_s > 0 else ""


def eta_text(progress: ProgressView | None) -> str:
    return clock_span(progress.eta_s) if progress and progress.eta_s >= 0 else ""


def time_cell(job: JobView, formats: Formats) -> str:
    """How long it took, or has been running."""
    seconds = formats.since(job.started_at, job.finished_at)
    return took(seconds) if job.state.is_final else clock_span(seconds)


def outcome_text(job: JobView) -> str:
    """A finished job's numbers in a few words, or what went wrong."""
    if job.error is not None and job.state not in {JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS}:
        return job.error.message
    parts = _numbers(job)
    if job.missing_count:
        parts.insert(0, _("{count} missing").format(count=number(job.missing_count)))
    return ", ".join(parts) or NOTHING


def _numbers(job: JobView) -> list[str]:
    result = job.result
    if result.get("check_only"):
        return [_("only checked")]
    if job.kind in {JobKind.FILE_BACKUP, JobKind.FILE_RESTORE}:
        parts = [size(float(result["bytes"]))] if "bytes" in result else []
        if job.kind is JobKind.FILE_BACKUP and "stored_bytes" in result:
            parts.append(_("{size} new").format(size=size(float(result["stored_bytes"]))))
        if "files" in result:
            parts.append(files(int(result["files"])))
        return parts
    if "damages" in result:
        count = int(result["damages"])
        text = ngettext("{count} damage", "{count} damages", count) if count else _("no damage")
        return [text.format(count=count)]
    if "unused_bytes" in result:
        return [_("{size} unused").format(size=size(float(result["unused_bytes"])))]
    return []

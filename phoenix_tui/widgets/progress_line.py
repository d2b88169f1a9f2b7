"""One line on how far a job is: bar, share, amounts, rate, time left."""

from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView, ProgressView
from phoenix_tui.formats import files, number, rate, size
from phoenix_tui.i18n import _
from phoenix_tui.signs import job_sign
from phoenix_tui.tones import DIM, LIVE, WARN
from phoenix_tui.widgets.bar import bar, fraction_done, percent_done
from phoenix_tui.widgets.job_cells import eta_text, outcome_text

WAITS = {
    JobState.QUEUED: _("In the queue."),
    JobState.WAITING_FOR_AGENT: _("Waits until the agent is connected. Start it on the server: phoenix agent run"),
    JobState.WAITING_FOR_PROXY: _("Waits until a backup proxy is free."),
    JobState.WAITING_FOR_THAW: _("Waits until the archive storage has thawed the data."),
}


class ProgressLine(Static):
    def __init__(self) -> None:
        super().__init__(id="progress")
        self._job: JobView | None = None
        self._lost = ""

    def show(self, job: JobView, lost: str = "") -> None:
        """`lost`: what there is to say of an agent that the core has lost."""
        self._job, self._lost = job, lost
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._job is not None and self.size.width > 0:
            self.update(line(self._job, self.size.width, self._lost))


def line(job: JobView, width: int, lost: str = "") -> Content:
    if job.state.is_waiting:
        return Content.styled(WAITS[job.state], WARN if job.state is not JobState.QUEUED else DIM)
    if job.state.is_final:
        return Content.assemble((bar(1.0, 10).plain, job_sign(job.state).tone), "  ", outcome_text(job))
    text = lost or _amounts(job.progress)
    fraction = fraction_done(job.progress)
    share = percent_done(fraction)
    room = max(8, width - len(share) - len(text) - 4)
    return Content.assemble(bar(fraction, room), "  ", (share, LIVE), "  ", (text, WARN if lost else ""))


def _amounts(progress: ProgressView | None) -> str:
    if progress is None:
        return _("starting")
    parts = []
    if progress.bytes_total:
        parts.append(_("{done} of {total}").format(done=size(progress.bytes_done), total=size(progress.bytes_total)))
    elif progress.files_total:
        parts.append(
            _("{done} of {total}").format(done=number(progress.files_done), total=number(progress.files_total))
        )
    elif progress.files_done:
        parts.append(f"{progress.phase}: {files(progress.files_done)}")
    else:
        parts.append(progress.phase)
    if progress.bytes_per_s > 0:
        parts.append(rate(progress.bytes_per_s))
    eta = eta_text(progress)
    if eta:
        parts.append(_("{eta} left").format(eta=eta))
    return "  ".join(parts)

"""A drawing of where a job's data goes right now: agent → storage, for a restore the other way."""

from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from phoenix_tui.formats import rate, ratio, size
from phoenix_tui.i18n import _
from phoenix_tui.signs import LOST_AGENT
from phoenix_tui.tones import DIM, LIVE, STRONG

BOX_MAX = 30
NEXT_TO_NOTHING = 10_000
"""A backup that read so many times what it sent found nothing new: what it sent is its own records."""


class DataFlow(Static):
    """Three lines: two boxes and the arrow between them."""

    def __init__(self) -> None:
        super().__init__(id="flow")
        self._job: JobView | None = None
        self._lost = False

    def show(self, job: JobView, *, lost: bool = False) -> None:
        """`lost`: the core has lost its agent."""
        self._job, self._lost = job, lost
        self.display = job.kind in {JobKind.FILE_BACKUP, JobKind.FILE_RESTORE, JobKind.VERIFY, JobKind.REPAIR}
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._job is not None and self.size.width > 20:
            self.update(draw(self._job, self.size.width, lost=self._lost))


def draw(job: JobView, width: int, *, lost: bool = False) -> Content:
    box = min(BOX_MAX, max(18, width // 4))
    left, right, above, below = _words(job)
    above = LOST_AGENT.word if lost else above
    restoring = job.kind is not JobKind.FILE_BACKUP
    moving = job.state is JobState.RUNNING and job.progress is not None and not lost
    middle = max(6, width - 2 * box - 2)
    shaft = ("━" if moving else "─") * (middle - 3)
    arrow = f" ◀{shaft} " if restoring else f" {shaft}▶ "
    lines = [
        Content.assemble(_edge("╭", "╮", box), " ", _centre(above, middle, STRONG), " ", _edge("╭", "╮", box)),
        Content.assemble(_inside(left, box), " ", (arrow, LIVE if moving else DIM), " ", _inside(right, box)),
        Content.assemble(_edge("╰", "╯", box), " ", _centre(below, middle, DIM), " ", _edge("╰", "╯", box)),
    ]
    return Content("\n").join(lines)


def _words(job: JobView) -> tuple[str, str, str, str]:
    """What stands in the left box, in the right one, above the arrow and below it."""
    agent = _("agent {name}").format(name=job.agent_name or job.server_name) if job.server_id else _("core")
    sent, speed, done = _amounts(job)
    over = job.state.is_final
    if job.kind is JobKind.FILE_RESTORE:
        return agent, _("storage"), _flow(_("fetched") if over else _("fetches"), speed, sent), done
    if job.kind in {JobKind.VERIFY, JobKind.REPAIR}:
        return _("core"), _("storage"), _flow(_("read") if over else _("reads"), speed, sent), ""
    return agent, _("storage"), _flow(_("sent") if over else _("sends"), speed, sent), done


def _flow(verb: str, speed: float, sent: int) -> str:
    if speed > 0:
        return f"{verb} {rate(speed)}"
    return f"{verb} {size(sent)}" if sent else ""


def _amounts(job: JobView) -> tuple[int, float, str]:
    """Bytes moved so far, bytes per second now, and what they stand for."""
    progress, result = job.progress, job.result
    if job.kind is JobKind.FILE_BACKUP:
        sent = _whole(result, "stored_bytes") or (progress.sent_bytes if progress else 0)
        read = _whole(result, "read_bytes") or (progress.bytes_done if progress else 0)
        saved = _saved(read, sent, over="stored_bytes" in result and not result.get("dry_run"))
        return sent, progress.sent_bytes_per_s if progress else 0.0, saved
    if job.kind is JobKind.FILE_RESTORE:
        fetched = _whole(result, "fetched_bytes") or (progress.sent_bytes if progress else 0)
        written = _whole(result, "bytes") or (progress.bytes_done if progress else 0)
        text = _("{size} written").format(size=size(written)) if written else ""
        return fetched, progress.sent_bytes_per_s if progress else 0.0, text
    return _whole(result, "bytes_read"), progress.bytes_per_s if progress else 0.0, ""


def _saved(read: int, sent: int, *, over: bool) -> str:
    if not read:
        return ""
    if read > sent * NEXT_TO_NOTHING:
        return _("nothing new") if over else ""
    return _("{ratio} of what was read").format(ratio=ratio(read, sent))


def _whole(result: dict[str, int | float | str | bool], name: str) -> int:
    value = result.get(name, 0)
    return int(value) if isinstance(value, int | float) else 0


def _edge(left: str, right: str, width: int) -> Content:
    return Content.assemble((left + "─" * (width - 2) + right, DIM))


def _inside(text: str, width: int) -> Content:
    inner = Content(text).truncate(width - 4, ellipsis=True).center(width - 4).truncate(width - 4, pad=True)
    return Content.assemble(("│ ", DIM), inner.stylize(STRONG), (" │", DIM))


def _centre(text: str, width: int, tone: str) -> Content:
    return Content(text).truncate(width, ellipsis=True).center(width).truncate(width, pad=True).stylize(tone)

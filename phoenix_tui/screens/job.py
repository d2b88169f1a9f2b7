"""One job: its workflow's numbered steps, where its data goes, how far it is, its log, what it could not deal with."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.domain.views import DamageView, JobView, LogLineView, ServerView, StepView
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.formats import NOTHING, clock_span, number, took
from phoenix_tui.i18n import _
from phoenix_tui.messages import CoreChanged, OpenRestore
from phoenix_tui.model import Topic
from phoenix_tui.screens.job_intentions import JobIntentions
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.signs import LOST_AGENT, job_sign, step_sign
from phoenix_tui.tones import BAD, DIM, STRONG, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.data_flow import DataFlow
from phoenix_tui.widgets.face import Face, failed, loading
from phoenix_tui.widgets.facts import fact_lines
from phoenix_tui.widgets.focus import focus_now
from phoenix_tui.widgets.job_cells import time_cell
from phoenix_tui.widgets.job_texts import damage_lines, file_lines, log_line, result_facts
from phoenix_tui.widgets.log_view import LogView
from phoenix_tui.widgets.progress_line import ProgressLine
from phoenix_tui.widgets.row_table import Cell, RowTable

GRACE = "agent.grace_s"
"""Setting: for how many seconds a lost agent is waited for."""
NAMES_DAMAGE = {JobKind.VERIFY, JobKind.REPAIR}
TABS = ("log", "files", "result")
_PROBLEM_STATES = {JobState.FAILED, JobState.ABORTED, JobState.CANCELLED}


class JobScreen(ReadingScreen, JobIntentions):
    BINDINGS = bindings("job")
    place = "job"
    top = "jobs"
    topics = frozenset({Topic.JOBS, Topic.PROGRESS, Topic.SERVERS})

    def __init__(self, context: Context, job_id: str) -> None:
        super().__init__(context)
        self.job_id = job_id
        self._own: JobView | None = None
        """As read for this screen: with missing files and notes."""
        self._problem: ErrorView | None = None
        self._damages: tuple[DamageView, ...] = ()
        self._log_after = 0
        self._followed = ""
        """The step that the cursor was last put on; it follows the running one until the operator moves it."""

    def compose_body(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(id="about")
        yield DataFlow()
        yield ProgressLine()
        yield Static(id="problem")
        with Vertical(id="steps-part", classes="part"):
            yield RowTable[StepView](
                (
                    Column("", 9),
                    Column("", 6),
                    Column(""),
                    Column("", from_width=100),
                    Column("", 8, right=True),
                ),
                key=lambda step: step.id,
                cells=self._step_cells,
                header=False,
                id="steps",
            )
            yield Static(id="step-detail")
        with Vertical(id="lower", classes="part"), ContentSwitcher(initial="log"):
            yield LogView(id="log", empty=_("No line in the log yet."))
            yield LogView(id="files", follow=False)
            yield LogView(id="result", follow=False)

    def on_mount(self) -> None:
        self.query_one("#steps-part").border_title = _("Steps")
        super().on_mount()

    async def fetch(self) -> None:
        """Log, missing files, damage."""
        try:
            self._own = await self.client.job(self.job_id)
            lines = await self.client.job_log(self.job_id, self._log_after)
            if self._own.kind in NAMES_DAMAGE and self._own.state.is_final:
                self._damages = tuple(await self.client.damage(self.job_id))
        except PhoenixError as error:
            self._problem = error.view()
        else:
            self._problem = None
            self.context.live.know_job(self._own)
            if self.is_whole:
                self._add_log(tuple(lines))
        self.update_view()

    # --- what is known -----------------------------------------------------------------------------------------------

    def job_in_hand(self) -> JobView | None:
        return self.model.jobs.get(self.job_id) or self._own

    def face(self) -> Face | None:
        if self.job_in_hand() is None:
            return failed(self._problem) if self._problem else loading()
        return None

    def on_news(self, changed: CoreChanged) -> None:
        self._add_log(changed.log.get(self.job_id, ()))
        job = self.model.jobs.get(self.job_id)
        ended = job is not None and job.state.is_final and not (self._own and self._own.state.is_final)
        if Topic.RESET in changed.topics or ended:
            self.read()

    def _add_log(self, lines: tuple[LogLineView, ...]) -> None:
        fresh = [line for line in lines if line.number > self._log_after]
        if fresh:
            self._log_after = fresh[-1].number
            self.query_one("#log", LogView).append(log_line(line, self.formats) for line in fresh)

    # --- showing -----------------------------------------------------------------------------------------------------

    def show_model(self) -> None:
        job = self.job_in_hand()
        if job is None:
            return
        self._show_head(job)
        self._show_steps(job)
        self._show_lower(job)

    def on_tick(self) -> None:
        job = self.job_in_hand()
        if job is not None and not job.state.is_final:
            self._show_head(job)
            self.query_one("#steps", RowTable).repaint([s.id for s in job.steps if s.state is StepState.RUNNING])

    def _show_head(self, job: JobView) -> None:
        lost = self.model.lost_agent(job)
        sign = LOST_AGENT if lost else job_sign(job.state)
        title, width = Content.styled(job.title, STRONG), self.size.width - 2
        state = sign.content
        room = max(10, width - state.cell_length - 2)
        self.query_one("#title", Static).update(
            Content.assemble(title.truncate(room, ellipsis=True).truncate(room, pad=True), "  ", state)
        )
        when = job.started_at or job.created_at
        about = [job.id, self.formats.moment(when), time_cell(job, self.formats)]
        about.append(_("by {who}").format(who=job.requested_by or NOTHING))
        if job.attempt > 1:
            about.append(_("attempt {count}").format(count=job.attempt))
        self.query_one("#about", Static).update(Content.styled(" · ".join(about), DIM))
        problem = job.error if job.state in _PROBLEM_STATES else None
        self.query_one("#problem").display = problem is not None
        self.query_one(DataFlow).display = problem is None
        self.query_one(ProgressLine).display = problem is None
        if problem is not None:
            text = Content.assemble((f"{sign.sign} {problem.message}", BAD), "\n", problem.hint)
            self.query_one("#problem", Static).update(text)
            return
        self.query_one(DataFlow).show(job, lost=lost is not None)
        self.query_one(ProgressLine).show(job, self._lost_text(lost) if lost else "")

    def _lost_text(self, server: ServerView) -> str:
        text = _("agent away since {time}; waiting").format(time=self.formats.time(server.last_seen_at))
        grace_s = self.model.settings.get(GRACE)
        return text + (_(" up to {grace} s").format(grace=grace_s) if grace_s else "")

    def _show_steps(self, job: JobView) -> None:
        steps = job.steps or (self._own.steps if self._own else ())
        table: RowTable[StepView] = self.query_one("#steps", RowTable)
        table.show(steps)
        current = next((step for step in steps if step.state in {StepState.RUNNING, StepState.FAILED}), None)
        if current is not None and self._followed in {"", table.cursor_key}:
            table.put_cursor(current.id)
            self._followed = current.id
        self._show_step_detail(table.cursor_item)

    def _show_step_detail(self, step: StepView | None) -> None:
        text = Content("")
        job = self.job_in_hand()
        if step is not None and step.error is not None and (job is None or step.error != job.error):
            text = Content.assemble((f"{step.error.message} ", WARN), step.error.hint)
        elif step is not None and step.detail:
            text = Content(step.detail)
        elif step is not None and step.state is StepState.RUNNING:
            text = Content(job.progress.current if job and job.progress else "")
        self.query_one("#step-detail", Static).update(text)

    def _show_lower(self, job: JobView) -> None:
        own = self._own or job
        lines = damage_lines(self._damages) if job.kind in NAMES_DAMAGE else file_lines(own)
        self.query_one("#files", LogView).replace(lines)
        self.query_one("#result", LogView).replace(fact_lines(result_facts(job, self.formats)))
        self._show_tabs(job)

    def _show_tabs(self, job: JobView) -> None:
        shown = self.query_one(ContentSwitcher).current
        names = {
            "log": _("l Log"),
            "files": self._files_name(job),
            "result": _("i Result"),
        }
        title = "  ".join(f"[reverse] {names[tab]} [/]" if tab == shown else f" {names[tab]} " for tab in TABS)
        self.query_one("#lower").border_title = title

    def _files_name(self, job: JobView) -> str:
        if job.kind in NAMES_DAMAGE:
            return _("m Damage ({count})").format(count=number(len(self._damages)))
        notes = len(self._own.notes) if self._own else 0
        text = _("m Missing ({count}), noted ({notes})") if notes else _("m Missing ({count})")
        return text.format(count=number(job.missing_count), notes=number(notes))

    def _step_cells(self, step: StepView) -> list[Cell]:
        seconds = self.formats.since(step.started_at, step.finished_at)
        pending = step.state in {StepState.PENDING, StepState.SKIPPED}
        step_id = step.id if step.id.startswith("WF") else ""
        return [
            step_sign(step.state).content,
            Content.styled(step_id, DIM),
            Content.styled(step.title, DIM) if pending else step.title,
            Content.styled(step.error.message if step.error else step.detail, DIM),
            "" if pending else took_or_counts(step, seconds),
        ]

    # --- intentions --------------------------------------------------------------------------------------------------

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self._show_step_detail(event.table.cursor_item)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "snapshot":
            job = self.job_in_hand() if self.is_whole else None
            return job is not None and bool(job.snapshot_id) and job.kind is JobKind.FILE_BACKUP
        return super().check_action(action, parameters)

    def action_show_tab(self, tab: str) -> None:
        self.query_one(ContentSwitcher).current = tab
        focus_now(self.query_one(f"#{tab}"))
        job = self.job_in_hand()
        if job is not None:
            self._show_tabs(job)

    def action_zoom(self) -> None:
        self.query_one("#body").toggle_class("zoomed")

    def action_snapshot(self) -> None:
        job = self.job_in_hand()
        if job is not None and job.snapshot_id:
            self.post_message(OpenRestore(job.server_id, job.snapshot_id))


def took_or_counts(step: StepView, seconds: float | None) -> str:
    return clock_span(seconds) if step.state is StepState.RUNNING else took(seconds)

"""All jobs: a table that filters, searches, cancels and tries again."""

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import OpenJob
from phoenix_tui.model import Topic
from phoenix_tui.screens.job_intentions import JobIntentions
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.tones import DIM
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty
from phoenix_tui.widgets.job_cells import eta_text, percent_cell, progress_cell, state_cell, time_cell
from phoenix_tui.widgets.row_table import Cell, RowTable

FILTERS = ("all", "active", "finished", "failed")
_NAMES = {"all": _("all"), "active": _("active"), "finished": _("finished"), "failed": _("failed")}
_FAILED = {JobState.FAILED, JobState.ABORTED}
BAR_CELLS = 8
WIDE = 100
"""From this width on progress has a column of its own."""


class JobsScreen(SearchableScreen, JobIntentions):
    BINDINGS = bindings("jobs")
    place = "jobs"
    topics = frozenset({Topic.JOBS, Topic.PROGRESS, Topic.SERVERS})

    chosen = "all"
    server_id = ""
    """Of this server only; empty: of all."""
    _no_older = False

    def compose_body(self) -> ComposeResult:
        yield Static(id="filter")
        yield from self.compose_search()
        yield RowTable[JobView](
            (
                Column(_("State"), 17),
                Column(_("Job")),
                Column(_("Progress"), BAR_CELLS + 16, from_width=WIDE),
                Column(_("Started"), 12),
                Column(_("Time"), 7, right=True),
                Column(_("By"), 10, from_width=118),
                Column(_("Id"), 11, from_width=140),
            ),
            key=lambda job: job.id,
            cells=self._cells,
        )

    def face(self) -> Face | None:
        if not self.model.jobs:
            return empty(_("No job has run yet"), _("Press b to back up a server."))
        return None

    def show_model(self) -> None:
        jobs = [job for job in self.model.jobs_newest_first() if self._fits(job)]
        self.query_one(RowTable).show(jobs)
        self._show_filter(len(jobs))
        self.on_tick()

    def on_tick(self) -> None:
        self.query_one(RowTable).repaint([job.id for job in self.model.active_jobs()])

    def only_of(self, server_id: str) -> None:
        """Show this server's jobs only; empty: those of all."""
        self.server_id = server_id
        self.update_view()

    # --- which jobs --------------------------------------------------------------------------------------------------

    def _fits(self, job: JobView) -> bool:
        if self.server_id and job.server_id != self.server_id:
            return False
        if not self.holds(job.title, job.id, job.requested_by, job.state):
            return False
        if self.chosen == "active":
            return not job.state.is_final
        if self.chosen == "finished":
            return job.state.is_final
        return self.chosen != "failed" or job.state in _FAILED

    def _show_filter(self, count: int) -> None:
        parts: list[Content | str | tuple[str, str]] = [" "]
        for name in FILTERS:
            parts.append((f" {_NAMES[name]} ", "bold reverse") if name == self.chosen else (f" {_NAMES[name]} ", DIM))
        parts.append((ngettext("   {count} job", "   {count} jobs", count).format(count=count), DIM))
        if self.server_id in self.model.servers:
            parts.append((_(" of {server}").format(server=self.model.servers[self.server_id].name), "bold"))
        self.query_one("#filter", Static).update(Content.assemble(*parts))

    def action_filter(self) -> None:
        self.chosen = FILTERS[(FILTERS.index(self.chosen) + 1) % len(FILTERS)]
        if self.chosen == "all":
            self.server_id = ""
        self.update_view()

    # --- the table ---------------------------------------------------------------------------------------------------

    def _cells(self, job: JobView) -> list[Cell]:
        lost = self.model.lost_agent(job) is not None
        state, progress = state_cell(job, lost=lost), Content("")
        if job.state is JobState.RUNNING:
            share, eta = percent_cell(job), eta_text(job.progress)
            left = _("{eta} left").format(eta=eta) if eta and not lost else ""
            progress = Content.assemble(progress_cell(job, BAR_CELLS), f" {share:<5} ", (left, DIM))
            state = state if self.size.width >= WIDE else state + f" {share}"
        return [
            state,
            job.title,
            progress,
            self.formats.time(job.started_at or job.created_at),
            time_cell(job, self.formats),
            job.requested_by,
            job.id,
        ]

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        self.post_message(OpenJob(event.key))

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self.refresh_offer()
        if event.table.cursor_at == event.table.row_count - 1 and self.chosen == "all" and not self._no_older:
            self.attempt(self.context.live.read_older_jobs(), "read older jobs", self._older_read)

    def _older_read(self, found: bool) -> None:
        self._no_older = not found

    def job_in_hand(self) -> JobView | None:
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, JobView) else None

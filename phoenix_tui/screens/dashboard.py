"""The dashboard: is all well, what runs, what was the last result, what is there to do."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from phoenix_tui.actions import bindings
from phoenix_tui.attention import Attention, Weight, what_needs_attention
from phoenix_tui.dialogs.new_server import NewServer
from phoenix_tui.first_steps import first_steps
from phoenix_tui.formats import NOTHING, number, percent, ratio, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import Go, OpenJob
from phoenix_tui.model import Topic
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.tones import BAD, DIM, GOOD, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face
from phoenix_tui.widgets.job_cells import (
    eta_text,
    outcome_text,
    percent_cell,
    progress_cell,
    rate_cell,
    state_cell,
    time_cell,
)
from phoenix_tui.widgets.row_table import Cell, RowTable
from phoenix_tui.widgets.tile import Tile

RESULTS_SHOWN = 50
BAR_CELLS = 12


class DashboardScreen(ConsoleScreen):
    BINDINGS = bindings("dashboard")
    place = "dashboard"
    topics = frozenset({Topic.STATUS, Topic.SERVERS, Topic.JOBS, Topic.PROGRESS, Topic.VAULT, Topic.ALERTS})
    AUTO_FOCUS = "#results"

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="tiles"):
            yield Tile(_("Servers"), "tile-servers")
            yield Tile(_("Jobs"), "tile-jobs")
            yield Tile(_("Storage"), "tile-storage")
            yield Tile(_("Dedup. + compression"), "tile-reduction")
        with Vertical(id="attention-part", classes="part"):
            yield RowTable[Attention](
                (Column("", 18), Column("")),
                key=lambda each: each.key,
                cells=self._attention_cells,
                header=False,
                id="attention",
            )
        with Vertical(id="running-part", classes="part"):
            yield RowTable[JobView](
                (
                    Column(""),
                    Column("", BAR_CELLS),
                    Column("", 5, right=True),
                    Column("", 17, right=True),
                    Column("", 9, right=True),
                ),
                key=lambda job: job.id,
                cells=self._running_cells,
                header=False,
                id="running",
            )
        with Vertical(id="results-part", classes="part"):
            yield RowTable[JobView](
                (Column("", 12), Column("", 13), Column(""), Column(""), Column("", 9, right=True, from_width=100)),
                key=lambda job: job.id,
                cells=self._result_cells,
                header=False,
                id="results",
            )

    def on_mount(self) -> None:
        self.query_one("#running-part").border_title = _("Running and waiting")
        self.query_one("#results-part").border_title = _("Last results")
        super().on_mount()

    def face(self) -> Face | None:
        return None if self.model.jobs else first_steps(self.model, self.context.command)

    def show_model(self) -> None:
        self._show_tiles()
        attention = what_needs_attention(self.model, self.formats)
        self.query_one("#attention", RowTable).show(attention)
        self.query_one("#attention-part").border_title = _("Needs attention ({count})").format(count=len(attention))
        running = self.model.active_jobs()
        self.query_one("#running", RowTable).show(running)
        self.on_tick()
        results = [job for job in self.model.finished_jobs() if not job.check_only]
        self.query_one("#results", RowTable).show(results[:RESULTS_SHOWN])
        for part, table in (
            ("#attention-part", "#attention"),
            ("#running-part", "#running"),
            ("#results-part", "#results"),
        ):
            self.query_one(part).display = self.query_one(table, RowTable).row_count > 0

    def on_tick(self) -> None:
        table = self.query_one("#running", RowTable)
        table.repaint(table.keys)

    # --- tiles -------------------------------------------------------------------------------------------------------

    def _show_tiles(self) -> None:
        model, vault = self.model, self.model.vault
        servers = [server for server in model.servers.values() if not server.revoked]
        away = sum(1 for server in servers if not server.connected)
        all_here = _("connected") if servers else _("none yet")
        self._tile("servers").show(
            _("{count} protected").format(count=len(servers)),
            Content.assemble((f"○ {away} " + _("away"), WARN) if away else (f"● {all_here}", GOOD)),
        )
        active = model.active_jobs()
        running = sum(1 for job in active if job.state is JobState.RUNNING)
        self._tile("jobs").show(
            _("{count} running").format(count=running), _("{count} waiting").format(count=len(active) - running)
        )
        if vault is None:
            self._tile("storage").show(NOTHING, Content.styled(_("no vault"), BAD))
            self._tile("reduction").show(NOTHING, "")
            return
        free = _("{size} free").format(size=size(vault.free_bytes))
        self._tile("storage").show(
            _("{size} stored").format(size=size(vault.stored_bytes)),
            f"{free} ({percent(vault.free_bytes, vault.total_bytes)})" if vault.total_bytes else free,
        )
        count = ngettext("{size}, {count} snapshot", "{size}, {count} snapshots", vault.snapshots)
        self._tile("reduction").show(
            ratio(vault.source_bytes, vault.stored_bytes),
            count.format(size=size(vault.source_bytes), count=number(vault.snapshots)),
        )

    def _tile(self, name: str) -> Tile:
        return self.query_one(f"#tile-{name}", Tile)

    # --- cells -------------------------------------------------------------------------------------------------------

    def _attention_cells(self, each: Attention) -> list[Cell]:
        sign, tone = ("!", WARN) if each.weight is Weight.WARNING else ("✗", BAD)
        return [Content.assemble((f"{sign} ", tone), each.subject), each.text]

    def _running_cells(self, job: JobView) -> list[Cell]:
        if job.state is not JobState.RUNNING:
            return [job.title, "", "", state_cell(job), ""]
        lost = self.model.lost_agent(job) is not None
        eta = "" if lost else eta_text(job.progress)
        doing = rate_cell(job) or (job.progress.phase if job.progress else "")
        return [
            job.title,
            progress_cell(job, BAR_CELLS),
            percent_cell(job),
            state_cell(job, lost=True) if lost else doing,
            _("{eta} left").format(eta=eta) if eta else time_cell(job, self.formats),
        ]

    def _result_cells(self, job: JobView) -> list[Cell]:
        return [
            Content.styled(self.formats.time(job.finished_at), DIM),
            state_cell(job),
            job.title,
            outcome_text(job),
            time_cell(job, self.formats),
        ]

    # --- intentions --------------------------------------------------------------------------------------------------

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        item = event.table.item(event.key)
        if isinstance(item, JobView):
            self.post_message(OpenJob(item.id))
        elif isinstance(item, Attention):
            self.post_message(OpenJob(item.job_id) if item.job_id else Go(item.screen))

    def action_new_server(self) -> None:
        self.app.push_screen(NewServer(self.context))

"""The snapshots: what can be restored, what each one added, and what changed in it."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.requests import VerifyRequest
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.domain.views import JobView, SnapshotView
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.formats import NOTHING, files, number, short_id, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import CoreChanged, OpenCompare, OpenDiff, OpenJob, OpenRestore
from phoenix_tui.model import Topic
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.tones import BAD, DIM, GOOD, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.facts import Fact, Facts
from phoenix_tui.widgets.row_table import Cell, RowTable


class SnapshotsScreen(SearchableScreen):
    BINDINGS = bindings("snapshots")
    place = "snapshots"
    topics = frozenset({Topic.SERVERS})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._snapshots: list[SnapshotView] | None = None
        self._problem: ErrorView | None = None
        self._server_id = ""

    def compose_body(self) -> ComposeResult:
        yield Static(id="filter")
        yield from self.compose_search()
        yield RowTable[SnapshotView](
            (
                Column(_("Taken"), 12),
                Column(_("Server")),
                Column(_("Folders")),
                Column(_("Snapshot"), 12, from_width=100),
                Column(_("Files"), 9, right=True, from_width=100),
                Column(_("Size"), 9, right=True),
                Column(_("Added"), 9, right=True),
                Column(_("Missing"), 7, right=True),
                Column(_("Proved"), 10, from_width=100),
            ),
            key=lambda snapshot: snapshot.id,
            cells=self._cells,
        )
        with Vertical(id="detail-part", classes="part"):
            yield Facts(id="detail", classes="facts")

    def on_screen_resume(self) -> None:
        self.read()
        super().on_screen_resume()

    def on_news(self, changed: CoreChanged) -> None:
        if changed.topics & {Topic.SNAPSHOTS, Topic.RESET, Topic.VAULT}:
            self.read()

    def read(self) -> None:
        self.run_worker(self._read(), name="read the snapshots", group="read", exclusive=True)

    async def _read(self) -> None:
        try:
            self._snapshots, self._problem = await self.client.snapshots(), None
        except PhoenixError as error:
            self._problem = error.view()
        self.update_view()

    def only_of(self, server_id: str) -> None:
        """Show this server's snapshots only; empty: those of all."""
        self._server_id = server_id
        self.update_view()

    # --- showing -----------------------------------------------------------------------------------------------------

    def face(self) -> Face | None:
        if self._snapshots is None:
            return failed(self._problem) if self._problem else loading()
        if not self._snapshots:
            return empty(_("There is no snapshot yet"), _("Press b to back up a server; each backup makes one."))
        return None

    def show_model(self) -> None:
        shown = [each for each in self._snapshots or () if self._fits(each)]
        self.query_one(RowTable).show(shown)
        name = self._name_of(self._server_id) if self._server_id else _("all servers")
        count = ngettext("{count} snapshot", "{count} snapshots", len(shown)).format(count=number(len(shown)))
        self.query_one("#filter", Static).update(
            Content.assemble("  ", (f" {name} ", "bold reverse"), (f"  {count}", DIM))
        )
        self._show_detail()

    def _fits(self, snapshot: SnapshotView) -> bool:
        of_server = self._server_id in {"", snapshot.server_id}
        return of_server and self.holds(snapshot.server_name, snapshot.id, *snapshot.paths)

    def _name_of(self, server_id: str) -> str:
        known = self.model.servers.get(server_id)
        named = next((each.server_name for each in self._snapshots or () if each.server_id == server_id), server_id)
        return known.name if known else named

    def _cells(self, snapshot: SnapshotView) -> list[Cell]:
        return [
            self.formats.time(snapshot.created_at),
            snapshot.server_name,
            ", ".join(snapshot.paths),
            short_id(snapshot.id),
            number(snapshot.files),
            size(snapshot.bytes),
            size(snapshot.stored_bytes),
            _missing(snapshot),
            _proof(snapshot),
        ]

    def _show_detail(self) -> None:
        snapshot = self._snapshot()
        part = self.query_one("#detail-part")
        part.display = snapshot is not None
        if snapshot is not None:
            part.border_title = _("Snapshot {id}").format(id=short_id(snapshot.id))
            self.query_one("#detail", Facts).show(self._facts(snapshot))

    def _facts(self, snapshot: SnapshotView) -> list[Fact]:
        folders = ngettext("{count} folder", "{count} folders", snapshot.directories)
        holds = f"{files(snapshot.files)}, {folders.format(count=number(snapshot.directories))}, {size(snapshot.bytes)}"
        return [
            (_("Taken"), self.formats.moment(snapshot.created_at)),
            (_("Of"), ", ".join(snapshot.paths)),
            (_("Holds"), holds),
            (_("Proved"), _proof(snapshot)),
            (_("State"), _("lost; phoenix doctor says what to do") if snapshot.is_lost else snapshot.tier),
        ]

    # --- intentions --------------------------------------------------------------------------------------------------

    def _snapshot(self) -> SnapshotView | None:
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, SnapshotView) else None

    def _before(self, snapshot: SnapshotView) -> SnapshotView | None:
        """The server's snapshot of the same folders before this one."""
        same = [
            each
            for each in self._snapshots or ()
            if each.server_id == snapshot.server_id and set(each.paths) == set(snapshot.paths) and not each.is_lost
        ]
        return next((each for each in same if each.created_at < snapshot.created_at), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action not in {"restore", "diff", "compare", "job", "verify", "remove"}:
            return super().check_action(action, parameters)
        snapshot = self._snapshot() if self.is_whole else None
        if action in {"restore", "diff", "compare"}:
            return snapshot is not None and not snapshot.is_lost
        return snapshot is not None

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self) -> None:
        self.action_restore()

    def action_filter(self) -> None:
        ids = ["", *dict.fromkeys(each.server_id for each in self._snapshots or ())]
        self.only_of(ids[(ids.index(self._server_id) + 1) % len(ids)] if self._server_id in ids else "")

    def action_restore(self) -> None:
        snapshot = self._snapshot()
        if snapshot is not None and snapshot.is_lost:
            self.notify(_("This snapshot is lost; phoenix doctor says what to do."), severity="error", markup=False)
        elif snapshot is not None:
            self.post_message(OpenRestore(snapshot.server_id, snapshot.id))

    def action_diff(self) -> None:
        snapshot = self._snapshot()
        before = self._before(snapshot) if snapshot else None
        if snapshot is not None and before is not None:
            self.post_message(OpenDiff(before, snapshot))
        elif snapshot is not None:
            text = _("{server} has no earlier snapshot of {folders} to compare it with.")
            self.notify(text.format(server=snapshot.server_name, folders=", ".join(snapshot.paths)), markup=False)

    def action_compare(self) -> None:
        snapshot = self._snapshot()
        if snapshot is not None:
            self.post_message(OpenCompare(snapshot))

    def action_job(self) -> None:
        snapshot = self._snapshot()
        if snapshot is not None:
            self.post_message(OpenJob(snapshot.job_id))

    def action_verify(self) -> None:
        snapshot = self._snapshot()
        if snapshot is not None:
            request = VerifyRequest(depth=VerifyDepth.CHUNKS, snapshots=(snapshot.id,))
            self.attempt(self.client.verify(request), "verify a snapshot", self._began)

    def action_remove(self) -> None:
        snapshot = self._snapshot()
        if snapshot is None:
            return
        name = short_id(snapshot.id)
        question = TypedConfirm(
            _("Remove snapshot {id}?").format(id=name),
            _(
                "Snapshot of {server}, {moment}. `phoenix snapshot undelete {id}` brings it back for as many days as "
                "the setting snapshots.undo_days says; then it is gone for good."
            ).format(server=snapshot.server_name, moment=self.formats.moment(snapshot.created_at), id=name),
            name,
            _("Remove the snapshot"),
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.remove_snapshot(snapshot.id), "remove a snapshot", self._began)

        self.app.push_screen(question, answered)

    def _began(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self.post_message(OpenJob(job.id))


def _missing(snapshot: SnapshotView) -> Content:
    """Also tells of a lost snapshot, since this column shows in a narrow terminal too."""
    if snapshot.is_lost:
        return Content.styled(_("✗ lost"), BAD)
    if snapshot.missing_count:
        return Content.styled(f"! {number(snapshot.missing_count)}", WARN)
    return Content.styled(NOTHING, DIM)


def _proof(snapshot: SnapshotView) -> Content:
    if snapshot.is_lost:
        return Content.styled(_("✗ lost"), BAD)
    if snapshot.proved:
        return Content.styled(_("✓ proved"), GOOD)
    return Content.styled(_("· not yet"), DIM)

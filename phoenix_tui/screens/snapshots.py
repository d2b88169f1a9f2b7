"""The snapshots: what can be restored, what each one added, what changed in it, and which can be brought back."""

import asyncio

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.requests import VerifyRequest
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.domain.views import SnapshotView
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.formats import number, short_id, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import OpenCompare, OpenDiff, OpenJob, OpenRestore
from phoenix_tui.model import Topic
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.screens.snapshot_intentions import DECISIONS, SnapshotIntentions
from phoenix_tui.tones import DIM
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.facts import Facts
from phoenix_tui.widgets.row_table import Cell, RowTable
from phoenix_tui.widgets.snapshot_facts import facts_of, held_of, marks_of, missing_of, proof_of


class SnapshotsScreen(ReadingScreen, SnapshotIntentions):
    BINDINGS = bindings("snapshots")
    place = "snapshots"
    read_upon = frozenset({Topic.SNAPSHOTS, Topic.VAULT})
    topics = frozenset({Topic.SERVERS})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._snapshots: list[SnapshotView] | None = None
        self._problem: ErrorView | None = None
        self._server_id = ""
        self._removed: list[SnapshotView] = []
        self._shows_removed = False

    def compose_body(self) -> ComposeResult:
        yield Static(id="filter")
        yield from self.compose_search()
        yield RowTable[SnapshotView](
            (
                Column(_("Taken"), 12),
                Column(_("Server")),
                Column(_("Folders")),
                Column(_("Snapshot"), 12, from_width=112),
                Column(_("Tags, note"), 14, from_width=100),
                Column(_("Size"), 9, right=True),
                Column(_("Added"), 9, right=True),
                Column(_("Missing"), 7, right=True),
                Column(_("Held"), 4),
                Column(_("Proved"), 10, from_width=100),
            ),
            key=lambda snapshot: snapshot.id,
            cells=self._cells,
        )
        with Vertical(id="detail-part", classes="part"):
            yield Facts(id="detail", classes="facts")

    async def fetch(self) -> None:
        try:
            self._snapshots, self._removed = await asyncio.gather(
                self.client.snapshots(), self.client.snapshots(removed=True)
            )
            self._problem = None
            self._shows_removed = self._shows_removed and bool(self._removed)
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
        if not self._snapshots and not self._removed:
            return empty(_("There is no snapshot yet"), _("Press b to back up a server; each backup makes one."))
        return None

    def show_model(self) -> None:
        listed = self._removed if self._shows_removed else self._snapshots or []
        shown = [each for each in listed if self._fits(each)]
        self.query_one(RowTable).show(shown)
        name = self._name_of(self._server_id) if self._server_id else _("all servers")
        self.query_one("#filter", Static).update(
            Content.assemble("  ", (f" {name} ", "bold reverse"), (f"  {self._count_text(len(shown))}", DIM))
        )
        self._show_detail()

    def _count_text(self, count: int) -> str:
        if self._shows_removed:
            removed = ngettext("{count} removed snapshot", "{count} removed snapshots", count)
            return removed.format(count=number(count)) + _("; Enter brings one back, u shows the others")
        text = ngettext("{count} snapshot", "{count} snapshots", count).format(count=number(count))
        if self._removed:
            gone = len(self._removed)
            more = ngettext("; {count} removed, u shows it", "; {count} removed, u shows them", gone)
            text += more.format(count=number(gone))
        return text

    def _fits(self, snapshot: SnapshotView) -> bool:
        of_server = self._server_id in {"", snapshot.server_id}
        return of_server and self.holds(
            snapshot.server_name, snapshot.id, *snapshot.paths, *snapshot.tags, snapshot.note
        )

    def _name_of(self, server_id: str) -> str:
        known = self.model.servers.get(server_id)
        named = next((each.server_name for each in self._all() if each.server_id == server_id), server_id)
        return known.name if known else named

    def _cells(self, snapshot: SnapshotView) -> list[Cell]:
        return [
            self.formats.time(snapshot.created_at),
            snapshot.server_name,
            ", ".join(snapshot.paths),
            short_id(snapshot.id),
            marks_of(snapshot),
            size(snapshot.bytes),
            size(snapshot.stored_bytes),
            missing_of(snapshot),
            held_of(snapshot),
            proof_of(snapshot),
        ]

    def _show_detail(self) -> None:
        snapshot = self.snapshot_in_hand()
        part = self.query_one("#detail-part")
        part.display = snapshot is not None
        if snapshot is not None:
            part.border_title = _("Snapshot {id}").format(id=short_id(snapshot.id))
            self.query_one("#detail", Facts).show(facts_of(snapshot, self.formats))

    # --- intentions --------------------------------------------------------------------------------------------------

    def _all(self) -> list[SnapshotView]:
        return [*(self._snapshots or ()), *self._removed]

    def snapshot_in_hand(self) -> SnapshotView | None:
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
        snapshot = self.snapshot_in_hand() if self.is_whole else None
        if action == "removed":
            return bool(self._removed)
        if action == "undelete":
            return snapshot is not None and self._shows_removed
        if action in {"restore", "diff", "compare"}:
            return snapshot is not None and not snapshot.is_lost and not self._shows_removed
        if action in DECISIONS | {"verify"}:
            return snapshot is not None and not self._shows_removed
        if action in {"job", "remove"}:
            return snapshot is not None
        return super().check_action(action, parameters)

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self) -> None:
        if self._shows_removed:
            self.action_undelete()
        else:
            self.action_restore()

    def action_removed(self) -> None:
        """Those whose removal can be undone, or the others again."""
        self._shows_removed = not self._shows_removed and bool(self._removed)
        self.update_view()

    def action_filter(self) -> None:
        ids = ["", *dict.fromkeys(each.server_id for each in self._all())]
        self.only_of(ids[(ids.index(self._server_id) + 1) % len(ids)] if self._server_id in ids else "")

    def action_restore(self) -> None:
        snapshot = self.snapshot_in_hand()
        if snapshot is not None and snapshot.is_lost:
            self.notify(_("This snapshot is lost; phoenix doctor says what to do."), severity="error", markup=False)
        elif snapshot is not None:
            self.post_message(OpenRestore(snapshot.server_id, snapshot.id))

    def action_diff(self) -> None:
        snapshot = self.snapshot_in_hand()
        before = self._before(snapshot) if snapshot else None
        if snapshot is not None and before is not None:
            self.post_message(OpenDiff(before, snapshot))
        elif snapshot is not None:
            text = _("{server} has no earlier snapshot of {folders} to compare it with.")
            self.notify(text.format(server=snapshot.server_name, folders=", ".join(snapshot.paths)), markup=False)

    def action_compare(self) -> None:
        snapshot = self.snapshot_in_hand()
        if snapshot is not None:
            self.post_message(OpenCompare(snapshot))

    def action_job(self) -> None:
        snapshot = self.snapshot_in_hand()
        if snapshot is not None:
            self.post_message(OpenJob(snapshot.job_id))

    def action_verify(self) -> None:
        snapshot = self.snapshot_in_hand()
        if snapshot is not None:
            request = VerifyRequest(depth=VerifyDepth.CHUNKS, snapshots=(snapshot.id,))
            self.attempt(self.client.verify(request), "verify a snapshot", self.job_began)

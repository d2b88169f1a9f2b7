"""First step of a restore: whose data, and of when."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from phoenix_core.domain.views import ServerView, SnapshotView
from phoenix_tui.formats import Formats, number, short_id, size
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.focus import focus_now
from phoenix_tui.widgets.row_table import Cell, RowTable


class RestoreSource(Horizontal):
    class Chosen(Message):
        def __init__(self, snapshot: SnapshotView) -> None:
            super().__init__()
            self.snapshot = snapshot

    def __init__(self, formats: Formats) -> None:
        super().__init__(id="source")
        self._formats = formats
        self._snapshots: Sequence[SnapshotView] = ()

    def compose(self) -> ComposeResult:
        with Vertical(classes="part", id="source-servers"):
            yield RowTable[ServerView](
                (Column(_("Name")),),
                key=lambda server: server.id,
                cells=lambda server: [server.name],
                keeps_mark=True,
                id="servers",
            )
        with Vertical(classes="part", id="source-snapshots"):
            yield RowTable[SnapshotView](
                (
                    Column(_("Taken"), 12),
                    Column(_("Folders")),
                    Column(_("Snapshot"), 12, from_width=62),
                    Column(_("Files"), 9, right=True, from_width=60),
                    Column(_("Size"), 9, right=True),
                    Column(_("Missing"), 7, right=True),
                ),
                key=lambda snapshot: snapshot.id,
                cells=self._snapshot_cells,
                id="snapshots",
            )
            yield Static(_("This server has no snapshot. Back it up first."), id="no-snapshots")

    def on_mount(self) -> None:
        self.query_one("#source-servers").border_title = _("Server")
        self.query_one("#source-snapshots").border_title = _("Snapshot")

    def show(self, servers: Sequence[ServerView], snapshots: Sequence[SnapshotView]) -> None:
        self._snapshots = snapshots
        self.query_one("#servers", RowTable).show(servers)
        self._show_snapshots()

    def put_server(self, server_id: str) -> None:
        self.query_one("#servers", RowTable).put_cursor(server_id)

    def _show_snapshots(self) -> None:
        server_id = self.query_one("#servers", RowTable).cursor_key
        shown = [each for each in self._snapshots if each.server_id == server_id]
        self.query_one("#snapshots", RowTable).show(shown)
        self.query_one("#snapshots").display = bool(shown)
        self.query_one("#no-snapshots").display = not shown

    def _snapshot_cells(self, snapshot: SnapshotView) -> list[Cell]:
        missing = Content.styled(f"! {number(snapshot.missing_count)}", WARN) if snapshot.missing_count else Content("")
        if snapshot.is_lost:
            missing = Content.styled(_("✗ lost"), BAD)
        return [
            self._formats.time(snapshot.created_at),
            ", ".join(snapshot.paths),
            short_id(snapshot.id),
            number(snapshot.files),
            size(snapshot.bytes),
            missing,
        ]

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        if event.table.id == "servers":
            self._show_snapshots()

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        event.stop()
        if event.table.id == "servers":
            focus_now(self.query_one("#snapshots"))
            return
        self.choose()

    def choose(self) -> bool:
        """Go on with the snapshot in hand; False where there is none."""
        snapshot = self.query_one("#snapshots", RowTable).cursor_item
        if not isinstance(snapshot, SnapshotView):
            return False
        if snapshot.is_lost:
            self.notify(_("This snapshot is lost; phoenix doctor says what to do."), severity="error", markup=False)
            return True
        self.post_message(self.Chosen(snapshot))
        return True

"""What changed from one snapshot of a server to the next, page by page."""

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.changes import Change
from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.views import ChangeView, SnapshotView
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.context import Context
from phoenix_tui.formats import number, short_id, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.signs import change_sign
from phoenix_tui.tones import DIM, STRONG, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.row_table import Cell, RowTable

READ_AHEAD_ROWS = 50


class DiffScreen(ConsoleScreen):
    BINDINGS = bindings("diff")
    place = "diff"
    top = "snapshots"

    def __init__(self, context: Context, before: SnapshotView, after: SnapshotView) -> None:
        super().__init__(context)
        self._before = before
        self._after = after
        self._changes: list[ChangeView] = []
        self._next = ""
        self._read_once = False
        self._reading = False
        self._problem: ErrorView | None = None

    def compose_body(self) -> ComposeResult:
        yield Static(id="title")
        yield RowTable[ChangeView](
            (
                Column(_("Change"), 10),
                Column(_("Path")),
                Column(_("Before"), 9, right=True),
                Column(_("After"), 9, right=True),
            ),
            key=lambda change: change.path,
            cells=self._cells,
        )

    def on_mount(self) -> None:
        super().on_mount()
        self._read_page()

    def _read_page(self) -> None:
        if not self._reading:
            self._reading, self._problem = True, None
            in_background(self, self._read, "read changes", exclusive=False)

    async def _read(self) -> None:
        try:
            page = await self.client.diff(self._before.id, self._after.id, after=self._next)
            self._changes.extend(page.changes)
            self._next, self._read_once = page.next_after, True
        except PhoenixError as error:
            self._problem = error.view()
        self._reading = False
        self.update_view()
        if self._next and len(self._changes) < READ_AHEAD_ROWS and self._problem is None:
            self._read_page()

    def face(self) -> Face | None:
        if self._problem is not None and not self._changes:
            return failed(self._problem)
        if not self._changes and (self._next or not self._read_once):
            return loading(_("Comparing …"))
        if not self._changes:
            return empty(_("Nothing changed"), _("Both snapshots hold the same. Escape goes back."))
        return None

    def show_model(self) -> None:
        self.query_one(RowTable).show(self._changes)
        count = len(self._changes)
        more = "+" if self._next else ""
        parts: list[Content | str | tuple[str, str]] = [
            (f"{self._after.server_name}: ", STRONG),
            (ngettext("{count} change", "{count} changes", count).format(count=number(count) + more), STRONG),
            "\n",
            self._named(self._before),
            (_("  until  "), DIM),
            self._named(self._after),
        ]
        if self._problem is not None:
            told = _("   broken off: {problem} Going down tries again.").format(problem=self._problem.message)
            parts.append((told, WARN))
        self.query_one("#title", Static).update(Content.assemble(*parts))

    def _named(self, snapshot: SnapshotView) -> Content:
        return Content.assemble(f"{short_id(snapshot.id)} ", (self.formats.time(snapshot.created_at), DIM))

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        if self._next and event.table.cursor_at >= event.table.row_count - READ_AHEAD_ROWS:
            self._read_page()

    def _cells(self, change: ChangeView) -> list[Cell]:
        before = "" if change.change == Change.ADDED else size(change.size_before)
        after = "" if change.change == Change.REMOVED else size(change.size_after)
        return [change_sign(change.change).content, change.path, before, after]

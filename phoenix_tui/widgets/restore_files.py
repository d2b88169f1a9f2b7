"""Second step of a restore: browse or search the snapshot, and select files and folders."""

from functools import partial

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, Input, Static

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.views import EntryView
from phoenix_tui.background import in_background
from phoenix_tui.formats import Formats, number
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.tones import BAD, DIM, STRONG
from phoenix_tui.widgets.focus import focus_now
from phoenix_tui.widgets.row_table import Cell, RowTable
from phoenix_tui.widgets.snapshot_tree import ENTRY_COLUMNS, SnapshotTree, entry_cells, mark_content

PAGE_ENTRIES = 1000
FOUND_PAGE = 500
PATHS_SHOWN = 3


class FoundTable(RowTable[EntryView]):
    """What a search found; space selects here as well."""

    BINDINGS = SnapshotTree.BINDINGS[:1]

    def action_select(self) -> None:
        self.action_open()


class RestoreFiles(Vertical):
    def __init__(self, client: CoreClient, formats: Formats) -> None:
        super().__init__(id="files")
        self._client = client
        self._formats = formats
        self._snapshot_id = ""
        self._found: list[EntryView] = []
        self._found_next = ""

    def compose(self) -> ComposeResult:
        yield Input(placeholder=_("Name or pattern, such as *.conf or /etc/*/hosts"), id="pattern", compact=True)
        yield Static(id="found-line")
        with ContentSwitcher(initial="tree"):
            yield SnapshotTree(self._formats, widget_id="tree")
            yield FoundTable(ENTRY_COLUMNS, key=lambda entry: entry.path, cells=self._found_cells, id="found")
        yield Static(id="selection")

    def on_mount(self) -> None:
        self._leave_search()
        self._show_selection()

    @property
    def contents(self) -> SnapshotTree:
        return self.query_one("#tree", SnapshotTree)

    @property
    def selected(self) -> tuple[str, ...]:
        """Paths; empty: everything."""
        return tuple(sorted(self.contents.model.selected))

    @property
    def is_searching(self) -> bool:
        return bool(self.query_one("#pattern").display)

    def begin(self, snapshot_id: str) -> None:
        if snapshot_id != self._snapshot_id:
            self._snapshot_id = snapshot_id
            self._leave_search()
            self.contents.begin()

    def select(self, path: str) -> None:
        """Have this selected, wherever in the tree it is."""
        self.contents.model.toggle(path)
        self.contents.repaint_marks()
        self._show_selection()

    def focus_content(self) -> None:
        focus_now(self.query_one(f"#{self.query_one(ContentSwitcher).current}"))

    # --- reading -----------------------------------------------------------------------------------------------------

    def on_snapshot_tree_page_wanted(self, message: SnapshotTree.PageWanted) -> None:
        reading = partial(self._read, self._snapshot_id, message.path, message.after)
        in_background(self, reading, "read a folder", exclusive=False)

    async def _read(self, snapshot_id: str, path: str, after: str) -> None:
        try:
            page = await self._client.entries(snapshot_id, path, after=after, limit=PAGE_ENTRIES)
        except PhoenixError as error:
            if self.is_running and snapshot_id == self._snapshot_id:
                self.contents.put_problem(path, after, error.message)
            return
        if self.is_running and snapshot_id == self._snapshot_id:
            self.contents.put_page(path, after, page)

    # --- search ------------------------------------------------------------------------------------------------------

    def search(self) -> None:
        pattern = self.query_one("#pattern", Input)
        pattern.display = True
        focus_now(pattern)

    def leave_search(self) -> None:
        """Back to the tree."""
        self._leave_search()
        focus_now(self.contents)

    def _leave_search(self) -> None:
        self.query_one("#pattern").display = False
        self.query_one("#found-line").display = False
        self.query_one(ContentSwitcher).current = "tree"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        pattern = event.value.strip()
        if not pattern:
            self.leave_search()
            return
        self._found, self._found_next = [], ""
        self.query_one("#found-line").display = True
        self._found_text(Content.styled(_("Searching …"), DIM))
        in_background(self, partial(self._find, pattern), "search a snapshot")

    async def _find(self, pattern: str) -> None:
        """Read pages until there is a table full, or all has been looked at."""
        while True:
            try:
                page = await self._client.find(self._snapshot_id, pattern, after=self._found_next, limit=FOUND_PAGE)
            except PhoenixError as error:
                if self.is_running:
                    self._found_text(Content.styled(error.message, BAD))
                return
            if not self.is_running:
                return
            self._found.extend(page.entries)
            self._found_next = page.next_after
            self._show_found(pattern)
            if not page.next_after or len(self._found) >= FOUND_PAGE:
                return

    def _show_found(self, pattern: str) -> None:
        table: RowTable[EntryView] = self.query_one("#found", FoundTable)
        table.show(self._found)
        count = number(len(self._found)) + ("+" if self._found_next else "")
        fits = ngettext("{count} entry fits {pattern}", "{count} entries fit {pattern}", len(self._found))
        back = _("escape: back to the tree")
        self._found_text(Content.assemble(fits.format(count=count, pattern=pattern), (f"   {back}", DIM)))
        if self._found:
            self.query_one(ContentSwitcher).current = "found"
            focus_now(table)

    def _found_text(self, text: Content) -> None:
        self.query_one("#found-line", Static).update(text)

    def _found_cells(self, entry: EntryView) -> list[Cell]:
        mark = self.contents.model.mark(entry.path)
        name = Content.assemble(mark_content(mark), " ", (entry.path, STRONG if entry.type == "directory" else ""))
        return entry_cells(entry, name, self._formats)

    # --- selection ---------------------------------------------------------------------------------------------------

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        """Enter or space on something found."""
        event.stop()
        above = self.contents.model.toggle(event.key)
        if above:
            self.notify(_("It comes with {path}. Deselect that first.").format(path=above), markup=False)
        event.table.repaint_all()
        self.contents.repaint_marks()
        self._show_selection()

    def on_snapshot_tree_selection_changed(self) -> None:
        self._show_selection()

    def _show_selection(self) -> None:
        self.query_one("#selection", Static).update(selection_text(self.selected))


def selection_text(paths: tuple[str, ...]) -> Content:
    if not paths:
        return Content.assemble((_("Nothing is selected: all of the snapshot is restored."), DIM))
    more = len(paths) - PATHS_SHOWN
    rest = " " + _("and {count} more").format(count=number(more)) if more > 0 else ""
    text = ngettext("{count} selected: ", "{count} selected: ", len(paths)).format(count=number(len(paths)))
    return Content.assemble((text, STRONG), ", ".join(paths[:PATHS_SHOWN]), rest)

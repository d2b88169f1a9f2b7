"""A snapshot's tree: folders are read page by page as they are opened and scrolled to; files and folders selected."""

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message

from phoenix_core.domain.views import EntryPage, EntryView
from phoenix_tui.actions import bindings
from phoenix_tui.formats import Formats, number, size
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD, DIM, GOOD, STRONG
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.row_table import Cell, RowTable
from phoenix_tui.widgets.tree_model import ROOT, Row, TreeModel

ENTRY_COLUMNS = (
    Column(_("Name")),
    Column(_("Size"), 10, right=True),
    Column(_("Modified"), 12),
    Column(_("Owner"), 14, from_width=100),
)
_TYPE_SIGNS = {"directory": "▸", "symlink": "→", "fifo": "|", "socket": "=", "char_device": "%", "block_device": "#"}


def entry_cells(entry: EntryView, name: Content, formats: Formats) -> list[Cell]:
    """The cells of `ENTRY_COLUMNS`."""
    shown_size = size(entry.size) if entry.type == "file" else ""
    owner = f"{entry.owner}:{entry.group}"
    return [name, shown_size, Content.styled(formats.time(entry.mtime), DIM), Content.styled(owner, DIM)]


def mark_content(mark: str) -> Content:
    return Content.styled(mark, {"[x]": "bold $text-success", "[+]": GOOD}.get(mark, DIM))


class SnapshotTree(RowTable[Row]):
    BINDINGS = bindings("tree")

    class PageWanted(Message):
        """Entries of a folder behind `after` are needed."""

        def __init__(self, path: str, after: str) -> None:
            super().__init__()
            self.path = path
            self.after = after

    class SelectionChanged(Message):
        pass

    def __init__(self, formats: Formats, *, widget_id: str) -> None:
        super().__init__(ENTRY_COLUMNS, key=lambda row: row.key, cells=self._row_cells, id=widget_id)
        self._formats = formats
        self._wanted: set[tuple[str, str]] = set()
        self.model = TreeModel()

    # --- content -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Show another snapshot: nothing read, nothing selected."""
        self.model = TreeModel()
        self._wanted.clear()
        self._show_rows()
        self._want(ROOT)
        self.post_message(self.SelectionChanged())

    def put_page(self, path: str, after: str, page: EntryPage) -> None:
        if (path, after) in self._wanted:
            self._wanted.discard((path, after))
            self.model.put_page(path, page)
            self._show_rows()

    def put_problem(self, path: str, after: str, problem: str) -> None:
        self._wanted.discard((path, after))
        self.model.put_problem(path, problem)
        self._show_rows()

    def _show_rows(self) -> None:
        self.show(self.model.rows())
        self.call_after_refresh(self._want_what_is_seen)

    def _want(self, path: str) -> None:
        folder = self.model.folders[path]
        wanted = (path, folder.next_after)
        if wanted not in self._wanted and (not folder.read or folder.next_after):
            folder.problem = ""
            self._wanted.add(wanted)
            self.post_message(self.PageWanted(*wanted))

    def _want_what_is_seen(self) -> None:
        """Read on where the end of what was read is in sight."""
        top = self.scroll_offset.y
        for row in self._rows_between(top, top + self.size.height):
            if row.entry is None and not self.model.folders[row.folder].problem:
                self._want(row.folder)

    def _rows_between(self, start: int, end: int) -> Sequence[Row]:
        keys = self.keys[max(0, start) : end]
        return [row for row in map(self.item, keys) if row is not None]

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        self._want_what_is_seen()

    # --- cells -------------------------------------------------------------------------------------------------------

    def _row_cells(self, row: Row) -> list[Cell]:
        indent = "  " * row.depth
        if row.entry is None:
            return [Content.assemble(indent, self._rest_text(row.folder)), "", "", ""]
        entry = row.entry
        sign = _TYPE_SIGNS.get(entry.type, " ")
        if row.is_folder and entry.path in self.model.opened:
            sign = "▾"
        target = Content.styled(f" → {entry.target}", DIM) if entry.target else Content("")
        name = Content.assemble(
            mark_content(self.model.mark(entry.path)),
            f" {indent}{sign} ",
            (entry.name, STRONG if row.is_folder else ""),
            target,
        )
        return entry_cells(entry, name, self._formats)

    def _rest_text(self, path: str) -> Content:
        folder = self.model.folders[path]
        if folder.problem:
            return Content.styled(f"    ✗ {folder.problem} " + _("Enter tries again."), BAD)
        rest = folder.total - len(folder.entries)
        text = _("    … {count} more").format(count=number(rest)) if folder.read else _("    … reading")
        return Content.styled(text, DIM)

    # --- keys --------------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        row = self.cursor_item
        if row is None:
            return
        if row.entry is None:
            self._want(row.folder)
        elif not row.is_folder:
            self.action_select()
        elif row.key in self.model.opened:
            self.action_close_folder()
        else:
            self.action_open_folder()

    def action_open_folder(self) -> None:
        row = self.cursor_item
        if row is not None and row.is_folder:
            if self.model.open(row.key):
                self._want(row.key)
            self.repaint([row.key])
            self._show_rows()

    def action_close_folder(self) -> None:
        row = self.cursor_item
        if row is None:
            return
        path = row.key if row.is_folder and row.key in self.model.opened else row.folder
        if path != ROOT:
            self.model.close(path)
            self.put_cursor(path)
            self.repaint([path])
            self._show_rows()

    def action_select(self) -> None:
        row = self.cursor_item
        if row is None or row.entry is None:
            return
        above = self.model.toggle(row.key)
        if above:
            self.notify(_("It comes with {path}. Deselect that first.").format(path=above), markup=False)
            return
        self.repaint_marks()
        self.post_message(self.SelectionChanged())

    def repaint_marks(self) -> None:
        """A selection shows on what is above and below it as well."""
        self.repaint_all()

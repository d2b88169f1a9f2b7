"""A snapshot's folders as rows: what is open, what of it has been read, what is selected. No widget, no I/O."""

from typing import NamedTuple

from phoenix_core.domain.views import EntryPage, EntryView

ROOT = "/"


class Row(NamedTuple):
    """An entry; or, with `entry` None, the place where the rest of a folder comes once it is read."""

    key: str
    depth: int
    folder: str
    """Path of the folder that it is in."""
    entry: EntryView | None = None

    @property
    def is_folder(self) -> bool:
        return self.entry is not None and self.entry.type == "directory"


class Folder:
    def __init__(self) -> None:
        self.entries: list[EntryView] = []
        self.next_after = ""
        self.total = 0
        self.read = False
        self.problem = ""


class TreeModel:
    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {ROOT: Folder()}
        self.opened: set[str] = {ROOT}
        self.selected: set[str] = set()

    # --- reading -----------------------------------------------------------------------------------------------------

    def put_page(self, path: str, page: EntryPage) -> None:
        folder = self.folders.setdefault(path, Folder())
        folder.entries.extend(page.entries)
        folder.next_after, folder.total, folder.read, folder.problem = page.next_after, page.total, True, ""

    def put_problem(self, path: str, problem: str) -> None:
        self.folders.setdefault(path, Folder()).problem = problem

    # --- open and closed ---------------------------------------------------------------------------------------------

    def open(self, path: str) -> bool:
        """Open a folder. True where a page of it must be read first."""
        self.opened.add(path)
        return not self.folders.setdefault(path, Folder()).read

    def close(self, path: str) -> None:
        self.opened.discard(path)

    def rows(self) -> list[Row]:
        found: list[Row] = []
        self._add_rows(ROOT, 0, found)
        return found

    def _add_rows(self, path: str, depth: int, found: list[Row]) -> None:
        folder = self.folders[path]
        for entry in folder.entries:
            found.append(Row(entry.path, depth, path, entry))
            if entry.type == "directory" and entry.path in self.opened and entry.path in self.folders:
                self._add_rows(entry.path, depth + 1, found)
        if not folder.read or folder.next_after or folder.problem:
            found.append(Row(f"{path}\0more", depth, path))

    # --- selected ----------------------------------------------------------------------------------------------------

    def toggle(self, path: str) -> str:
        """Select or deselect. Returns the selected folder that the path comes with, where that decides; else ''."""
        above = self.comes_with(path)
        if above:
            return above
        if path in self.selected:
            self.selected.discard(path)
            return ""
        inside = _below(path)
        self.selected = {each for each in self.selected if not each.startswith(inside)} | {path}
        return ""

    def comes_with(self, path: str) -> str:
        """The selected folder above this path, or ''."""
        at = path
        while at != ROOT:
            at = at.rpartition("/")[0] or ROOT
            if at in self.selected:
                return at
        return ""

    def mark(self, path: str) -> str:
        """`[x]` selected, `[+]` in a selected folder, `[-]` something below is selected, `[ ]` not."""
        if path in self.selected:
            return "[x]"
        if self.comes_with(path):
            return "[+]"
        inside = _below(path)
        return "[-]" if any(each.startswith(inside) for each in self.selected) else "[ ]"


def _below(path: str) -> str:
    return path.rstrip("/") + "/"

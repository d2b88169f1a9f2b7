"""Find a file in all snapshots by its name, see its versions, and go straight to restoring one."""

from contextlib import aclosing
from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.reading import FileVersion, SearchLine, SearchProgress
from phoenix_tui.actions import SEARCH, bindings
from phoenix_tui.background import in_background
from phoenix_tui.formats import NOTHING, number, short_id, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import OpenRestore
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.tones import BAD, DIM, STRONG, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.focus import focus_now
from phoenix_tui.widgets.row_table import Cell, RowTable

VERSIONS_MAX = 1000
PAINT_EACH = 20
"""So many versions come between two times that the table is shown anew."""


class FindScreen(ConsoleScreen):
    BINDINGS = bindings("find")
    place = "find"
    top = "snapshots"
    is_form = True
    stays = True
    AUTO_FOCUS = "#pattern"

    def compose_body(self) -> ComposeResult:
        yield Input(
            placeholder=_("Part of a name, or a pattern such as *.conf or /etc/*/hosts; then Enter"),
            id="pattern",
            compact=True,
        )
        yield Static(id="found-line")
        yield RowTable[FileVersion](
            (
                Column(_("Name and folder")),
                Column(_("Server"), 12, from_width=70),
                Column(_("Size"), 10, right=True),
                Column(_("Modified"), 12),
                Column(_("Last in"), 12, from_width=100),
                Column(_("Snapshots"), 11, right=True),
            ),
            key=_key,
            cells=self._cells,
        )

    def on_mount(self) -> None:
        super().on_mount()
        self._found: list[FileVersion] = []
        self._tell(_("All snapshots of all servers are searched; each version of a file is shown once."))

    # --- searching ---------------------------------------------------------------------------------------------------

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        pattern = event.value.strip()
        if not pattern:
            return
        self._found = []
        self._show()
        self._tell(_("Searching …"))
        focus_now(self.query_one(RowTable))
        in_background(self, partial(self._search, pattern), "find versions")

    async def _search(self, pattern: str) -> None:
        try:
            async with aclosing(self.client.find_versions(pattern, limit=VERSIONS_MAX)) as lines:
                async for line in lines:
                    if not self.is_running:
                        return
                    self._take(pattern, line)
        except PhoenixError as error:
            if self.is_running:
                self._show()
                self._tell(error.message, BAD)

    def _take(self, pattern: str, line: SearchLine) -> None:
        if line.version is not None:
            self._found.append(line.version)
            if len(self._found) % PAINT_EACH == 1:
                self._show()
        elif line.end is not None:
            self._show()
            self._tell_end(pattern, line.end, truncated=line.truncated)
        elif line.progress is not None:
            self._show()
            self._tell(
                _("Searching … {count} entries, {path}").format(
                    count=number(line.progress.entries), path=line.progress.current
                )
            )

    def _tell_end(self, pattern: str, end: SearchProgress, *, truncated: bool) -> None:
        count = len(self._found)
        fits = ngettext("{count} version fits {pattern}", "{count} versions fit {pattern}", count)
        parts: list[str | Content | tuple[str, str]] = [
            (fits.format(count=number(count) + ("+" if truncated else ""), pattern=pattern), STRONG)
        ]
        if count:
            parts.append((_("   Enter restores the chosen one, / searches again"), DIM))
        else:
            focus_now(self.query_one("#pattern"))
        if end.unreadable:
            told = ngettext("{count} folder can't be read", "{count} folders can't be read", end.unreadable)
            parts.append(("   " + told.format(count=number(end.unreadable)) + _("; verify the vault."), WARN))
        if end.lost:
            told = ngettext(
                "{count} snapshot is lost and not searched", "{count} snapshots are lost and not searched", end.lost
            )
            parts.append(("   " + told.format(count=number(end.lost)) + ".", WARN))
        self._say(Content.assemble(*parts))

    def _tell(self, text: str, tone: str = DIM) -> None:
        self._say(Content.styled(text, tone))

    def _say(self, text: Content) -> None:
        self.query_one("#found-line", Static).update(text)

    def _show(self) -> None:
        self.query_one(RowTable).show(self._found)
        self.refresh_offer()

    def _cells(self, version: FileVersion) -> list[Cell]:
        folder, _slash, name = version.path.rpartition("/")
        old = " " + _("(old)") if version.gone else ""
        return [
            Content.assemble((name, STRONG), (f"  {folder or '/'}", DIM)),
            version.server_name,
            size(version.size) if version.type == "file" else NOTHING,
            self.formats.time(version.mtime),
            Content.styled(f"{short_id(version.newest)}", DIM),
            f"{number(version.snapshots)}{old}",
        ]

    # --- intentions --------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == SEARCH:
            return self.may_search
        if action == "restore":
            return self.is_whole and self.query_one(RowTable).cursor_item is not None
        return super().check_action(action, parameters)

    def on_row_table_opened(self) -> None:
        self.action_restore()

    def action_restore(self) -> None:
        version = self.query_one(RowTable).cursor_item
        if isinstance(version, FileVersion):
            self.post_message(OpenRestore(version.server_id, version.newest, version.path))

    def action_search(self) -> None:
        focus_now(self.query_one("#pattern"))


def _key(version: FileVersion) -> str:
    return f"{version.server_id}\0{version.path}\0{version.newest}\0{version.mtime.timestamp()}\0{version.size}"

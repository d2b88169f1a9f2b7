"""The line on top: the main screens with their keys, whether the core is there, and the time in its zone."""

from textual.content import Content
from textual.widgets import Static

from phoenix_tui.formats import Formats
from phoenix_tui.i18n import _
from phoenix_tui.model import Connection, CoreModel
from phoenix_tui.tones import BAD, DIM, GOOD, LIVE, WARN

MAIN_SCREENS: tuple[tuple[str, str], ...] = (
    ("dashboard", _("Dashboard")),
    ("servers", _("Servers")),
    ("jobs", _("Jobs")),
    ("snapshots", _("Snapshots")),
    ("vault", _("Vault")),
    ("settings", _("Settings")),
)
WIDE = 104


class TopBar(Static):
    def __init__(self, model: CoreModel, formats: Formats, place: str) -> None:
        super().__init__(id="top-bar")
        self._model = model
        self._formats = formats
        self._place = place

    def on_mount(self) -> None:
        self.update_line()

    def on_resize(self) -> None:
        self.update_line()

    def update_line(self) -> None:
        wide = self.size.width >= WIDE
        left = self._left(wide)
        right = self._right(wide)
        space = max(1, self.size.width - left.cell_length - right.cell_length)
        self.update(Content.assemble(left, " " * space, right))

    def _left(self, wide: bool) -> Content:
        parts: list[Content | str | tuple[str, str]] = [(_(" Phoenix "), LIVE), " "] if wide else []
        for number, (name, title) in enumerate(MAIN_SCREENS, 1):
            here = name == self._place
            text = Content.assemble((f" {number} ", "bold $accent" if not here else ""), f"{title} ")
            if here:
                text = text.stylize("bold reverse")
            parts.append(text.stylize(f"@click=app.go('{name}')") if not here else text)
        return Content.assemble(*parts)

    def _right(self, wide: bool) -> Content:
        sign, word, tone = {
            Connection.CONNECTING: ("…", _("connecting"), WARN),
            Connection.CONNECTED: ("●", _("connected"), GOOD),
            Connection.DISCONNECTED: ("✗", _("no core"), BAD),
        }[self._model.connection]
        connected = self._model.connection is Connection.CONNECTED
        state = f"{sign} {word}" if wide or not connected else sign
        time = self._formats.clock() if wide or connected else ""
        return Content.assemble((state, tone), " ", (time, DIM), " " if time else "")

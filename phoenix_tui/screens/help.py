"""Help: what the words mean and every key, read off the table of actions."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content

from phoenix_tui.actions import PLACES, Action, actions_of, bindings
from phoenix_tui.context import Context
from phoenix_tui.i18n import _
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.tones import DIM, STRONG
from phoenix_tui.widgets.face import Face
from phoenix_tui.widgets.log_view import LogView

_WORDS = (
    (_("server"), _("a machine that an agent of Phoenix protects")),
    (_("snapshot"), _("one consistent, complete, restorable state of what was backed up")),
    (_("job"), _("one run of a backup, a restore or work on the vault; it has numbered steps")),
    (_("missing"), _("a file that could not be read; the next backup tries it again")),
    (_("vault"), _("where all data lies: deduplicated, compressed, encrypted")),
    (_("proved"), _("every pack of the backup has been read back, decrypted and re-hashed")),
)


class HelpScreen(ConsoleScreen):
    BINDINGS = bindings("help")
    place = "help"
    AUTO_FOCUS = "LogView"

    def __init__(self, context: Context, asked_from: str) -> None:
        super().__init__(context)
        self._asked_from = asked_from

    def compose_body(self) -> ComposeResult:
        yield LogView(follow=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(LogView).replace(self._lines())

    def _connection_face(self) -> Face | None:
        return None

    def _lines(self) -> list[Content]:
        others = [place for place in PLACES if place not in {self._asked_from, "app", self.place}]
        lines: list[Content] = []
        for place in (self._asked_from, "app", *others):
            if place in PLACES:
                lines += [*self._of_place(place), Content("")]
        lines += [Content.styled(_("Words"), STRONG), *(_line(*word) for word in _WORDS), Content("")]
        return [
            *lines,
            Content(_("Keys and theme can be set in console.toml of the data directory; docs/console.md says how.")),
        ]

    def _of_place(self, place: str) -> list[Content]:
        here = _(" (where you come from)") if place == self._asked_from else ""
        lines = [Content.assemble((PLACES[place], STRONG), (here, DIM))]
        lines += [_line(self._keys(action), action.description) for action in actions_of(place)]
        if place == "app":
            lines.append(_line("^p", _("The palette: find anything that can be done by typing")))
            lines.append(_line("tab", _("To the next part of the screen; shift+tab: to the one before")))
        return lines

    def _keys(self, action: Action) -> str:
        return " ".join(self.app.get_key_display(Binding(key, action.handler)) for key in action.key.split(","))


def _line(key: str, text: str) -> Content:
    return Content.assemble((f"  {key:<20}", "bold $text-accent"), text)

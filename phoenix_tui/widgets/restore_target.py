"""Third step of a restore: where to, and what to do with what is there already."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.message import Message
from textual.widgets import Button, Input, Label, RadioButton, RadioSet, Select, Static

from phoenix_core.domain.states import ConflictRule
from phoenix_core.domain.views import ServerView
from phoenix_tui.i18n import _
from phoenix_tui.widgets.controls import PushButton, RadioMark
from phoenix_tui.widgets.focus import focus_now

ORIGINAL, FOLDER, SERVER = "place-original", "place-folder", "place-server"
AS_SET = "as-set"
CONFLICT = "restore.conflict"
"""The setting that holds the rule where none is chosen."""
_RULES = (
    (_("overwrite it"), ConflictRule.OVERWRITE),
    (_("leave it, restore the rest"), ConflictRule.SKIP),
    (_("keep both, the restored one under another name"), ConflictRule.KEEP_BOTH),
    (_("overwrite it only if it is older"), ConflictRule.IF_OLDER),
)


class RestoreTarget(VerticalScroll):
    class Ready(Message):
        """The operator wants to go on."""

    def __init__(self) -> None:
        super().__init__(id="target", can_focus=False)
        self._source_id = ""
        self._in_use = True
        self._has_others = False

    def compose(self) -> ComposeResult:
        yield Label(_("Where to?"), classes="form-title")
        with RadioSet(id="place", compact=True):
            yield RadioMark(_("To the original place"), value=True, id=ORIGINAL)
            yield RadioMark(_("To another folder on the same server"), id=FOLDER)
            yield RadioMark(_("To another server"), id=SERVER)
        with Horizontal(classes="form-row", id="server-row"):
            yield Label(_("Server"), classes="form-name")
            yield Select[str]([], id="to-server", compact=True, prompt=_("Choose one"))
        with Horizontal(classes="form-row", id="folder-row"):
            yield Label(_("Folder"), classes="form-name")
            yield Input(
                placeholder=_("Such as /srv/restored; it is made if it isn't there"),
                id="folder",
                compact=True,
                select_on_focus=False,
            )
        with Horizontal(classes="form-row"):
            yield Label(_("If it exists"), classes="form-name")
            yield Select[str](_offered_rules(""), value=AS_SET, id="rule", compact=True, allow_blank=False)
        yield Static(id="wrong", markup=False)
        with Horizontal(classes="form-buttons"):
            yield PushButton(_("Check it"), id="ready", variant="primary")

    def on_mount(self) -> None:
        self._show_fields()

    def begin(self, source_id: str, servers: Sequence[ServerView], as_set: str) -> None:
        """`source_id`: the server whose data it is. If it isn't in use, or the core doesn't know it, the data can go
        to another one only. `as_set`: the rule that the setting holds."""
        rules = self.query_one("#rule", Select)
        chosen = rules.value
        rules.set_options(_offered_rules(as_set))
        for value in (ConflictRule.OVERWRITE, AS_SET, chosen):
            rules.value = value  # what is shown of it is drawn anew only where it changes
        others = [
            (Content(server.name), server.id) for server in servers if server.id != source_id and not server.revoked
        ]
        if self._source_id != source_id:
            self.query_one("#to-server", Select).set_options(others)
        self._source_id = source_id
        self._in_use = any(server.id == source_id and not server.revoked for server in servers)
        self._has_others = bool(others)
        self.query_one(f"#{SERVER}", RadioButton).disabled = not others
        for place in (ORIGINAL, FOLDER):
            self.query_one(f"#{place}", RadioButton).disabled = not self._in_use
        if not self._in_use and others:
            self.query_one(f"#{SERVER}", RadioButton).value = True

    @property
    def place(self) -> str:
        pressed = self.query_one("#place", RadioSet).pressed_button
        return pressed.id or ORIGINAL if pressed is not None else ORIGINAL

    @property
    def to_server(self) -> str:
        """Id of the other server; empty: the same."""
        value = self.query_one("#to-server", Select).value
        return str(value) if self.place == SERVER and value is not Select.NULL else ""

    @property
    def folder(self) -> str:
        """Empty: the original place."""
        return "" if self.place == ORIGINAL else self.query_one("#folder", Input).value.strip()

    @property
    def rule(self) -> ConflictRule | None:
        value = str(self.query_one("#rule", Select).value)
        return None if value == AS_SET else ConflictRule(value)

    def what_is_wrong(self) -> str:
        if not self._in_use and not self._has_others:
            return _("The server isn't in use any more, and there is no other one to restore to: enrol one first.")
        if self.place == SERVER and not self.to_server:
            return _("Choose the server to restore to.")
        if self.place != ORIGINAL and not self.folder.startswith("/"):
            return _("Name a folder that begins with /.")
        return ""

    def complain(self) -> bool:
        """Show what is wrong, if something is; True where so."""
        wrong = self.what_is_wrong()
        self.query_one("#wrong", Static).update(f"! {wrong}" if wrong else "")
        if wrong:
            focus_now(self.query_one("#to-server" if self.place == SERVER and not self.to_server else "#folder"))
        return bool(wrong)

    def focus_content(self) -> None:
        focus_now(self.query_one("#place"))

    def _show_fields(self) -> None:
        self.query_one("#server-row").display = self.place == SERVER
        self.query_one("#folder-row").display = self.place != ORIGINAL

    def on_radio_set_changed(self) -> None:
        self._show_fields()
        self.query_one("#wrong", Static).update("")

    def on_key(self, event: Key) -> None:
        """A slash begins the folder, wherever in this step it is typed."""
        field = self.query_one("#folder", Input)
        if event.character == "/" and self.place != ORIGINAL and not field.has_focus:
            event.stop()
            focus_now(field)
            field.insert_text_at_cursor("/")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Ready())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Ready())


def _offered_rules(as_set: str) -> list[tuple[str, str]]:
    """Texts and values, the setting's first."""
    says = _("as the setting {key} says").format(key=CONFLICT)
    if as_set:
        says += f": {as_set.replace('_', ' ')}"
    return [(says, AS_SET), *((text, str(rule)) for text, rule in _RULES)]

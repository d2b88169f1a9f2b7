"""How a configuration file differs from what is in force, to be applied or left."""

from collections.abc import Iterable, Iterator

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.policies import ConfigChange
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.config_file import shown
from phoenix_tui.dialogs.config_files import Loaded
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.tones import BAD, DIM, GOOD, PLAIN, WARN
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.log_view import LogView

_SIGNS = {"added": ("+", _("added"), GOOD), "changed": ("~", _("changed"), WARN), "removed": ("-", _("removed"), BAD)}


class ConfigChanges(ModalScreen[int | None]):
    """How many changes the core made; None: nothing was applied."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#no"

    def __init__(self, client: CoreClient, loaded: Loaded) -> None:
        super().__init__()
        self._client = client
        self._loaded = loaded

    def compose(self) -> ComposeResult:
        count = len(self._loaded.changes)
        text = _("Applied, this holds and nothing else: what the file doesn't name is removed. Tab goes to the list.")
        if not count:
            text = _("No difference: the file says what is in force.")
        with Vertical(classes="dialog wide config-changes" if count else "dialog wide"):
            title = _("{file} beside what is in force").format(file=shown(self._loaded.file))
            yield Static(title, classes="dialog-title", markup=False)
            if count:
                yield LogView(follow=False)
            yield Static(text, classes="dialog-text", markup=False)
            yield Static(id="wrong", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel") if count else _("Close"), id="no")
                if count:
                    yes = ngettext("Apply {count} change", "Apply {count} changes", count).format(count=count)
                    yield PushButton(yes, id="yes", variant="error")

    def on_mount(self) -> None:
        for view in self.query(LogView):
            view.replace(change_lines(self._loaded.changes))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            in_background(self, self._applied, "apply a configuration")
        else:
            self.dismiss(None)

    def action_refuse(self) -> None:
        self.dismiss(None)

    async def _applied(self) -> None:
        try:
            changes = await self._client.apply_config(self._loaded.wanted)
        except PhoenixError as error:
            if self.is_running:
                self.query_one("#wrong", Static).update(Content.styled(f"{error} {error.what_to_do}".strip(), BAD))
            return
        if self.is_running:
            self.dismiss(len(changes))


def change_lines(changes: Iterable[ConfigChange]) -> Iterator[Content]:
    for change in changes:
        sign, word, tone = _SIGNS.get(change.change, ("?", change.change, PLAIN))
        yield Content.assemble((f"{sign} {change.what} {change.name}", tone), (f"  {word}", DIM))
        for field, before, after in change.fields:
            if change.change == "added":
                yield Content(f"    {field}: {after}")
            else:
                yield Content.assemble((f"  - {field}: ", DIM), before)
                yield Content.assemble((f"  + {field}: ", DIM), after)

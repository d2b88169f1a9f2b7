"""All policies, rules, groups and notifications as one file: saved, compared with what is in force, applied."""

from pathlib import Path

from phoenix_core.domain.notifications import ChannelView
from phoenix_tui.config_file import FIRST_NAME, shown
from phoenix_tui.dialogs.config_changes import ConfigChanges
from phoenix_tui.dialogs.config_files import LoadConfig, Loaded, SaveConfig
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.screens.reading import ReadingScreen


class ConfigIntentions(ReadingScreen):
    _config_file = FIRST_NAME
    """The one that was named last."""

    def action_save_config(self) -> None:
        self.app.push_screen(SaveConfig(self.client, self._config_file), self._saved)

    def _saved(self, file: Path | None) -> None:
        if file is not None:
            self._config_file = shown(file)
            self.notify(_("Wrote {file}.").format(file=self._config_file), markup=False)

    def action_load_config(self) -> None:
        self.app.push_screen(LoadConfig(self.client, self._config_file), self._loaded)

    def _loaded(self, loaded: Loaded | None) -> None:
        if loaded is not None:
            self._config_file = shown(loaded.file)
            self.app.push_screen(ConfigChanges(self.client, loaded), self._applied)

    def _applied(self, changes: int | None) -> None:
        if changes is None:
            return
        text = ngettext("Applied {count} change.", "Applied {count} changes.", changes)
        self.notify(text.format(count=changes), markup=False)
        self.attempt(self.client.channels(), "read the channels", self._tell_of_secrets)

    def _tell_of_secrets(self, views: list[ChannelView]) -> None:
        """A file holds none: a channel that is new in it may lack its own."""
        lacking = [view.channel.name for view in views if view.channel.needs_secret and not view.secret_held_by]
        if lacking:
            text = _("No password or secret yet: channel {names}. 9, then e, gives it one.")
            self.notify(text.format(names=", ".join(lacking)), severity="warning", markup=False)

"""The console as an app: wires the live core to the screens, does what can be done everywhere, leaves."""

import asyncio
import signal
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding

from phoenix_core.client import CoreClient
from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.datadir import DataDirectory
from phoenix_tui import preferences, themes
from phoenix_tui.actions import bindings
from phoenix_tui.client import REPAINT_INTERVAL_S, LiveCore
from phoenix_tui.context import Context
from phoenix_tui.dialogs.leave import LeaveDialog, Leaving
from phoenix_tui.first_steps import Command, bare_command
from phoenix_tui.formats import Formats
from phoenix_tui.i18n import _
from phoenix_tui.messages import CoreChanged
from phoenix_tui.moving import MovingApp
from phoenix_tui.palette import ActionCommands, ElsewhereCommands, ServerCommands, ThemeCommands
from phoenix_tui.screens.alerts import AlertsScreen
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.screens.dashboard import DashboardScreen
from phoenix_tui.screens.help import HelpScreen
from phoenix_tui.screens.jobs import JobsScreen
from phoenix_tui.screens.notifications import NotificationsScreen
from phoenix_tui.screens.policies import PoliciesScreen
from phoenix_tui.screens.servers import ServersScreen
from phoenix_tui.screens.settings import SettingsScreen
from phoenix_tui.screens.snapshots import SnapshotsScreen
from phoenix_tui.screens.vault import VaultScreen
from phoenix_tui.toast import toast_error


class ConsoleFailed(PhoenixError):
    code = "console_failed"
    template = "The console ended by an error of its own, which stands above."
    hint = "Open it again: jobs of a core that ran inside it have stopped, and can be tried again."


class Console(MovingApp):
    TITLE = "Phoenix"
    CSS_PATH: ClassVar = [Path("styles/console.tcss"), *sorted((Path(__file__).parent / "screens").glob("*.tcss"))]
    BINDINGS = [  # noqa: RUF012
        *bindings("app"),
        Binding("ctrl+q", "quit", _("Leave"), show=False, priority=True, system=True),
    ]
    COMMANDS: ClassVar = {ActionCommands, ElsewhereCommands, ServerCommands, ThemeCommands}

    def __init__(
        self,
        data_dir: Path,
        *,
        embedded: bool = False,
        socket_path: Path | None = None,
        clock: Clock | None = None,
        zone: tzinfo | None = None,
        command: Command = bare_command,
        repaint_interval_s: float = REPAINT_INTERVAL_S,
    ) -> None:
        super().__init__()
        data = DataDirectory(data_dir)
        self._data_dir = data.root
        self._embedded = embedded
        self._client = CoreClient(socket_path or data.core_socket)
        clock = clock or SystemClock()
        self.live = LiveCore(self._client, self._deliver, clock.now, repaint_interval_s=repaint_interval_s)
        self.context = Context(self.live, Formats(clock, zone), command)
        for theme in themes.ALL:
            self.register_theme(theme)
        self._own, self._own_problem = self._preferences()
        self.theme = preferences.theme_of(self._own, no_color=self.no_color)

    # --- start and end -----------------------------------------------------------------------------------------------

    async def on_mount(self) -> None:
        self.set_keymap(self._own.keys)
        for name, screen in self._main_screens().items():
            self.install_screen(screen, name)
        await self.push_screen("dashboard")
        if self._own_problem is not None:
            toast_error(self, self._own_problem)
        self.run_worker(self.live.run(), name="live core", exit_on_error=True)
        self._heed_signals()

    def _main_screens(self) -> dict[str, ConsoleScreen]:
        return {
            "dashboard": DashboardScreen(self.context),
            "servers": ServersScreen(self.context),
            "jobs": JobsScreen(self.context),
            "snapshots": SnapshotsScreen(self.context),
            "vault": VaultScreen(self.context),
            "settings": SettingsScreen(self.context),
            "policies": PoliciesScreen(self.context),
            "alerts": AlertsScreen(self.context),
            "notifications": NotificationsScreen(self.context),
        }

    def _preferences(self) -> tuple[preferences.Preferences, PhoenixError | None]:
        try:
            return preferences.load(self._data_dir), None
        except preferences.PreferencesUnreadable as error:
            return preferences.Preferences(), error

    async def on_unmount(self) -> None:
        await self._client.close()

    def _heed_signals(self) -> None:
        """A hang-up of the terminal leaves and keeps the core; a termination leaves and stops it."""
        loop = asyncio.get_running_loop()
        for number, leaving in ((signal.SIGHUP, Leaving.KEEP), (signal.SIGTERM, Leaving.STOP)):
            try:
                loop.add_signal_handler(number, self._leave_by_signal, leaving)
            except (ValueError, RuntimeError):
                return  # Not the main thread: signals belong to whoever runs us.

    def _leave_by_signal(self, leaving: Leaving) -> None:
        if self.is_running:
            self.exit(leaving)

    def _deliver(self, changed: CoreChanged) -> None:
        for screen in self.screen_stack:
            screen.post_message(CoreChanged(changed.topics, changed.log))

    # --- actions for everywhere --------------------------------------------------------------------------------------

    async def action_open_help(self) -> None:
        asked_from = getattr(self.screen, "place", "")
        if asked_from != HelpScreen.place:
            await self.push_screen(HelpScreen(self.context, asked_from))

    def action_next_theme(self) -> None:
        names: Sequence[str] = list(themes.THEMES)
        self.action_choose_theme(names[(names.index(self.theme) + 1) % len(names)])

    def action_choose_theme(self, name: str) -> None:
        """Take the theme, now and at the next start."""
        self.theme = name
        try:
            preferences.save_theme(self._data_dir, name)
        except preferences.PreferencesUnreadable as error:
            toast_error(self, error)

    def action_reconnect(self) -> None:
        self.live.retry_now()
        self.live.refresh_soon()

    def action_leave(self) -> None:
        if not self._embedded:
            self.exit(Leaving.KEEP)
            return
        active = len(self.live.model.active_jobs())
        if not active:
            self.exit(Leaving.STOP)
            return

        def answered(leaving: Leaving | None) -> None:
            if leaving is not None:
                self.exit(leaving)

        self.push_screen(LeaveDialog(active), answered)

    async def action_quit(self) -> None:
        self.action_leave()


async def run_async(data_dir: Path, *, embedded: bool = False, command: Command = bare_command) -> str:
    """Run the console until it is left. `embedded`: the core runs in this process. `command`: how words are typed here
    as a command.

    Returns what is to become of the core: `stop` or `keep`. Raises ConsoleFailed where an error ended the console."""
    leaving = await Console(data_dir, embedded=embedded, command=command).run_async()
    if leaving is None:
        raise ConsoleFailed
    return leaving


def run_blocking(data_dir: Path, *, embedded: bool = False) -> str:
    """As `run_async`, from outside an event loop."""
    return asyncio.run(run_async(data_dir, embedded=embedded))

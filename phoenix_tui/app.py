"""The console as an app: wires the live core to the screens, moves between them, leaves."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding
from textual.screen import ModalScreen, Screen

from phoenix_core.client import CoreClient
from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.datadir import DataDirectory
from phoenix_tui import preferences, themes
from phoenix_tui.actions import bindings
from phoenix_tui.client import REPAINT_INTERVAL_S, LiveCore
from phoenix_tui.context import Context
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.leave import LeaveDialog, Leaving
from phoenix_tui.first_steps import Command, bare_command
from phoenix_tui.formats import Formats
from phoenix_tui.i18n import _
from phoenix_tui.messages import (
    CoreChanged,
    Go,
    OpenBackup,
    OpenDiff,
    OpenJob,
    OpenJobs,
    OpenRestore,
    OpenSnapshots,
)
from phoenix_tui.palette import ActionCommands, ThemeCommands
from phoenix_tui.screens.backup import BackupScreen
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.screens.dashboard import DashboardScreen
from phoenix_tui.screens.diff import DiffScreen
from phoenix_tui.screens.help import HelpScreen
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.screens.jobs import JobsScreen
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.screens.servers import ServersScreen
from phoenix_tui.screens.settings import SettingsScreen
from phoenix_tui.screens.snapshots import SnapshotsScreen
from phoenix_tui.screens.vault import VaultScreen
from phoenix_tui.toast import toast_error


class ConsoleFailed(PhoenixError):
    code = "console_failed"
    template = "The console ended by an error of its own, which stands above."
    hint = "Open it again: jobs of a core that ran inside it have stopped, and can be tried again."


_BASE = 2
"""Screens below what the operator opened: Textual's own, and a main screen."""
_NOT_IN_FORMS = {"go", "backup", "restore", "open_help", "leave"}
"""Actions on single letters."""


class Console(App[Leaving]):
    TITLE = "Phoenix"
    CSS_PATH: ClassVar = [Path("styles/console.tcss"), *sorted((Path(__file__).parent / "screens").glob("*.tcss"))]
    BINDINGS = [  # noqa: RUF012
        *bindings("app"),
        Binding("ctrl+q", "quit", _("Leave"), show=False, priority=True, system=True),
    ]
    COMMANDS: ClassVar = {ActionCommands, ThemeCommands}

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
        self.live = LiveCore(self._client, self._deliver, repaint_interval_s=repaint_interval_s)
        self.context = Context(self.live, Formats(clock or SystemClock(), zone), command)
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

    # --- moving about ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is typed beside a field of a form must not take the form away."""
        if action in _NOT_IN_FORMS and any(getattr(each, "is_form", False) for each in self.screen_stack[-1:]):
            return False
        return super().check_action(action, parameters)

    async def action_go(self, name: str) -> None:
        await self._leave_for(partial(self._go, name))

    async def _go(self, name: str) -> None:
        await self._to_base()
        await self.switch_screen(name)

    async def action_back(self) -> None:
        if len(self.screen_stack) > _BASE:
            await self._leave_for(self._back)

    async def _back(self) -> None:
        await self.pop_screen()

    async def _leave_for(self, going: Callable[[], Awaitable[None]]) -> None:
        """Ask first where the screen in front holds what would be lost."""
        loss = getattr(self.screen, "loss", "")
        if not loss:
            await going()
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.call_later(going)

        await self.push_screen(Confirm(_("Leave this?"), loss, _("Leave it"), keep=_("Stay")), answered)

    async def _to_base(self) -> None:
        while len(self.screen_stack) > _BASE:
            await self.pop_screen()

    async def _open(self, screen: Screen[None]) -> None:
        """Put a screen in front. One of its kind makes room for it, and so do forms, whose work is done."""
        while len(self.screen_stack) > _BASE and (
            isinstance(self.screen, type(screen) | ModalScreen) or getattr(self.screen, "is_form", False)
        ):
            await self.pop_screen()
        await self.push_screen(screen)

    async def on_go(self, message: Go) -> None:
        await self._go(message.screen)

    async def on_open_job(self, message: OpenJob) -> None:
        await self._open(JobScreen(self.context, message.job_id))

    async def on_open_backup(self, message: OpenBackup) -> None:
        await self._open(BackupScreen(self.context, message.server_id))

    async def on_open_restore(self, message: OpenRestore) -> None:
        await self._open(RestoreScreen(self.context, message.server_id, message.snapshot_id))

    async def on_open_diff(self, message: OpenDiff) -> None:
        await self._open(DiffScreen(self.context, message.before, message.after))

    async def on_open_snapshots(self, message: OpenSnapshots) -> None:
        await self._go("snapshots")
        self.get_screen("snapshots", SnapshotsScreen).only_of(message.server_id)

    async def on_open_jobs(self, message: OpenJobs) -> None:
        await self._go("jobs")
        self.get_screen("jobs", JobsScreen).only_of(message.server_id)

    # --- actions for everywhere --------------------------------------------------------------------------------------

    async def action_backup(self) -> None:
        await self._leave_for(lambda: self._open(BackupScreen(self.context)))

    async def action_restore(self) -> None:
        await self._leave_for(lambda: self._open(RestoreScreen(self.context)))

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

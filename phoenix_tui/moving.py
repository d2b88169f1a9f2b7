"""How the console moves between its screens: main screens, what is opened in front of them, and the way back."""

from collections.abc import Awaitable, Callable
from functools import partial

from textual.app import App
from textual.message import Message
from textual.screen import ModalScreen, Screen

from phoenix_tui.context import Context
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.leave import Leaving
from phoenix_tui.dialogs.new_drill import NewDrill
from phoenix_tui.i18n import _
from phoenix_tui.messages import (
    Go,
    OpenBackup,
    OpenCompare,
    OpenDiff,
    OpenDrill,
    OpenJob,
    OpenJobs,
    OpenRestore,
    OpenRetention,
    OpenSnapshots,
)
from phoenix_tui.screens.backup import BackupScreen
from phoenix_tui.screens.compare import CompareScreen
from phoenix_tui.screens.diff import DiffScreen
from phoenix_tui.screens.find import FindScreen
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.screens.jobs import JobsScreen
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.screens.retention import RetentionScreen
from phoenix_tui.screens.snapshots import SnapshotsScreen

_BASE = 2
"""Screens below what the operator opened: Textual's own, and a main screen."""
_NOT_IN_FORMS = {"go", "backup", "restore", "find", "open_help", "leave"}
"""Actions on single letters."""
_OF_SERVER: dict[str, Callable[[str], Message]] = {
    "backup": OpenBackup,
    "restore": OpenRestore,
    "jobs": OpenJobs,
    "snapshots": OpenSnapshots,
    "drill": OpenDrill,
    "retention": OpenRetention,
}


class MovingApp(App[Leaving]):
    context: Context

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
            isinstance(self.screen, type(screen) | ModalScreen)
            or (getattr(self.screen, "is_form", False) and not getattr(self.screen, "stays", False))
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
        await self._open(RestoreScreen(self.context, message.server_id, message.snapshot_id, message.path))

    async def on_open_diff(self, message: OpenDiff) -> None:
        await self._open(DiffScreen(self.context, message.before, message.after))

    async def on_open_compare(self, message: OpenCompare) -> None:
        await self._open(CompareScreen(self.context, message.snapshot))

    async def on_open_retention(self, message: OpenRetention) -> None:
        await self._open(RetentionScreen(self.context, policy=message.policy, server_id=message.server_id))

    async def on_open_drill(self, message: OpenDrill) -> None:
        server = self.context.live.model.servers.get(message.server_id)
        if server is None:
            return
        form = NewDrill(self.context.live.client, server)

        def answered(begun: bool | None) -> None:
            if begun and form.job is not None:
                self.context.live.know_job(form.job)
                self.post_message(OpenJob(form.job.id))

        await self.push_screen(form, answered)

    async def on_open_snapshots(self, message: OpenSnapshots) -> None:
        await self._go("snapshots")
        self.get_screen("snapshots", SnapshotsScreen).only_of(message.server_id)

    async def on_open_jobs(self, message: OpenJobs) -> None:
        await self._go("jobs")
        self.get_screen("jobs", JobsScreen).only_of(message.server_id)

    # --- what can be opened from everywhere ---------------------------------------------------------------------------

    async def action_backup(self) -> None:
        await self._leave_for(lambda: self._open(BackupScreen(self.context)))

    async def action_restore(self) -> None:
        await self._leave_for(lambda: self._open(RestoreScreen(self.context)))

    async def action_find(self) -> None:
        await self._leave_for(lambda: self._open(FindScreen(self.context)))

    async def action_of_server(self, what: str, server_id: str) -> None:
        """What the palette offers for a server by its name."""
        message = _OF_SERVER[what](server_id)

        async def send() -> None:
            self.post_message(message)

        await self._leave_for(send)

    async def action_do_on(self, name: str, action: str = "") -> None:
        """Show a main screen, then do what it offers."""

        async def do() -> None:
            await self._go(name)
            if action:
                await self.run_action(action, self.screen)

        await self._leave_for(do)

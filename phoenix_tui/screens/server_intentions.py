"""What an operator does with a server: back it up, restore it, try that out, upgrade its agent, remove it, bring it
back."""

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.versions import Standing
from phoenix_core.domain.views import ServerView
from phoenix_tui.dialogs.choose import Choice, Choose
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.new_server import NewServer
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import OpenBackup, OpenDrill, OpenJobs, OpenRestore, OpenRetention
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.toast import toast_error
from phoenix_tui.widgets.row_table import RowTable

_IN_USE = {"backup", "remove", "retention"}
_UPGRADABLE = {Standing.BEHIND, Standing.TOO_OLD, Standing.UNKNOWN}
_THIS, _ALL = "this", "all"


class ServerIntentions(SearchableScreen):
    def server_in_hand(self) -> ServerView | None:
        """The server that the operator means."""
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, ServerView) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        server = self.server_in_hand() if self.is_whole else None
        if action in _IN_USE:
            return server is not None and not server.revoked
        if action == "drill":
            return server is not None and server.snapshots > 0
        if action == "upgrade":
            return server is not None and not server.revoked and server.version_standing in _UPGRADABLE
        if action == "undelete":
            return server is not None and server.revoked
        if action in {"restore", "jobs"}:
            return server is not None
        return super().check_action(action, parameters)

    def action_backup(self) -> None:
        server = self.server_in_hand()
        if server is not None:
            self.post_message(OpenBackup(server.id))

    def action_restore(self) -> None:
        server = self.server_in_hand()
        if server is not None:
            self.post_message(OpenRestore(server.id))

    def action_jobs(self) -> None:
        server = self.server_in_hand()
        if server is not None:
            self.post_message(OpenJobs(server.id))

    def action_drill(self) -> None:
        server = self.server_in_hand()
        if server is not None:
            self.post_message(OpenDrill(server.id))

    def action_retention(self) -> None:
        server = self.server_in_hand()
        if server is not None:
            self.post_message(OpenRetention(server.id))

    def action_new_server(self) -> None:
        self.app.push_screen(NewServer(self.context))

    # --- upgrade -----------------------------------------------------------------------------------------------------

    def action_upgrade(self) -> None:
        server = self.server_in_hand()
        if server is None:
            return
        behind = [each for each in self.model.servers_by_name() if _is_behind(each)]
        text = _(
            "The agent takes the core's version, where its administrator allows that, and restarts with it between two "
            "jobs. It runs {version} now."
        ).format(version=server.agent_version)
        question = _("Upgrade the agent of {name}?").format(name=server.name)
        if len(behind) > 1:
            choices = (
                Choice(_THIS, server.name, _("Runs {version}").format(version=server.agent_version)),
                Choice(
                    _ALL,
                    _("All {count} that are behind").format(count=len(behind)),
                    _("And connected; each restarts between two jobs"),
                ),
            )

            def chosen(which: str | None) -> None:
                if which is not None:
                    self._upgrade(behind if which == _ALL else [server])

            self.app.push_screen(Choose(question, choices), chosen)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._upgrade([server])

        self.app.push_screen(Confirm(question, text, _("Upgrade it")), answered)

    def _upgrade(self, servers: list[ServerView]) -> None:
        self.attempt(self._ordered(servers), "upgrade agents", self._tell_ordered)

    async def _ordered(self, servers: list[ServerView]) -> tuple[list[ServerView], list[tuple[str, ErrorView]]]:
        """Those that were told to, and why others were not."""
        told: list[ServerView] = []
        refused: list[tuple[str, ErrorView]] = []
        for server in servers:
            try:
                told.append(await self.client.upgrade_server(server.id))
            except PhoenixError as error:
                refused.append((server.name, error.view()))
        return told, refused

    def _tell_ordered(self, outcome: tuple[list[ServerView], list[tuple[str, ErrorView]]]) -> None:
        told, refused = outcome
        if told:
            text = ngettext("{names}: {text}", "{names}: the upgrade is ordered", len(told))
            names = ", ".join(each.name for each in told)
            self.notify(text.format(names=names, text=told[0].upgrade), markup=False)
        if refused:
            name, first = refused[0]
            others = len(refused) - 1
            more = ngettext("{count} more was refused.", "{count} more were refused.", others).format(count=others)
            hint = f"{first.hint} {more}" if others else first.hint
            toast_error(self, ErrorView(code=first.code, message=f"{name}: {first.message}", hint=hint))
        self.context.live.refresh_soon()

    # --- removal -----------------------------------------------------------------------------------------------------

    def action_remove(self) -> None:
        server = self.server_in_hand()
        if server is None:
            return
        question = TypedConfirm(
            _("Remove {name}?").format(name=server.name),
            _(
                "Its certificate is revoked and its jobs are cancelled. Its snapshots stay, and can be restored to "
                "other servers. It can be brought back (z) for as many days as the setting servers.undo_days says; "
                "later it needs a new activation token."
            ),
            server.name,
            _("Remove the server"),
        )

        def answered(yes: bool | None) -> None:
            if yes:
                work = self.client.remove_server(server.id, typed=server.name)
                self.attempt(work, "remove a server", self._removed)

        self.app.push_screen(question, answered)

    def _removed(self, server: ServerView) -> None:
        self.notify(_("{name} is removed.").format(name=server.name), markup=False)
        self.context.live.refresh_soon()

    def action_undelete(self) -> None:
        server = self.server_in_hand()
        if server is None or not server.revoked:
            return
        question = Confirm(
            _("Bring {name} back?").format(name=server.name),
            _(
                "Its agent, which keeps dialling, is let in again with the certificate that it has. Of a server that "
                "was taken over by somebody don't; enrol it anew."
            ),
            _("Bring it back"),
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.undelete_server(server.id), "bring a server back", self._brought_back)

        self.app.push_screen(question, answered)

    def _brought_back(self, server: ServerView) -> None:
        self.notify(_("{name} is protected again.").format(name=server.name), markup=False)
        self.context.live.refresh_soon()


def _is_behind(server: ServerView) -> bool:
    return server.connected and not server.revoked and server.version_standing is Standing.BEHIND

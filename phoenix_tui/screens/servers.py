"""The protected servers: who is here, how the last backup went, and what to do with one."""

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content

from phoenix_core.domain.views import ServerView
from phoenix_tui.actions import bindings
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.new_server import NewServer
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.first_steps import first_steps
from phoenix_tui.formats import NOTHING, number
from phoenix_tui.i18n import _
from phoenix_tui.messages import OpenBackup, OpenJobs, OpenRestore, OpenSnapshots
from phoenix_tui.model import Topic
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.signs import AWAY, CONNECTED, REMOVED, TOO_OLD, Sign, job_sign, version_words
from phoenix_tui.tones import DIM, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face
from phoenix_tui.widgets.facts import Fact, Facts
from phoenix_tui.widgets.row_table import Cell, RowTable


def server_sign(server: ServerView) -> Sign:
    if server.revoked:
        return REMOVED
    if not server.connected and not server.version_standing.is_served:
        return TOO_OLD
    return CONNECTED if server.connected else AWAY


def _version(server: ServerView) -> str:
    words = version_words(server.version_standing)
    return f"{server.agent_version} ({words})" if words else server.agent_version


class ServersScreen(SearchableScreen):
    BINDINGS = bindings("servers")
    place = "servers"
    topics = frozenset({Topic.SERVERS, Topic.JOBS})

    def compose_body(self) -> ComposeResult:
        yield from self.compose_search()
        with Container(classes="halves"):
            yield RowTable[ServerView](
                (
                    Column(_("Server")),
                    Column(_("State"), 11),
                    Column(_("Last backup"), 12),
                    Column(_("Result"), 13),
                    Column(_("Snapshots"), 9, right=True),
                ),
                key=lambda server: server.id,
                cells=self._cells,
            )
            with Vertical(id="detail-part", classes="part"):
                yield Facts(id="detail")

    def face(self) -> Face | None:
        return None if self.model.servers else first_steps(self.model, self.context.command)

    def show_model(self) -> None:
        servers = self.model.servers_by_name()
        self.query_one(RowTable).show([each for each in servers if self.holds(each.name, each.hostname, each.platform)])
        self._show_detail()

    def _cells(self, server: ServerView) -> list[Cell]:
        result = (
            job_sign(server.last_backup_state).content if server.last_backup_state else Content.styled(NOTHING, DIM)
        )
        return [
            server.name,
            server_sign(server).content,
            self.formats.time(server.last_backup_at) if server.last_backup_at else _("never"),
            result,
            number(server.snapshots),
        ]

    def _show_detail(self) -> None:
        server = self._server()
        if server is not None:
            self.query_one("#detail-part").border_title = server.name.replace("[", r"\[")
            self.query_one("#detail", Facts).show(self._facts(server))

    def _facts(self, server: ServerView) -> list[Fact]:
        here = _(" (this machine)") if server.this_host else ""
        work = self.model.active_backup_of(server.id)
        seen = self.formats.ago(server.last_seen_at)
        state = server_sign(server).content + ("" if server.connected else _(", last seen {ago}").format(ago=seen))
        facts: list[Fact] = [
            (_("State"), state),
            (_("Host"), f"{server.hostname}{here}"),
            (_("Platform"), server.platform),
            (_("Agent"), _version(server)),
            (_("Backs up"), ", ".join(server.default_paths) or _("nothing yet; press b")),
            (_("Last backup"), self.formats.moment(server.last_backup_at)),
            (_("Restore proved"), self._proved(server)),
            (_("Certificate"), _("until {moment}").format(moment=self.formats.moment(server.certificate_ends_at))),
        ]
        if work is not None:
            facts.insert(1, (_("Now"), Content.assemble(job_sign(work.state).content, f": {work.title}")))
        return facts

    def _proved(self, server: ServerView) -> Content | str:
        if server.last_proof_at is None:
            return _("never")
        moment = self.formats.moment(server.last_proof_at)
        return Content.assemble(moment, (_(", too long ago"), WARN)) if server.proof_due else moment

    # --- intentions --------------------------------------------------------------------------------------------------

    def _server(self) -> ServerView | None:
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, ServerView) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        server = self._server() if self.is_whole else None
        if action in {"backup", "remove"}:
            return server is not None and not server.revoked
        if action == "undelete":
            return server is not None and server.revoked
        if action in {"restore", "jobs"}:
            return server is not None
        return super().check_action(action, parameters)

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        self.post_message(OpenSnapshots(event.key))

    def action_backup(self) -> None:
        server = self._server()
        if server is not None:
            self.post_message(OpenBackup(server.id))

    def action_restore(self) -> None:
        server = self._server()
        if server is not None:
            self.post_message(OpenRestore(server.id))

    def action_jobs(self) -> None:
        server = self._server()
        if server is not None:
            self.post_message(OpenJobs(server.id))

    def action_new_server(self) -> None:
        self.app.push_screen(NewServer(self.context))

    def action_remove(self) -> None:
        server = self._server()
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
        server = self._server()
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

"""The protected servers: who is here, how the last backup went, and what to do with one."""

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content

from phoenix_core.domain.views import ServerView
from phoenix_tui.actions import bindings
from phoenix_tui.first_steps import first_steps
from phoenix_tui.formats import NOTHING, number
from phoenix_tui.i18n import _
from phoenix_tui.messages import OpenSnapshots
from phoenix_tui.model import Topic
from phoenix_tui.screens.server_intentions import ServerIntentions
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


class ServersScreen(ServerIntentions):
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
            with VerticalScroll(id="detail-part", classes="part"):
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

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        self.post_message(OpenSnapshots(event.key))

    # --- one server --------------------------------------------------------------------------------------------------

    def _show_detail(self) -> None:
        server = self.server_in_hand()
        if server is not None:
            self.query_one("#detail-part").border_title = server.name.replace("[", r"\[")
            self.query_one("#detail", Facts).show(self._facts(server))

    def _facts(self, server: ServerView) -> list[Fact]:
        here = _(" (this machine)") if server.this_host else ""
        seen = self.formats.ago(server.last_seen_at)
        state = server_sign(server).content + ("" if server.connected else _(", last seen {ago}").format(ago=seen))
        return [
            (_("State"), state),
            *self._news(server),
            (_("Host"), f"{server.hostname}{here}"),
            (_("Platform"), server.platform),
            (_("Agent"), _version(server)),
            (_("Backs up"), ", ".join(server.default_paths) or _("nothing yet; press b")),
            (_("Last backup"), self.formats.moment(server.last_backup_at)),
            (_("Restore proved"), self._proved(server)),
            (_("Certificate"), _("until {moment}").format(moment=self.formats.moment(server.certificate_ends_at))),
        ]

    def _news(self, server: ServerView) -> list[Fact]:
        """What passes by itself."""
        found: list[Fact] = []
        if server.revoked:
            until = _("can be brought back (z) until about {moment}").format(
                moment=self.formats.moment(server.undo_until)
            )
            found.append((_("Removal"), until if server.undo_until else _("is final")))
        work = self.model.active_work_of(server.id)
        if work is not None:
            found.append((_("Now"), Content.assemble(job_sign(work.state).content, f": {work.title}")))
        if server.upgrade:
            found.append((_("Upgrade"), server.upgrade))
        return found

    def _proved(self, server: ServerView) -> Content | str:
        tries = _("; d tries it out") if server.snapshots else ""
        if server.last_proof_at is None:
            return _("never") + tries
        moment = self.formats.moment(server.last_proof_at)
        return Content.assemble(moment, (_(", too long ago") + tries, WARN)) if server.proof_due else moment

"""What a content rule takes of a server and why, as the server's agent finds it; the rule need not be kept."""

from contextlib import aclosing

from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.ruletest import RuleTestReason, RuleTestRequest, RuleTestSummary, RuleVerdict
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.dialogs.choose import Choice, Choose
from phoenix_tui.formats import number, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.tones import BAD, DIM, GOOD, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.row_table import Cell, RowTable

LISTED_MAX = 2000
REASONS_SHOWN = 6


async def open_rule_test(app: App[object], client: CoreClient, rule: ContentRule) -> None:
    """Asks which server, where there are several that are connected, and shows the test."""
    try:
        servers = [server.name for server in await client.servers() if server.connected and not server.revoked]
    except PhoenixError as error:
        app.notify(str(error), severity="error")
        return
    if not servers:
        app.notify(_("No server is connected: an agent looks up what a rule takes."), severity="warning")
    elif len(servers) == 1:
        app.push_screen(RuleTest(client, rule, servers[0]))
    else:
        choices = [Choice(name, name, _("What the rule takes there")) for name in servers]

        def chosen(server: str | None) -> None:
            if server is not None:
                app.push_screen(RuleTest(client, rule, server))

        app.push_screen(Choose(_("Test rule {rule} at which server?").format(rule=rule.name), choices), chosen)


class RuleTest(ModalScreen[None]):
    BINDINGS = bindings("ruletest")
    AUTO_FOCUS = "RowTable"

    def __init__(self, client: CoreClient, rule: ContentRule, server: str) -> None:
        super().__init__()
        self._client = client
        self._rule = rule
        self._server = server
        self._only_out = False
        self._verdicts: list[RuleVerdict] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide rule-test"):
            title = _("Rule {rule} at {server}").format(rule=self._rule.name, server=self._server)
            yield Static(title, classes="dialog-title", markup=False)
            yield RowTable[RuleVerdict](
                (Column("", 3), Column(_("Size"), 9, right=True), Column(_("Path")), Column(_("Why"), 34)),
                key=lambda verdict: f"{verdict.path} {verdict.type}",
                cells=_cells,
            )
            yield Static(id="summary", markup=False)
            yield Static(_("o shows only what is left out; escape ends the test."), classes="dialog-hint")

    def on_mount(self) -> None:
        self._run()

    def action_which(self) -> None:
        self._only_out = not self._only_out
        self._run()

    def action_refuse(self) -> None:
        self.dismiss(None)

    def _run(self) -> None:
        in_background(self, self._read, "test a rule")

    async def _read(self) -> None:
        self._verdicts = []
        self._show(Content.styled(_("Looking …"), DIM))
        request = RuleTestRequest(self._server, (self._rule,), "out" if self._only_out else "all")
        try:
            async with aclosing(self._client.rule_test(request)) as lines:
                async for line in lines:
                    room = LISTED_MAX - len(self._verdicts)
                    if line.verdicts and room > 0:
                        self._verdicts += line.verdicts[:room]
                        self._show(Content.styled(_("Looking …"), DIM))
                    if line.summary is not None:
                        self._show(_summary(line.summary, listed=len(self._verdicts)))
        except PhoenixError as error:
            self._show(Content.styled(f"{error} {error.what_to_do}", BAD))

    def _show(self, summary: Content) -> None:
        if self.is_running:
            self.query_one(RowTable).show(self._verdicts)
            self.query_one("#summary", Static).update(summary)


def _cells(verdict: RuleVerdict) -> list[Cell]:
    sign = Content.styled(_("in"), GOOD) if verdict.taken else Content.styled(_("out"), WARN)
    end = {"folder": "/", "contents": "/*"}.get(verdict.type, "")
    return [sign, size(verdict.size) if verdict.type == "file" else "", verdict.path + end, because(verdict)]


def because(what: RuleVerdict | RuleTestReason) -> str:
    if not what.rule and what.field:
        return reason_text(what.field)
    return f"{what.rule}: {what.field} {what.value}".strip(": ")


def _summary(summary: RuleTestSummary, *, listed: int) -> Content:
    files = ngettext("{count} file", "{count} files", summary.files).format(count=number(summary.files))
    folders = ngettext("{count} folder", "{count} folders", summary.folders).format(count=number(summary.folders))
    lines = [
        _("A backup would take {files} ({size}) and {folders}.").format(
            files=files, size=size(summary.bytes), folders=folders
        )
    ]
    lines += [
        _("Left out: {count}, {size}, {why}").format(
            count=number(each.entries), size=size(each.bytes), why=because(each)
        )
        for each in summary.left_out[:REASONS_SHOWN]
    ]
    more = len(summary.left_out) - REASONS_SHOWN
    lines += [_("… and for {count} further reasons").format(count=more)] if more > 0 else []
    lines += [_("Only the first {count} are listed.").format(count=number(listed))] if listed == LISTED_MAX else []
    return Content("\n".join([*lines, *summary.notes]))

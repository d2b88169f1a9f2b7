"""Alerts: what wants an operator, the worst first, then what is over; and what to do next of the one in hand."""

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.alerts import AlertState, AlertView
from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_tui.actions import bindings
from phoenix_tui.attention import alerts_old
from phoenix_tui.context import Context
from phoenix_tui.dialogs.acknowledge import Acknowledge
from phoenix_tui.i18n import _
from phoenix_tui.messages import OpenJob
from phoenix_tui.model import Topic
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.signs import alert_sign
from phoenix_tui.tones import BAD, DIM
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.facts import Fact, Facts
from phoenix_tui.widgets.row_table import Cell, RowTable

OVER_SHOWN = 100


class AlertsScreen(ReadingScreen, SearchableScreen):
    BINDINGS = bindings("alerts")
    place = "alerts"
    read_upon = frozenset({Topic.ALERTS})
    topics = frozenset({Topic.ALERTS})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._over: list[AlertView] | None = None
        self._problem: ErrorView | None = None

    def compose_body(self) -> ComposeResult:
        yield from self.compose_search()
        yield Static(id="old", markup=False)
        with Container(classes="halves"):
            yield RowTable[AlertView](
                (
                    Column(_("Severity"), 10),
                    Column(_("Since"), 12),
                    Column(_("What")),
                    Column(_("Subject")),
                    Column(_("What happened"), from_width=100),
                ),
                key=lambda alert: alert.id,
                cells=self._cells,
            )
            with Vertical(id="detail-part", classes="part"):
                yield Facts(id="detail", classes="facts")

    async def fetch(self) -> None:
        """Those that are over; the active ones are in the model."""
        try:
            self._over, self._problem = await self.client.alerts(AlertState.RESOLVED, limit=OVER_SHOWN), None
        except PhoenixError as error:
            self._problem = error.view()
        self.update_view()

    def face(self) -> Face | None:
        if self._over is None and not self.model.alerts:
            return failed(self._problem) if self._problem else loading()
        if not self._over and not self.model.alerts:
            problem = self.model.alerts_problem or self._problem
            return failed(problem) if problem else _nothing()
        return None

    def show_model(self) -> None:
        old = self._old()
        self.query_one("#old").display = bool(old)
        self.query_one("#old", Static).update(Content.styled(old, BAD))
        active = self.model.alerts_worst_first()
        known = {alert.id for alert in active}
        over = [alert for alert in self._over or [] if alert.id not in known]
        self.query_one(RowTable).show(
            [each for each in [*active, *over] if self.holds(each.subject, each.kind.words, each.text, each.severity)]
        )
        self._show_detail()

    def _old(self) -> str:
        """What is to be said of the list where it could not be read; empty: it could."""
        if text := alerts_old(self.model, self.formats):
            return _("✗ Alerts: {text}").format(text=text)
        if self._problem is not None:
            return _("✗ Those that are over can't be read now: {message}").format(message=self._problem.message)
        return ""

    def _cells(self, alert: AlertView) -> list[Cell]:
        tone = "" if alert.is_active else DIM
        known = _("known: ") if alert.is_active and alert.acknowledged_by else ""
        return [
            alert_sign(alert).content,
            Content.styled(self.formats.time(alert.first_seen_at), DIM),
            Content.styled(known + alert.kind.words, tone),
            Content.styled(alert.subject, tone),
            Content.styled(alert.text if alert.is_active else alert.resolved_why, tone),
        ]

    def _show_detail(self) -> None:
        alert = self._alert()
        if alert is not None:
            title = f"{alert.kind.words}: {alert.subject}"
            self.query_one("#detail-part").border_title = title.replace("[", r"\[")
            self.query_one("#detail", Facts).show(self._facts(alert))

    def _facts(self, alert: AlertView) -> list[Fact]:
        moment = self.formats.moment
        times = _(", {count} times").format(count=alert.count) if alert.count > 1 else ""
        facts: list[Fact] = [
            (_("What happened"), alert.text),
            (_("What to do"), alert.hint),
            (_("Since"), f"{moment(alert.first_seen_at)}{times}"),
        ]
        if alert.acknowledged_by:
            facts.append((_("Known to"), f"{alert.acknowledged_by}{': ' if alert.note else ''}{alert.note}"))
        if not alert.is_active:
            facts[1] = (_("Over"), f"{moment(alert.resolved_at)}: {alert.resolved_why}")
        return facts

    # --- intentions --------------------------------------------------------------------------------------------------

    def _alert(self) -> AlertView | None:
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, AlertView) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        alert = self._alert() if self.is_whole else None
        if action == "acknowledge":
            return alert is not None and alert.is_active
        if action == "job":
            return alert is not None and bool(alert.job_id)
        return super().check_action(action, parameters)

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self) -> None:
        self.action_job()

    def action_job(self) -> None:
        alert = self._alert()
        if alert is not None and alert.job_id:
            self.post_message(OpenJob(alert.job_id))

    def action_acknowledge(self) -> None:
        alert = self._alert()
        if alert is None:
            return

        def answered(note: str | None) -> None:
            if note is not None:
                self.attempt(self.client.acknowledge(alert.id, note), "acknowledge an alert", self._acknowledged)

        self.app.push_screen(Acknowledge(alert), answered)

    def _acknowledged(self, alert: AlertView) -> None:
        self.model.put_alert(alert)
        self.update_view()


def _nothing() -> Face:
    return empty(
        _("No alert"),
        _(
            "Nothing wants you, and nothing did in the last 90 days. Alerts come and go by themselves; press 9 to say "
            "whom they are told to."
        ),
    )

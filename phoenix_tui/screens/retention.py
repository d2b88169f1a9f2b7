"""The plan of retention: which snapshots of a policy's servers stay and why, and which the next run removes."""

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.policies import BackupPolicy, Config, RetentionVerdict
from phoenix_core.domain.views import JobView
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.formats import number, short_id
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import OpenJob
from phoenix_tui.model import Topic
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.tones import DIM, GOOD, STRONG, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.policy_facts import keeps
from phoenix_tui.widgets.row_table import Cell, RowTable


class RetentionScreen(ReadingScreen):
    BINDINGS = bindings("retention")
    place = "retention"
    top = "policies"
    read_upon = frozenset({Topic.SNAPSHOTS})

    def __init__(self, context: Context, *, policy: str = "", server_id: str = "") -> None:
        """Of all servers of a policy, or of one server by the policy of its group."""
        super().__init__(context)
        self._of_policy = policy
        self._server_id = server_id
        self._policy: BackupPolicy | None = None
        self._verdicts: list[RetentionVerdict] | None = None
        self._only_going = False
        self._problem: ErrorView | None = None

    def compose_body(self) -> ComposeResult:
        yield Static(id="title")
        yield RowTable[RetentionVerdict](
            (
                Column(_("Taken"), 12),
                Column(_("Server")),
                Column(_("Snapshot"), 12),
                Column(_("Stays as")),
                Column(_("Folders"), from_width=100),
            ),
            key=lambda verdict: verdict.snapshot_id,
            cells=self._cells,
        )

    async def fetch(self) -> None:
        try:
            config = await self.client.config()
            self._policy = self._policy_of(config)
            verdicts = await self.client.retention_of(self._policy.name) if self._policy else []
        except PhoenixError as error:
            self._problem = error.view()
        else:
            server = self._server
            self._verdicts = [each for each in verdicts if server in {"", each.server_name}]
            self._problem = None
        self.update_view()

    @property
    def _server(self) -> str:
        """Name of the one server; empty: all of the policy."""
        known = self.model.servers.get(self._server_id)
        return known.name if known else self._server_id

    def _policy_of(self, config: Config) -> BackupPolicy | None:
        server = self._server
        name = self._of_policy
        if server:
            name = next((group.policy for group in config.groups if server in group.servers), "")
        return next((policy for policy in config.policies if policy.name == name), None)

    def face(self) -> Face | None:
        if self._problem is not None:
            return failed(self._problem)
        if self._verdicts is None:
            return loading()
        if self._policy is None:
            text = _("It is in no group with a policy, so that all its snapshots stay. 7 shows groups and policies.")
            title = _("No policy says what stays of {server}").format(server=self._server or self._of_policy)
            return empty(title, text)
        if not self._verdicts:
            title = _("There is no snapshot that policy {name} says something of").format(name=self._policy.name)
            return empty(title, _("Escape goes back."))
        return None

    def show_model(self) -> None:
        verdicts = self._verdicts or []
        self.query_one(RowTable).show([each for each in verdicts if not (self._only_going and each.reasons)])
        self._show_title(verdicts)

    def _show_title(self, verdicts: list[RetentionVerdict]) -> None:
        policy = self._policy or BackupPolicy("")
        going = _going(verdicts)
        counts = _("{staying} stay, {going} go").format(staying=number(len(verdicts) - going), going=number(going))
        only = _("   only those that go are shown") if self._only_going else ""
        of = f" · {self._server}" if self._server else ""
        says = _("keeps {what}").format(what=keeps(policy.retention))
        self.query_one("#title", Static).update(
            Content.assemble(
                (f"{policy.name}{of}  ", STRONG), says, "\n", (counts, WARN if going else GOOD), (only, DIM)
            )
        )

    def _cells(self, verdict: RetentionVerdict) -> list[Cell]:
        return [
            self.formats.time(verdict.recorded_at),
            verdict.server_name,
            short_id(verdict.snapshot_id),
            ", ".join(verdict.reasons) or Content.styled(_("✗ goes"), WARN),
            ", ".join(verdict.paths),
        ]

    # --- intentions --------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "which":
            return bool(self._verdicts)
        if action == "carry_out":
            return bool(self._verdicts) and _going(self._verdicts or []) > 0
        return super().check_action(action, parameters)

    def action_which(self) -> None:
        self._only_going = not self._only_going
        self.update_view()

    def action_carry_out(self) -> None:
        going = _going(self._verdicts or [])
        text = ngettext(
            "{count} snapshot of this list goes, and what other policies don't keep: retention is carried out for all "
            "policies at once. What it removes can be brought back for as many days as the setting "
            "snapshots.undo_days says.",
            "{count} snapshots of this list go, and what other policies don't keep: retention is carried out for all "
            "policies at once. What it removes can be brought back for as many days as the setting "
            "snapshots.undo_days says.",
            going,
        ).format(count=number(going))

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.apply_retention(), "carry retention out", self._began)

        self.app.push_screen(Confirm(_("Remove what no policy keeps?"), text, _("Remove it")), answered)

    def _began(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self.post_message(OpenJob(job.id))


def _going(verdicts: list[RetentionVerdict]) -> int:
    return sum(not each.reasons for each in verdicts)

"""Restore, in four steps on one screen: source, files, destination, check and run."""

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.requests import RestoreRequest
from phoenix_core.domain.views import JobView, ServerView, SnapshotView
from phoenix_tui.actions import SEARCH, bindings
from phoenix_tui.context import Context
from phoenix_tui.formats import short_id
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import OpenJob
from phoenix_tui.model import Topic
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.tones import DIM
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.facts import Fact
from phoenix_tui.widgets.focus import focus_now
from phoenix_tui.widgets.restore_check import RestoreCheck
from phoenix_tui.widgets.restore_files import RestoreFiles, selection_text
from phoenix_tui.widgets.restore_source import RestoreSource
from phoenix_tui.widgets.restore_target import CONFLICT, RestoreTarget

STEPS = ("source", "files", "target", "check")
_TITLES = {
    "source": _("Source"),
    "files": _("Files"),
    "target": _("Destination"),
    "check": _("Check and run"),
}
_HINTS = {
    "source": _("Choose the server, then the snapshot: Enter."),
    "files": _("Space selects, Enter opens."),
    "target": _("Choose where it goes to; ^n goes on."),
    "check": _("Nothing is written yet."),
}


class RestoreScreen(ReadingScreen):
    BINDINGS = bindings("restore")
    place = "restore"
    top = "snapshots"
    topics = frozenset({Topic.SERVERS, Topic.JOBS})
    read_upon = frozenset({Topic.SNAPSHOTS})
    is_form = True
    AUTO_FOCUS = ""

    def __init__(self, context: Context, server_id: str = "", snapshot_id: str = "", path: str = "") -> None:
        """With `path` that is what is restored, and the destination comes first."""
        super().__init__(context)
        self._server_id = server_id
        self._snapshot_id = snapshot_id
        self._path = path
        self._snapshots: list[SnapshotView] | None = None
        self._problem: ErrorView | None = None
        self._snapshot: SnapshotView | None = None
        self._check_id = ""
        self._begun = False

    def compose_body(self) -> ComposeResult:
        yield Static(id="steps")
        yield Static(id="so-far")
        with ContentSwitcher(initial="source", id="panes"):
            yield RestoreSource(self.formats)
            yield RestoreFiles(self.client, self.formats)
            yield RestoreTarget()
            yield RestoreCheck()

    async def fetch(self) -> None:
        try:
            self._snapshots, self._problem = await self.client.snapshots(), None
        except PhoenixError as error:
            self._problem = error.view()
        self.update_view()

    # --- showing -----------------------------------------------------------------------------------------------------

    def face(self) -> Face | None:
        if self._snapshots is None:
            return failed(self._problem) if self._problem else loading()
        if not self._snapshots:
            return empty(_("There is nothing to restore yet"), _("Press escape, then b to back up a server."))
        return None

    def show_model(self) -> None:
        snapshots = self._snapshots or []
        owners = {each.server_id for each in snapshots}
        servers = [server for server in self.model.servers_by_name() if server.id in owners]
        source = self.query_one(RestoreSource)
        source.show(servers, snapshots)
        if not self._begun:
            self._begin(source, snapshots)
        if self.step == "check" and self._check_id:
            self.query_one(RestoreCheck).show_check(self.model.jobs.get(self._check_id))
        self._show_head()

    def _begin(self, source: RestoreSource, snapshots: list[SnapshotView]) -> None:
        self._begun = True
        named = next((each for each in snapshots if each.id == self._snapshot_id and not each.is_lost), None)
        if self._server_id:
            source.put_server(self._server_id)
        if named is not None:
            self._take_snapshot(named)
            if self._path:
                self.query_one(RestoreFiles).select(self._path)
                self._take_files()
        else:
            if self._snapshot_id:
                told = _("Snapshot {id} is lost, or was removed meanwhile. Choose another one.")
                self.notify(told.format(id=short_id(self._snapshot_id)), severity="error", markup=False)
            focus_now(source.query_one("#snapshots" if self._server_id else "#servers"))

    def _show_head(self) -> None:
        parts: list[str | tuple[str, str]] = ["  "]
        for number, step in enumerate(STEPS, 1):
            here = step == self.step
            parts += [
                (f" {number} {_TITLES[step]} ", "bold reverse" if here else DIM),
                " › " if step != "check" else "",
            ]
        self.query_one("#steps", Static).update(Content.assemble(*parts))
        self.query_one("#so-far", Static).update(
            Content.assemble("  ", (self._so_far(), "bold"), (_HINTS[self.step], DIM))
        )

    def _so_far(self) -> str:
        snapshot = self._snapshot
        if snapshot is None or self.step == "source":
            return ""
        return f"{snapshot.server_name} · {short_id(snapshot.id)} · {self.formats.time(snapshot.created_at)}   "

    @property
    def loss(self) -> str:
        selected = self.query_one(RestoreFiles).selected if self.is_whole else ()
        if not selected or selected == (self._path,):
            return ""
        text = ngettext("{count} entry is selected", "{count} entries are selected", len(selected))
        return text.format(count=len(selected)) + _("; the selection is lost.")

    # --- steps -------------------------------------------------------------------------------------------------------

    @property
    def step(self) -> str:
        return self.query_one("#panes", ContentSwitcher).current or "source"

    def _go_to(self, step: str) -> None:
        self.query_one("#panes", ContentSwitcher).current = step
        self._show_head()
        if step == "source":
            focus_now(self.query_one(RestoreSource).query_one("#snapshots"))
        elif step == "files":
            self.query_one(RestoreFiles).focus_content()
        elif step == "target":
            self.query_one(RestoreTarget).focus_content()
        self.refresh_offer()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == SEARCH:
            return self.may_search and self.step == "files"
        return action != "next" or (self.is_whole and self.step != "check")

    def action_next(self) -> None:
        if self.step == "source":
            if not self.query_one(RestoreSource).choose():
                self.notify(_("Choose a snapshot first."), severity="warning")
        elif self.step == "files":
            self._take_files()
        elif self.step == "target" and not self.query_one(RestoreTarget).complain():
            self._take_target()

    def action_back(self) -> None:
        files = self.query_one(RestoreFiles)
        if self.step == "files" and files.is_searching:
            files.leave_search()
        elif self.step == "source":
            self.app.call_later(self.app.action_back)
        else:
            self._go_to(STEPS[STEPS.index(self.step) - 1])

    def action_search(self) -> None:
        self.query_one(RestoreFiles).search()

    def on_restore_source_chosen(self, message: RestoreSource.Chosen) -> None:
        self._take_snapshot(message.snapshot)

    def _take_snapshot(self, snapshot: SnapshotView) -> None:
        self._snapshot = snapshot
        self.query_one(RestoreFiles).begin(snapshot.id)
        self._go_to("files")

    def _take_files(self) -> None:
        if self._snapshot is not None:
            as_set = self.model.settings.get(CONFLICT, "")
            target = self.query_one(RestoreTarget)
            target.begin(self._owner_id, self.model.servers_by_name(), as_set)
            self._go_to("target")

    def on_restore_target_ready(self) -> None:
        self.action_next()

    def _take_target(self) -> None:
        self._go_to("check")
        self.query_one(RestoreCheck).show_plan(self._plan())
        self._check()

    @property
    def _owner_id(self) -> str:
        """The server whose data it is: the one that has its name now, where it was enrolled anew."""
        snapshot = self._snapshot
        if snapshot is None:
            return ""
        in_use = [each for each in self.model.servers.values() if not each.revoked]
        if any(each.id == snapshot.server_id for each in in_use):
            return snapshot.server_id
        return next((each.id for each in in_use if each.name == snapshot.server_name), snapshot.server_id)

    def _server(self) -> ServerView | None:
        return self.model.servers.get(self._owner_id)

    # --- check and run -----------------------------------------------------------------------------------------------

    def _request(self, *, check_only: bool) -> RestoreRequest | None:
        snapshot, target = self._snapshot, self.query_one(RestoreTarget)
        if snapshot is None:
            return None
        return RestoreRequest(
            server=self._owner_id,
            snapshot=snapshot.id,
            paths=self.query_one(RestoreFiles).selected,
            destination=target.folder,
            to_server=target.to_server,
            conflict=target.rule,
            check_only=check_only,
        )

    def _plan(self) -> list[Fact]:
        target = self.query_one(RestoreTarget)
        server = self.model.servers.get(target.to_server) or self._server()
        name = server.name if server else self._snapshot.server_name if self._snapshot else ""
        where = _("{folder} on {server}").format(folder=target.folder or _("the original place"), server=name)
        as_set = self.model.settings.get(CONFLICT, "")
        rule = (target.rule or as_set).replace("_", " ")
        if not target.rule:
            rule = _("{rule} (the setting {key})").format(rule=rule, key=CONFLICT).strip()
        return [
            (_("Restore"), selection_text(self.query_one(RestoreFiles).selected)),
            (_("To"), where),
            (_("If it exists"), rule),
        ]

    def _check(self) -> None:
        self._check_id = ""
        self.query_one(RestoreCheck).show_check(None)
        request = self._request(check_only=True)
        if request is not None:
            check = self.query_one(RestoreCheck)
            self.attempt(self.client.restore(request), "check a restore", self._checking, check.show_refusal)

    def _checking(self, job: JobView) -> None:
        self._check_id = job.id
        self.context.live.know_job(job)
        self.update_view()

    def on_restore_check_check_again(self) -> None:
        self._check()

    def on_restore_check_begin(self) -> None:
        request = self._request(check_only=False)
        if request is not None:
            self.attempt(self.client.restore(request), "restore", self._restoring)

    def _restoring(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self.post_message(OpenJob(job.id))

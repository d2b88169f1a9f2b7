"""What a server holds now beside one of its snapshots: a job of its agent, and what that found, page by page."""

from collections.abc import Mapping
from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.changes import Change
from phoenix_core.domain.comparing import CompareRequest, DifferenceView
from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView, SnapshotView
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.context import Context
from phoenix_tui.formats import number, short_id, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import CoreChanged, OpenJob, OpenRestore
from phoenix_tui.model import Connection, Topic
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.screens.diff import READ_AHEAD_ROWS
from phoenix_tui.signs import change_sign, job_sign
from phoenix_tui.toast import toast_error
from phoenix_tui.tones import DIM, STRONG, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.row_table import Cell, RowTable

_DONE = {JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS}


class CompareScreen(ConsoleScreen):
    BINDINGS = bindings("compare")
    place = "compare"
    top = "snapshots"
    topics = frozenset({Topic.JOBS, Topic.PROGRESS})

    def __init__(self, context: Context, snapshot: SnapshotView) -> None:
        super().__init__(context)
        self._snapshot = snapshot
        self._by_content = False
        self._job_id = ""
        self._found: list[DifferenceView] = []
        self._next = 0
        self._read_once = False
        self._reading = False
        self._problem: ErrorView | None = None

    def compose_body(self) -> ComposeResult:
        yield Static(id="title")
        yield RowTable[DifferenceView](
            (
                Column(_("Now"), 10),
                Column(_("Path")),
                Column(_("Snapshot"), 10, right=True),
                Column(_("Now"), 10, right=True),
            ),
            key=lambda each: str(each.number),
            cells=self._cells,
        )

    def on_mount(self) -> None:
        super().on_mount()
        self._begin()

    # --- the job -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._job_id, self._found, self._next, self._read_once, self._problem = "", [], 0, False, None
        by_content = self._by_content
        request = CompareRequest(server=self._snapshot.server_id, snapshot=self._snapshot.id, content=by_content)

        def begun(job: JobView) -> None:
            self.context.live.know_job(job)
            if by_content is self._by_content:
                self._job_id = job.id
                self.update_view()
            else:  # it was asked for anew in the meantime
                self.attempt(self.client.cancel(job.id), "cancel a comparison", self.context.live.know_job)

        self.attempt(self.client.compare(request), "compare", begun, self._refused)
        self.update_view()

    def _refused(self, problem: ErrorView) -> None:
        self._problem = problem
        self.update_view()

    def on_news(self, changed: CoreChanged) -> None:
        if Topic.RESET in changed.topics and self._job_id and self._job is None:
            self.attempt(self.client.job(self._job_id), "read a comparison", self.context.live.know_job, self._refused)

    @property
    def _job(self) -> JobView | None:
        return self.model.jobs.get(self._job_id)

    def _read_page(self) -> None:
        if not self._reading:
            self._reading = True
            in_background(self, partial(self._read, self._job_id), "read differences", exclusive=False)

    async def _read(self, job_id: str) -> None:
        try:
            page = await self.client.differences(job_id, after=self._next)
        except PhoenixError as error:
            if job_id == self._job_id and not self._found:
                self._problem = error.view()
            elif job_id == self._job_id:
                toast_error(self, error)  # going down the table tries again
        else:
            if job_id == self._job_id:
                self._found.extend(page.differences)
                self._next, self._read_once = page.next_after, True
        self._reading = False
        self.update_view()

    # --- showing -----------------------------------------------------------------------------------------------------

    def face(self) -> Face | None:
        job = self._job
        if self._problem is not None:
            return failed(self._problem)
        if job is None or not job.state.is_final:
            return loading(self._waiting_text(job))
        if job.state not in _DONE:
            ended = _("The comparison was not finished: it is {state}.").format(state=job_sign(job.state).word)
            return failed(job.error or ErrorView("", ended, _("Escape goes back; c in the snapshots compares again.")))
        if not self._read_once:
            self._read_page()
            return loading(_("Reading the differences …"))
        if not self._found and not _counts(job.result):
            return self._no_difference(job)
        return None

    def _no_difference(self, job: JobView) -> Face:
        same = _("{count} entries are as in the snapshot.").format(count=number(int(job.result.get("same", 0))))
        more = "" if self._by_content else " " + _("By size and time; h reads all files.")
        not_all = self._not_all(job.result)
        if not_all:
            text = " ".join((same, *(f"{each}." for each in not_all), _("j shows which.")))
            return empty(_("No difference in what could be compared"), text + more)
        return empty(_("No difference"), same + more)

    def _not_all(self, result: Mapping[str, int | float | str | bool]) -> list[str]:
        """What the differences don't tell, in half sentences."""
        told: list[str] = []
        unknown = int(result.get("not_compared", 0))
        if unknown:
            some = ngettext("{count} entry could not be compared", "{count} entries could not be compared", unknown)
            told.append(some.format(count=number(unknown)))
        listed = int(result.get("listed", 0))
        if "listed" in result and sum(_counts(result).values()) > listed:
            told.append(_("the first {count} are listed").format(count=number(listed)))
        return told

    def _waiting_text(self, job: JobView | None) -> str:
        if self.model.connection is Connection.DISCONNECTED:
            return _("The core doesn't answer; how far the comparison is isn't known.")
        if job is not None and job.state is JobState.WAITING_FOR_AGENT:
            return _("The agent of {server} is away; the comparison waits for it.").format(server=job.server_name)
        if job is not None and job.progress is not None:
            return _("Comparing … {count} entries").format(count=number(job.progress.files_done))
        return _("Comparing …")

    def show_model(self) -> None:
        self.query_one(RowTable).show(self._found)
        result = self._job.result if self._job else {}
        counts = ", ".join(f"{number(count)} {change_sign(each).word}" for each, count in _counts(result).items())
        how = _("every file read") if self._by_content else _("by size and time")
        parts: list[str | tuple[str, str]] = [
            (f"{self._snapshot.server_name}: {counts}", STRONG),
            "\n",
            _("Now, beside snapshot {id} of {time}").format(
                id=short_id(self._snapshot.id), time=self.formats.time(self._snapshot.created_at)
            ),
            (f"   {how}", DIM),
        ]
        parts += [(f"   {told}", WARN) for told in self._not_all(result)]
        self.query_one("#title", Static).update(Content.assemble(*parts))

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        if self._next and event.table.cursor_at >= event.table.row_count - READ_AHEAD_ROWS:
            self._read_page()

    def _cells(self, each: DifferenceView) -> list[Cell]:
        before = "" if each.change == Change.ADDED else size(each.size_before)
        after = "" if each.change == Change.REMOVED else size(each.size_after)
        what = Content.styled(f"  {each.what}", DIM) if each.what else Content("")
        return [change_sign(each.change).content, Content.assemble(each.path, what), before, after]

    # --- intentions --------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "by_content":
            return not self._by_content
        if action == "job":
            return bool(self._job_id)
        if action == "restore":
            return self._restorable() is not None
        return super().check_action(action, parameters)

    def _restorable(self) -> DifferenceView | None:
        item = self.query_one(RowTable).cursor_item if self.is_whole else None
        return item if isinstance(item, DifferenceView) and item.change != Change.ADDED else None

    def on_row_table_opened(self) -> None:
        self.action_restore()

    def action_restore(self) -> None:
        item = self._restorable()
        if item is not None:
            self.post_message(OpenRestore(self._snapshot.server_id, self._snapshot.id, item.path))

    def action_by_content(self) -> None:
        job = self._job
        if job is not None and not job.state.is_final:
            self.attempt(self.client.cancel(job.id), "cancel a comparison", self.context.live.know_job)
        self._by_content = True
        self._begin()

    def action_job(self) -> None:
        self.post_message(OpenJob(self._job_id))


def _counts(result: Mapping[str, int | float | str | bool]) -> dict[Change, int]:
    """Differences by kind, those that there are."""
    return {each: int(result[each]) for each in Change if result.get(each)}

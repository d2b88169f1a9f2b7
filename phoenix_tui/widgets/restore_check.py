"""Last step of a restore: what will happen, what the pre-checks say, and the word to begin."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.domain.views import JobView, StepView
from phoenix_tui.formats import size
from phoenix_tui.i18n import _
from phoenix_tui.signs import step_sign
from phoenix_tui.tones import BAD, DIM, GOOD, LIVE, WARN
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.facts import Fact, Facts
from phoenix_tui.widgets.focus import focus_now
from phoenix_tui.widgets.row_table import Cell, RowTable

_GOOD = {JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS}


class RestoreCheck(Vertical):
    class Begin(Message):
        """Run the restore."""

    class CheckAgain(Message):
        pass

    def __init__(self) -> None:
        super().__init__(id="check")
        self._was_final = False

    def compose(self) -> ComposeResult:
        yield Facts(id="plan", classes="facts")
        with Vertical(classes="part", id="checks-part"):
            yield RowTable[StepView](
                (Column("", 9), Column("", 6), Column("", 41), Column("", from_width=90)),
                key=lambda step: step.id,
                cells=self._cells,
                header=False,
            )
        yield Static(id="verdict")
        with Horizontal(id="check-buttons"):
            yield PushButton(_("Restore now"), id="begin", variant="primary")
            yield PushButton(_("Check again"), id="again")

    def on_mount(self) -> None:
        self.query_one("#checks-part").border_title = _("Pre-checks")

    def show_plan(self, facts: list[Fact]) -> None:
        self.query_one("#plan", Facts).show(facts)

    def show_check(self, job: JobView | None) -> None:
        """The job that runs the pre-checks; None: it has not been made yet."""
        final = job is not None and job.state.is_final
        self.query_one(RowTable).show(job.steps if job else ())
        self.query_one("#verdict", Static).update(_verdict(job))
        begin = self.query_one("#begin", Button)
        begin.display = True
        begin.disabled = job is None or (final and job.state not in _GOOD)
        self.query_one("#again", Button).disabled = not final
        if final and not self._was_final:
            focus_now(self.query_one("#again") if begin.disabled else begin)
        self._was_final = final

    def show_refusal(self, error: ErrorView) -> None:
        """The checks were not begun: nothing can be restored as it was asked for."""
        self.show_check(None)
        self.query_one("#verdict", Static).update(_wrong(error.message, error.hint))
        self.query_one("#begin").display = False
        again = self.query_one("#again", Button)
        again.disabled = False
        focus_now(again)

    def _cells(self, step: StepView) -> list[Cell]:
        tone = DIM if step.state in {StepState.PENDING, StepState.SKIPPED} else ""
        detail = step.error.message if step.error else step.detail
        step_id = step.id if step.id.startswith("WF") else ""
        return [step_sign(step.state).content, Content.styled(step_id, DIM), Content.styled(step.title, tone), detail]

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Begin() if event.button.id == "begin" else self.CheckAgain())


def _wrong(message: str, hint: str) -> Content:
    return Content.assemble((f"✗ {message}", BAD), "\n", hint)


def _verdict(job: JobView | None) -> Content:
    if job is None:
        return Content.styled(_("… asking for the checks"), DIM)
    if job.state in _GOOD:
        needed, free = job.result.get("needed_bytes"), job.result.get("free_bytes")
        text = _("✓ It can be restored.")
        if isinstance(needed, int) and isinstance(free, int):
            text += " " + _("It needs {needed}; {free} are free there.").format(needed=size(needed), free=size(free))
        gives_way = [str(job.result[name]) for name in ("removed", "replaced") if name in job.result]
        return Content("\n").join(
            [Content.styled(text, GOOD), *[Content.styled(f"! {each}", WARN) for each in gives_way]]
        )
    if job.state.is_final:
        error = job.error
        message = error.message if error else _("The checks ended: {state}.").format(state=job.state)
        return _wrong(message, error.hint if error else "")
    if job.state is JobState.WAITING_FOR_AGENT:
        return Content.styled(_("… the agent is away. A restore that is begun now waits for it as well."), WARN)
    return Content.styled(_("▸ checking …"), LIVE)

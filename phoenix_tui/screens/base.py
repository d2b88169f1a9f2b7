"""What all screens share: top bar, banner, body or face, footer; and how an intention's error becomes a toast."""

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input, TextArea

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_tui.actions import actions_of
from phoenix_tui.context import Context
from phoenix_tui.formats import Formats
from phoenix_tui.i18n import _
from phoenix_tui.messages import CoreChanged
from phoenix_tui.model import Connection, CoreModel, Topic
from phoenix_tui.toast import toast_error
from phoenix_tui.widgets.banner import Banner
from phoenix_tui.widgets.face import Face, FaceView, disconnected, loading
from phoenix_tui.widgets.key_line import KeyLine
from phoenix_tui.widgets.top_bar import TopBar

T = TypeVar("T")
TICK_S = 1.0


class ConsoleScreen(Screen[None]):
    """A screen renders the model and sends intentions. Subclasses give `place`, `topics`, `compose_body`,
    `show_model`, and where they need more than the model, `face`."""

    place: ClassVar[str] = ""
    """Where its actions stand in the table of actions."""
    top: ClassVar[str] = ""
    """Which of the main screens the top bar marks; empty: `place`."""
    topics: ClassVar[frozenset[Topic]] = frozenset()
    is_form: ClassVar[bool] = False
    """It goes once what it asked for has begun, unless it `stays`."""
    stays: ClassVar[bool] = False
    """What it shows is wanted again by who comes back to it."""
    AUTO_FOCUS: ClassVar[str | None] = "RowTable"

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self._offer: list[bool] = []

    @property
    def model(self) -> CoreModel:
        return self.context.live.model

    @property
    def client(self) -> CoreClient:
        return self.context.live.client

    @property
    def formats(self) -> Formats:
        return self.context.formats

    # --- for subclasses ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        yield from ()

    def show_model(self) -> None:
        """Bring the widgets up to what the model says. Called on every change of `topics`."""

    def face(self) -> Face | None:
        """What to show in place of the body; None where there is something to show."""
        return None

    @property
    def loss(self) -> str:
        """What is lost with the screen, as a sentence; the operator is asked before it goes. Empty: nothing."""
        return ""

    def on_news(self, changed: CoreChanged) -> None:
        """For screens that need more than the model: log lines, a reset."""

    def on_tick(self) -> None:
        """Each second while the screen is in front: for what counts."""

    # --- the frame ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield TopBar(self.model, self.formats, self.top or self.place)
        yield Banner(self.model, self.context.command("core", "run"))
        with Container(id="body"):
            yield from self.compose_body()
        yield FaceView()
        yield KeyLine()

    def on_mount(self) -> None:
        self.update_view()
        self.set_interval(TICK_S, self._tick)

    def on_screen_resume(self) -> None:
        self.update_view()

    def on_core_changed(self, changed: CoreChanged) -> None:
        self.on_news(changed)
        if changed.topics & (self.topics | {Topic.CONNECTION, Topic.RESET}):
            self.update_view()

    @property
    def is_whole(self) -> bool:
        """Its widgets are there: not before they are composed, and no more once the screen is being taken away, when
        what it had asked for may still come in."""
        return self.is_mounted and self.is_running

    def update_view(self) -> None:
        if not self.is_whole:
            return
        self.query_one(TopBar).update_line()
        self.query_one(Banner).update_line()
        face = self._connection_face() or self.face()
        self.query_one(FaceView).show(face)
        self.query_one("#body").display = face is None
        if face is None:
            self.show_model()
        self.refresh_offer()

    def refresh_offer(self) -> None:
        """Let the footer follow where what can be done here changed; it is costly to draw anew."""
        offer = [bool(self.check_action(action.handler.partition("(")[0], ())) for action in actions_of(self.place)]
        if offer != self._offer:
            self._offer = offer
            self.refresh_bindings()

    def _connection_face(self) -> Face | None:
        if self.model.loaded:
            return None
        if self.model.connection is Connection.DISCONNECTED:
            return disconnected(self.model.problem, self.context.command("core", "run"))
        return loading(_("Connecting to the core …"))

    def _tick(self) -> None:
        if self.is_current and self.is_whole:
            self.query_one(TopBar).update_line()
            self.on_tick()

    @property
    def may_search(self) -> bool:
        """Where a text is being typed, the key of the search belongs to it; where nothing is listed, to nobody."""
        if not self.is_whole or isinstance(self.focused, Input | TextArea):
            return False
        return self.query_one("#body").display

    # --- intentions --------------------------------------------------------------------------------------------------

    def attempt(
        self,
        work: Coroutine[Any, Any, T],
        name: str,
        then: Callable[[T], object] | None = None,
        refused: Callable[[ErrorView], object] | None = None,
    ) -> None:
        """Do this in the background, then what follows, if the screen is still there. An error of Phoenix becomes a
        toast, unless `refused` shows it; any other ends the console."""

        async def attempted() -> None:
            try:
                result = await work
            except PhoenixError as error:
                if refused is None:
                    toast_error(self, error)
                elif self.is_running:
                    refused(error.view())
                return
            if then is not None and self.is_running:
                then(result)

        self.run_worker(attempted(), name=name, group=name, exit_on_error=True)

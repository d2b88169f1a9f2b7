"""What a view shows while it has nothing to show: loading, empty, error, disconnected."""

from enum import StrEnum
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Center, Middle
from textual.content import Content
from textual.widgets import Static

from phoenix_core.client import CoreUnreachable
from phoenix_core.domain.errors import ErrorView
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD, DIM, STRONG, WARN


class FaceKind(StrEnum):
    LOADING = "loading"
    EMPTY = "empty"
    ERROR = "error"
    DISCONNECTED = "disconnected"


class Face(NamedTuple):
    kind: FaceKind
    title: str
    text: str = ""
    """What to do next."""


def loading(text: str = "") -> Face:
    return Face(FaceKind.LOADING, text or _("Loading …"))


def empty(title: str, text: str) -> Face:
    return Face(FaceKind.EMPTY, title, text)


def failed(error: ErrorView) -> Face:
    return Face(FaceKind.ERROR, error.message, error.hint)


def disconnected(error: ErrorView | None, run: str) -> Face:
    """`run`: the command that starts a core."""
    message = error.message if error else ""
    answered = error is not None and error.code != CoreUnreachable.code
    hint = error.hint if error is not None and answered else ""
    hint = hint or _("Start one with `{run}`, or leave with ^q and open the console again.").format(run=run)
    return Face(
        FaceKind.DISCONNECTED,
        _("The core can't say how it is") if answered else _("The core doesn't answer"),
        f"{message}\n{hint}\n\n" + _("Trying again … press ^r to try now."),
    )


_SIGNS = {
    FaceKind.LOADING: ("…", DIM),
    FaceKind.EMPTY: ("·", STRONG),
    FaceKind.ERROR: ("✗", BAD),
    FaceKind.DISCONNECTED: ("✗", WARN),
}


class FaceView(Middle):
    def __init__(self) -> None:
        super().__init__(classes="face")
        self.display = False
        self._shown: Face | None = None

    def compose(self) -> ComposeResult:
        with Center():
            yield Static(classes="face-text")

    def show(self, face: Face | None) -> None:
        """Show this face; None: hide, since there is something to show."""
        self.display = face is not None
        if face is not None and face != self._shown:
            sign, tone = _SIGNS[face.kind]
            body = Content.assemble((f"{sign} {face.title}", tone), "\n\n" if face.text else "", face.text)
            self.query_one(Static).update(body)
        self._shown = face

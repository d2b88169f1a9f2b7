"""The one place where errors become toasts: what happened, and what to do."""

from typing import Any

from textual.app import App
from textual.widget import Widget

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_tui.i18n import _

ERROR_SHOWN_S = 12.0


def toast_error(where: App[Any] | Widget, error: PhoenixError | ErrorView) -> None:
    view = error if isinstance(error, ErrorView) else error.view()
    where.notify(
        f"{view.message}\n{view.hint}".strip(),
        title=_("That didn't work"),
        severity="error",
        timeout=ERROR_SHOWN_S,
        markup=False,
    )

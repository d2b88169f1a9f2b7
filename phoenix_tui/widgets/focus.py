"""Puts the focus where it is to be at once. `Widget.focus` does it after the keys that have arrived by then, which go
to the widget that had it before: what somebody types right behind `/` would be lost."""

from textual.widget import Widget


def focus_now(widget: Widget) -> None:
    widget.screen.set_focus(widget)

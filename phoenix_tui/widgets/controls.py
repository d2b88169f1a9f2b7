"""Buttons, check boxes and radio buttons of one line, whose state and focus read without colour."""

from typing import Literal

from textual.content import Content
from textual.widgets import Button, Checkbox, RadioButton
from textual.widgets._toggle_button import ToggleButton


class PushButton(Button):
    """`[ Start ]`; focused, it is shown in reverse."""

    def __init__(
        self,
        label: str,
        *,
        id: str,  # noqa: A002 (the name that all widgets have for it)
        variant: Literal["default", "primary", "error"] = "default",
        disabled: bool = False,
    ) -> None:
        super().__init__(Content(f"[ {label} ]"), id=id, variant=variant, disabled=disabled, compact=True)


def _mark(toggle: ToggleButton, left: str, on: str, right: str) -> Content:
    style = toggle.get_visual_style("toggle--button")
    return Content.assemble((f"{left}{on if toggle.value else ' '}{right}", style))


class CheckMark(Checkbox):
    """`[x] Label`."""

    def __init__(self, label: str, *, id: str) -> None:  # noqa: A002
        super().__init__(Content(label), id=id, compact=True)

    @property
    def _button(self) -> Content:
        return _mark(self, "[", "x", "]")


class RadioMark(RadioButton):
    """`(•) Label`."""

    def __init__(self, label: str, *, id: str, value: bool = False) -> None:  # noqa: A002
        super().__init__(Content(label), value=value, id=id, compact=True)

    @property
    def _button(self) -> Content:
        return _mark(self, "(", "•", ")")

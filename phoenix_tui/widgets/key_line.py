"""The line at the bottom: what can be done here, with its keys.

One widget, where the stock footer makes one for each key anew whenever the focus moves."""

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static


class KeyLine(Static):
    def __init__(self) -> None:
        super().__init__(id="keys")
        self._shown: list[tuple[str, str, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._follow)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _follow(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        keys = [
            (each.binding.key, self.app.get_key_display(each.binding), each.binding.description)
            for each in screen.active_bindings.values()
            if each.binding.show and each.enabled
        ]
        if keys != self._shown:
            self._shown = keys
            self.update(Content.assemble(*(_key(display, label) for _name, display, label in keys)))

    def on_click(self, event: events.Click) -> None:
        """For those who have a mouse: as if the key was pressed."""
        right = 0
        for key, display, label in self._shown:
            right += _key(display, label).cell_length
            if event.x < right:
                self.app.simulate_key(key)
                return


def _key(display: str, label: str) -> Content:
    return Content.assemble((f" {display} ", "bold $footer-key-foreground"), f"{label} ")

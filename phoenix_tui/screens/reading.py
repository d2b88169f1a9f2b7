"""A screen that shows what the model doesn't hold: it asks the core when it comes to the front, and upon news of it."""

from typing import ClassVar

from phoenix_tui.background import in_background
from phoenix_tui.messages import CoreChanged
from phoenix_tui.model import Topic
from phoenix_tui.screens.base import ConsoleScreen


class ReadingScreen(ConsoleScreen):
    """Subclasses give `fetch`, which ends with `update_view`."""

    read_upon: ClassVar[frozenset[Topic]] = frozenset()
    """News upon which it reads, beside those that say that anything may be stale."""

    async def fetch(self) -> None:
        raise NotImplementedError

    def read(self) -> None:
        """In place of a reading that is under way."""
        in_background(self, self.fetch, f"read what {self.place} shows")

    def on_screen_resume(self) -> None:  # that of the class above is called by Textual
        self.read()

    def on_news(self, changed: CoreChanged) -> None:
        if changed.topics & (self.read_upon | {Topic.RESET}):
            self.read()

"""The command palette: every action that can be done here, found by what it says."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.actions import parse
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from phoenix_tui.actions import Action, actions_of
from phoenix_tui.themes import THEMES


class ActionCommands(Provider):
    """The actions of this screen first, then those of the whole console."""

    def _possible(self) -> Iterator[Action]:
        seen: set[str] = set()
        for place in (getattr(self.screen, "place", ""), "app"):
            for action in actions_of(place):
                if action.description not in seen and self._may(action):
                    seen.add(action.description)
                    yield action

    def _may(self, action: Action) -> bool:
        if _of_app(action):
            return True
        return bool(self.screen.check_action(action.handler.partition("(")[0], ()))

    def _run(self, action: Action) -> partial[Any]:
        """What is for everywhere is done here without regard to its key, which a form in front takes away."""
        if not _of_app(action):
            return partial(self.app.run_action, action.handler, self.screen)
        _namespace, name, parameters = parse(action.handler.removeprefix("app."))
        return partial(getattr(self.app, f"action_{name}"), *parameters)

    async def discover(self) -> Hits:
        for action in self._possible():
            yield DiscoveryHit(self._display(action), self._run(action), text=action.description)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._possible():
            score = matcher.match(action.description)
            if score > 0:
                yield Hit(score, matcher.highlight(self._display(action)), self._run(action), text=action.description)

    def _display(self, action: Action) -> str:
        return f"{action.description}  ({self.app.get_key_display(Binding(action.key, action.handler))})"


def _of_app(action: Action) -> bool:
    return action.place == "app" or action.handler.startswith("app.")


class ThemeCommands(Provider):
    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for theme, title in THEMES.items():
            score = matcher.match(title)
            if score > 0:
                choose = partial(self.app.run_action, f"choose_theme('{theme}')", self.app)
                yield Hit(score, matcher.highlight(title), choose)

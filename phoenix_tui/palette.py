"""The command palette: every action that can be done here, found by what it says."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.actions import parse
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.fuzzy import Matcher

from phoenix_tui.actions import Action, actions_of
from phoenix_tui.i18n import _
from phoenix_tui.model import CoreModel
from phoenix_tui.moving import MovingApp
from phoenix_tui.themes import THEMES
from phoenix_tui.widgets.top_bar import MAIN_SCREENS

WITHOUT_A_ROW = "vault"
"""The main screen whose actions are about it as a whole."""
_OF_SERVER = {
    "backup": _("Back up {name}"),
    "restore": _("Restore files of {name}"),
    "jobs": _("Show the jobs of {name}"),
    "snapshots": _("Show the snapshots of {name}"),
    "drill": _("Try out a restore of {name}"),
    "retention": _("Show which snapshots of {name} stay"),
}


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
            score = _score(matcher, action)
            if score > 0:
                yield Hit(score, matcher.highlight(self._display(action)), self._run(action), text=action.description)

    def _display(self, action: Action) -> str:
        return f"{action.description}  ({self.app.get_key_display(Binding(action.key, action.handler))})"


def _of_app(action: Action) -> bool:
    return action.place == "app" or action.handler.startswith("app.")


def _score(matcher: Matcher, action: Action) -> float:
    """By its sentence, or by the word that stands at its key."""
    return max(matcher.match(action.description), matcher.match(action.label))


class ElsewhereCommands(Provider):
    """What the other main screens offer: it is done there where it needs no chosen row, else the screen is shown."""

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        here = getattr(self.screen, "place", "")
        seen = {action.description for place in (here, "app", "dashboard") for action in actions_of(place)}
        for place, title in MAIN_SCREENS:
            for action in actions_of(place):
                score = _score(matcher, action)
                if place == here or action.description in seen or score <= 0:
                    continue
                seen.add(action.description)
                done = f", '{action.handler}'" if place == WITHOUT_A_ROW else ""
                do = partial(self.app.run_action, f"do_on('{place}'{done})", self.app)
                yield Hit(score, matcher.highlight(f"{action.description}  ({title})"), do, text=action.description)


class ServerCommands(Provider):
    """What can be done with a server, by its name."""

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        model = self.app.context.live.model if isinstance(self.app, MovingApp) else CoreModel()
        for server in model.servers_by_name():
            for what, text in _OF_SERVER.items():
                told = text.format(name=server.name)
                score = matcher.match(told)
                if score > 0 and not server.revoked:
                    do = partial(self.app.run_action, f"of_server({what!r}, {server.id!r})", self.app)
                    yield Hit(score, matcher.highlight(told), do, text=told)


class ThemeCommands(Provider):
    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for theme, title in THEMES.items():
            score = matcher.match(title)
            if score > 0:
                choose = partial(self.app.run_action, f"choose_theme('{theme}')", self.app)
                yield Hit(score, matcher.highlight(title), choose)

"""What a screen asked for comes in while it is being taken away."""

import asyncio
from collections.abc import Callable

import pytest

from phoenix_tui.messages import CoreChanged
from phoenix_tui.model import Topic
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.screens.diff import DiffScreen
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.widgets.key_line import KeyLine
from phoenix_tui.widgets.top_bar import TopBar
from tests.tui import sample
from tests.tui.conftest import PATIENCE_S, ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore

SCREENS: dict[str, tuple[type[ConsoleScreen], tuple[str, ...]]] = {
    "restore": (RestoreScreen, ("r",)),
    "job": (JobScreen, ("3", "enter")),
    "changes": (DiffScreen, ("4", "d")),
}


class SlowToGo:
    """Keeps a screen half taken away: its last widget goes only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_go = asyncio.Event()
        self.is_going = asyncio.Event()
        unmounted = KeyLine.on_unmount

        async def wait(line: KeyLine) -> None:
            unmounted(line)
            self.is_going.set()
            await self.may_go.wait()

        monkeypatch.setattr(KeyLine, "on_unmount", wait)


async def opened(pilot: ConsolePilot, core: ScriptedCore, name: str) -> None:
    """The screen, whose reading is held up."""
    kind, keys = SCREENS[name]
    if name == "changes":
        await pilot.press(keys[0])
        await until(pilot, lambda: pilot.app.screen.query_one("#detail-part").display)
        keys = keys[1:]
    *before, last = keys
    await pilot.press(*before)
    core.held.clear()
    await pilot.press(last)
    await until(pilot, lambda: isinstance(pilot.app.screen, kind) and bool(pilot.app.screen.query(TopBar)))


async def meanwhile(condition: Callable[[], bool]) -> None:
    """As `until`, while the console waits for the screen to be gone."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (several widgets and workers, none of which tells)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("name", SCREENS)
async def test_an_answer_that_comes_in_then_is_no_crash(
    name: str, core: ScriptedCore, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowToGo(monkeypatch)
    async with open_console() as pilot:
        await opened(pilot, core, name)
        screen = pilot.app.screen
        pilot.app.simulate_key("escape")
        await meanwhile(lambda: slow.is_going.is_set() and not screen.query(TopBar))
        core.held.set()
        await meanwhile(lambda: not any(each.node is screen for each in pilot.app.workers if each.is_running))
        slow.may_go.set()
        await until(pilot, lambda: not screen.is_attached)
        assert pilot.app.is_running


async def test_screens_come_and_go_while_the_core_has_news(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console(repaint_s=0.0) as pilot:
        for key in ["r", "b", "question_mark", "3", "enter"] * 6:
            for number in range(5):
                core.put_job(sample.RUNNING)
                core.send("snapshot", snapshot=sample.SNAPSHOTS[number % 3])
                for screen in pilot.app.screen_stack:
                    screen.post_message(CoreChanged(frozenset(Topic), {}))
            pilot.app.simulate_key(key)
            await asyncio.sleep(0)
            pilot.app.simulate_key("escape")
        await until(pilot, pilot.app._message_queue.empty)
        assert pilot.app._exception is None

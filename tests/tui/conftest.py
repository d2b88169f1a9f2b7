"""A scripted core, a console on it, and pictures of its screens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from phoenix_tui.app import Console
from phoenix_tui.dialogs.leave import Leaving
from phoenix_tui.first_steps import bare_command
from tests.tui import sample
from tests.tui.pictures import Album
from tests.tui.scripted_core import ScriptedCore

ConsolePilot = Pilot[Leaving]
OpenConsole = Callable[..., AbstractAsyncContextManager[ConsolePilot]]
PATIENCE_S = 15.0


class FixedClock:
    def now(self) -> datetime:
        return sample.NOW

    def monotonic_s(self) -> float:
        return 0.0


async def until(pilot: ConsolePilot, condition: Callable[[], Any]) -> None:
    """Let the console work until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await pilot.pause(0.01)
    await pilot.pause()


def console_of(pilot: ConsolePilot) -> Console:
    app = pilot.app
    assert isinstance(app, Console)
    return app


@pytest.fixture(autouse=True)
def _quick_to_see_that_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long Textual's pilot watches before it takes the process for idle; what matters is waited for by `until`."""
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.005)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 0.0005)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a terminal may say of itself changes no picture."""
    for name in ("NO_COLOR", "TEXTUAL", "TEXTUAL_THEME", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_ANIMATIONS"):
        monkeypatch.delenv(name, raising=False)


@pytest_asyncio.fixture
async def core(tmp_path: Path) -> AsyncIterator[ScriptedCore]:
    """Runs; a test may stop and start it."""
    scripted = ScriptedCore(tmp_path / "core.sock")
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
def open_console(tmp_path: Path) -> OpenConsole:
    """Opens a console on the core, with its model loaded unless told not to wait."""

    @asynccontextmanager
    async def opened(
        *,
        size: tuple[int, int] = (80, 24),
        embedded: bool = False,
        wait: bool = True,
        socket: Path | None = None,
        repaint_s: float = 0.02,
        command: Callable[..., str] = bare_command,
    ) -> AsyncIterator[ConsolePilot]:
        app = Console(
            tmp_path,
            embedded=embedded,
            socket_path=socket,
            clock=FixedClock(),
            zone=sample.CET,
            command=command,
            repaint_interval_s=repaint_s,
        )
        async with app.run_test(size=size, notifications=True) as pilot:
            if wait:
                await until(pilot, lambda: app.live.model.loaded)
                await pilot.pause()
            yield pilot

    return opened


@pytest.fixture
def album(request: pytest.FixtureRequest) -> Album:
    """Compares what a console shows with the picture kept of it; `--snapshot-update` keeps new ones."""
    return Album(update=bool(request.config.getoption("update_snapshots")))


async def picture_of(pilot: ConsolePilot) -> str:
    """The screen as it stands, without a blinking cursor."""
    for field in [*pilot.app.screen.query(Input), *pilot.app.screen.query(TextArea)]:
        field.cursor_blink = False
    await pilot.pause()
    return pilot.app.export_screenshot()

"""A core that goes away and comes back."""

import msgspec

from phoenix_core.domain.states import JobState
from phoenix_tui.model import Connection
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.widgets.banner import Banner
from phoenix_tui.widgets.face import FaceView
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore


def connection(pilot: ConsolePilot) -> Connection:
    return console_of(pilot).live.model.connection


def screen_of(pilot: ConsolePilot) -> ConsoleScreen:
    screen = pilot.app.screen
    assert isinstance(screen, ConsoleScreen)
    return screen


async def test_without_a_core_the_console_says_so_and_connects_once_there_is_one(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    await core.stop()
    async with open_console(wait=False) as pilot:
        await until(pilot, lambda: connection(pilot) is Connection.DISCONNECTED)
        face = screen_of(pilot).query_one(FaceView)
        await until(pilot, lambda: face.display)
        assert not screen_of(pilot).query_one("#body").display
        await core.start()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: connection(pilot) is Connection.CONNECTED)
        await until(pilot, lambda: screen_of(pilot).query_one("#body").display)
        assert not face.display


async def test_what_was_known_stays_in_sight_while_the_core_is_away(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await core.stop()
        banner = screen_of(pilot).query_one(Banner)
        await until(pilot, lambda: banner.display)
        assert screen_of(pilot).query_one("#body").display
        assert console_of(pilot).live.model.jobs


async def test_reconnect_goes_on_after_the_last_event(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        core.send("server", server=sample.WEB1)
        last = core.number
        await until(pilot, lambda: console_of(pilot).live._after == last)
        await core.stop()
        await until(pilot, lambda: connection(pilot) is Connection.DISCONNECTED)
        await core.start()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: connection(pilot) is Connection.CONNECTED)
        await until(pilot, lambda: core.subscribers)
        assert core.asked("GET", "/v1/events")[-1] == {"after": str(last)}
        core.put_job(msgspec.structs.replace(sample.RUNNING, state=JobState.SUCCESSFUL, finished_at=sample.NOW))
        await until(pilot, lambda: console_of(pilot).live.model.jobs[sample.RUNNING.id].state.is_final)
        await until(pilot, lambda: not screen_of(pilot).query_one(Banner).display)


async def test_reset_reads_everything_anew(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        del core.jobs[sample.WAITING.id]
        core.servers[sample.DB1.id] = msgspec.structs.replace(sample.DB1, connected=True)
        core.send("reset")
        model = console_of(pilot).live.model
        await until(pilot, lambda: sample.WAITING.id not in model.jobs)
        assert model.servers[sample.DB1.id].connected


async def test_an_answer_of_another_version_is_no_crash(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        core.settings = {"x": "not a setting"}  # type: ignore[dict-item]
        await pilot.press("6")
        face = screen_of(pilot).query_one(FaceView)
        await until(pilot, lambda: face.display and "of another version" in str(face.query_one("Static").render()))


async def test_an_error_of_the_core_is_told_while_it_lasts(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        banner = screen_of(pilot).query_one(Banner)
        core.refuse["/v1/servers"] = sample.NO_SPACE
        await pilot.press("ctrl+r")
        await until(pilot, lambda: banner.display)
        assert sample.NO_SPACE.message in str(banner.render())
        core.refuse.clear()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not banner.display)


async def test_an_action_while_the_core_is_away_says_what_to_do(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await core.stop()
        await until(pilot, lambda: connection(pilot) is Connection.DISCONNECTED)
        await pilot.press("5", "p")
        await until(pilot, lambda: pilot.app._notifications)
        (told,) = pilot.app._notifications
        assert "phoenix core run" in told.message


async def test_while_the_core_is_away_it_says_how_to_have_one_again(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console(command=lambda *words: " ".join(("phoenix", *words, "--data /srv/p"))) as pilot:
        await core.stop()
        banner = screen_of(pilot).query_one(Banner)
        await until(pilot, lambda: banner.display)
        assert "phoenix core run --data /srv/p" in str(banner.render())
        assert "open the console again" in str(banner.render())
        assert banner.size.height >= 2

"""A console on a new data directory: which commands it gives, and that they can work."""

import msgspec
import pytest

from phoenix_core.domain.errors import ErrorView
from phoenix_tui.dialogs.new_server import NewServer
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import INSTALL_LINE, ScriptedCore
from tests.tui.test_live_updates import shown

DATA = "--data /srv/phoenix"


def typed(*words: str) -> str:
    return " ".join(("phoenix", *words, DATA))


@pytest.fixture
def new_core(core: ScriptedCore) -> ScriptedCore:
    """Inside the console, with nothing in it."""
    core.status = msgspec.structs.replace(sample.STATUS, embedded=True)
    core.vault = None
    core.servers.clear()
    core.jobs.clear()
    core.snapshots.clear()
    return core


async def test_without_a_vault_it_says_how_to_begin(new_core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console(command=typed) as pilot:
        for key in ("1", "2", "5", "b"):
            await pilot.press(key)
            await until(pilot, lambda: f"phoenix quickstart {DATA}" in shown(pilot))
            assert f"phoenix vault init {DATA}" in shown(pilot)
            assert "Leave the console with q" in shown(pilot)


async def test_without_a_vault_a_core_that_runs_by_itself_is_to_be_stopped(
    new_core: ScriptedCore, open_console: OpenConsole
) -> None:
    new_core.status = sample.STATUS
    async with open_console(command=typed) as pilot:
        await until(pilot, lambda: f"phoenix core stop {DATA}" in shown(pilot))


async def open_dialog(pilot: ConsolePilot) -> None:
    await pilot.press("2", "n")
    await until(pilot, lambda: isinstance(pilot.app.screen, NewServer) and "Protect a new server" in shown(pilot))


async def test_a_core_inside_a_console_gives_no_token(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.status = msgspec.structs.replace(sample.STATUS, embedded=True)
    async with open_console(command=typed) as pilot:
        await open_dialog(pilot)
        assert f"phoenix core run {DATA}" in shown(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, NewServer))
    assert core.asked("POST", "/v1/activation-tokens") == []


@pytest.mark.parametrize("key", ["enter", "c"])
async def test_the_line_for_a_new_server_can_be_copied_whole(
    key: str, core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await open_dialog(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "as one line:" in shown(pilot))
        assert "Copy it" in shown(pilot)
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.clipboard)
        assert pilot.app.clipboard == INSTALL_LINE
    assert core.asked("POST", "/v1/activation-tokens")[0]["install"] is True


async def test_without_wheels_the_dialog_says_how_to_make_them(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.refuse["/v1/activation-tokens"] = ErrorView(
        code="bundle_missing", message="The core has no wheels for other servers yet.", hint="Make them."
    )
    async with open_console(command=typed) as pilot:
        await open_dialog(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: f"phoenix core bundle {DATA}" in shown(pilot))
        core.refuse.clear()
        await pilot.press("enter")
        await until(pilot, lambda: "as one line:" in shown(pilot))

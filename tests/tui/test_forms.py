"""Forms: keys beside a field change nothing, and what was put in is not lost unasked."""

from textual.command import CommandPalette
from textual.widgets import Input, OptionList

from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.leave import LeaveDialog
from phoenix_tui.screens.backup import BackupScreen
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.widgets.key_line import KeyLine
from phoenix_tui.widgets.restore_files import RestoreFiles
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore

LETTERS = ("r", "b", "q", "question_mark", "1", "2", "3", "4", "5", "6")


async def open_form(pilot: ConsolePilot) -> BackupScreen:
    await pilot.press("2", "end", "b")
    await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "start")
    screen = pilot.app.screen
    assert isinstance(screen, BackupScreen)
    return screen


async def select_a_folder(pilot: ConsolePilot) -> RestoreScreen:
    """In the restore screen."""
    await pilot.press("4")
    await until(pilot, lambda: pilot.app.screen.query_one("#detail-part").display)
    await pilot.press("enter")
    await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "tree")
    screen = pilot.app.screen
    assert isinstance(screen, RestoreScreen)
    await until(pilot, lambda: screen.query_one(RestoreFiles).contents.row_count == 2)
    await pilot.press("space")
    return screen


async def test_letters_typed_beside_a_field_leave_the_form_alone(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        screen = await open_form(pilot)
        await pilot.press(*LETTERS)
        await pilot.pause()
        assert pilot.app.screen is screen
        assert "Leave" not in str(screen.query_one(KeyLine).render()).replace("Leave out", "")


async def test_letters_typed_beside_a_field_keep_the_selection_of_a_restore(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        screen = await select_a_folder(pilot)
        await pilot.press(*LETTERS)
        await pilot.pause()
        assert pilot.app.screen is screen
        assert screen.query_one(RestoreFiles).selected == ("/etc",)


async def test_a_restore_with_a_selection_is_left_only_after_a_question(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        screen = await select_a_folder(pilot)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "snapshots")


async def test_the_palette_goes_elsewhere_from_a_form(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_form(pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        options = pilot.app.screen.query_one(OptionList)
        await pilot.press(*"show the vault")
        await until(
            pilot,
            lambda: options.option_count and "Show the vault" in str(options.get_option_at_index(0).prompt),
        )
        await pilot.press("enter")
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "vault")


async def test_the_console_can_be_left_from_a_form(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console(embedded=True) as pilot:
        await open_form(pilot)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(pilot.app.screen, LeaveDialog))


async def test_coming_back_to_the_folder_goes_on_behind_it(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        screen = await select_a_folder(pilot)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: screen.step == "target")
        await pilot.press("down", "enter", "slash", *"srv", "shift+tab", "tab", "slash", "x")
        assert screen.query_one("#folder", Input).value == "/srv/x"

"""The table of actions: one place for keys, footer, palette and help."""

import inspect
from collections import Counter

import pytest
from textual.command import CommandPalette
from textual.widgets import OptionList

from phoenix_core.domain.states import JobState, StepState
from phoenix_tui.actions import ACTIONS, PLACES, actions_of
from phoenix_tui.app import Console
from phoenix_tui.dialogs.change_setting import ChangeSetting
from phoenix_tui.dialogs.channel_test import ChannelTest
from phoenix_tui.dialogs.choose import Choose
from phoenix_tui.dialogs.config_changes import ConfigChanges
from phoenix_tui.dialogs.config_files import LoadConfig, SaveConfig
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.edit_notification import EditNotification
from phoenix_tui.dialogs.edit_policy import EditPolicy
from phoenix_tui.dialogs.leave import LeaveDialog
from phoenix_tui.dialogs.new_drill import NewDrill
from phoenix_tui.dialogs.new_server import NewServer
from phoenix_tui.dialogs.rule_test import RuleTest
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.screens import (
    alerts,
    backup,
    compare,
    dashboard,
    diff,
    find,
    job,
    jobs,
    notifications,
    policies,
    restore,
    retention,
    servers,
    settings,
    snapshots,
    vault,
)
from phoenix_tui.screens import help as help_screen
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.screens.help import HelpScreen
from phoenix_tui.screens.jobs import JobsScreen
from phoenix_tui.signs import job_sign, step_sign
from phoenix_tui.widgets.key_line import KeyLine
from phoenix_tui.widgets.log_view import LogView
from phoenix_tui.widgets.row_table import RowTable
from phoenix_tui.widgets.snapshot_tree import SnapshotTree
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore

MODULES = (
    alerts,
    backup,
    compare,
    dashboard,
    diff,
    find,
    help_screen,
    job,
    jobs,
    notifications,
    policies,
    restore,
    retention,
    servers,
    settings,
    snapshots,
    vault,
)
SCREENS = {
    screen.place: screen
    for module in MODULES
    for _name, screen in inspect.getmembers(module, inspect.isclass)
    if issubclass(screen, ConsoleScreen) and screen.place
}
OWNERS: dict[str, type] = {
    **SCREENS,
    "table": RowTable,
    "tree": SnapshotTree,
    "dialog": TypedConfirm,
    "ruletest": RuleTest,
    "token": NewServer,
}
DIALOGS = (
    ChangeSetting,
    ChannelTest,
    Choose,
    ConfigChanges,
    Confirm,
    EditNotification,
    EditPolicy,
    LeaveDialog,
    LoadConfig,
    NewDrill,
    NewServer,
    RuleTest,
    SaveConfig,
    TypedConfirm,
)


@pytest.mark.parametrize("dialog", DIALOGS)
def test_every_question_can_be_left_by_escape(dialog: type) -> None:
    assert callable(getattr(dialog, "action_refuse", None))


def test_ids_are_unique_and_places_known() -> None:
    assert [name for name, count in Counter(action.id for action in ACTIONS).items() if count > 1] == []
    assert {action.place for action in ACTIONS} == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_keys_are_unique_in_a_place_and_actions_say_what_they_do(place: str) -> None:
    keys = Counter(action.key for action in actions_of(place))
    assert [key for key, count in keys.items() if count > 1] == []
    assert all(action.label and len(action.description) > len(action.label) for action in actions_of(place))


@pytest.mark.parametrize("place", PLACES)
def test_every_action_has_somebody_who_does_it(place: str) -> None:
    for action in actions_of(place):
        target: type = Console if place == "app" or action.handler.startswith("app.") else OWNERS[place]
        name = action.handler.removeprefix("app.").partition("(")[0]
        assert callable(getattr(target, f"action_{name}", None)), action.id


def test_states_differ_in_word_and_read_without_colour() -> None:
    words = [job_sign(state).word for state in JobState]
    assert len(set(words)) == len(words)
    assert all(job_sign(state).sign for state in JobState)
    assert len({step_sign(state).word for state in StepState}) == len(StepState)


@pytest.mark.parametrize("key", ["1", "2", "3", "4", "5", "6", "7", "8", "9"])
async def test_footer_fits_into_80_columns(key: str, core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press(key)
        line = pilot.app.screen.query_one(KeyLine)
        await until(pilot, lambda: str(line.render()))
        assert len(str(line.render())) <= 80


def prompt_of(options: OptionList, at: int) -> str:
    return str(options.get_option_at_index(at).prompt)


async def test_palette_offers_what_can_be_done_here_and_does_it(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        options = pilot.app.screen.query_one(OptionList)
        await until(pilot, lambda: options.option_count > 5)
        prompts = [prompt_of(options, at) for at in range(options.option_count)]
        assert any("Cancel the chosen job" in prompt for prompt in prompts)
        assert not any("Do anew" in prompt for prompt in prompts)
        await pilot.press(*"show all act")
        await until(pilot, lambda: options.option_count and "Show all, active" in prompt_of(options, 0))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen) and pilot.app.screen.chosen == "active")


async def test_help_names_every_action(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        text = pilot.app.screen.query_one(LogView).text
        assert text.startswith("Jobs (where you come from)")
        missing = [action.id for action in ACTIONS if action.place != "help" and action.description not in text]
        assert missing == []
        await pilot.press("question_mark", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))


async def test_the_line_of_keys_can_be_clicked(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3")
        line = pilot.app.screen.query_one(KeyLine)
        await until(pilot, lambda: "Filter" in str(line.render()))
        await pilot.click(KeyLine, offset=(str(line.render()).index("Filter"), 0))
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen) and pilot.app.screen.chosen == "active")


async def choose_in_palette(pilot: ConsolePilot, text: str, expected: str) -> None:
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
    options = pilot.app.screen.query_one(OptionList)
    await pilot.press(*["space" if letter == " " else letter for letter in text])
    await until(pilot, lambda: options.option_count and expected in prompt_of(options, 0))
    await pilot.press("enter")


async def test_palette_does_on_the_dashboard_what_the_vault_offers(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await choose_in_palette(pilot, "prune", "Plan the deletion of what no snapshot needs  (Vault)")
        await until(pilot, lambda: core.asked("POST", "/v1/vault/prune") == [{"execute": False}])
        assert getattr(pilot.app.screen, "place", "") == "vault"


async def test_palette_shows_the_screen_where_a_row_is_to_be_chosen(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await choose_in_palette(pilot, "change the chosen setting", "Change the chosen setting  (Settings)")
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "settings")


@pytest.mark.parametrize(
    ("text", "expected", "place"),
    [
        ("back up web1", "Back up web1", "backup"),
        ("restore web1", "Restore files of web1", "restore"),
        ("jobs of web1", "Show the jobs of web1", "jobs"),
    ],
)
async def test_palette_finds_a_server_by_its_name(
    text: str, expected: str, place: str, core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await choose_in_palette(pilot, text, expected)
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == place)

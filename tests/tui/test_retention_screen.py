"""Which snapshots stay and why, in the console."""

import msgspec
from textual.widgets import Static

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.policies import Config
from phoenix_core.domain.states import JobKind
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.screens.policies import PoliciesScreen
from phoenix_tui.screens.retention import RetentionScreen
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample, sample_policies
from tests.tui.conftest import ConsolePilot, OpenConsole, picture_of, until
from tests.tui.pictures import Album
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_live_updates import shown
from tests.tui.test_policies_screen import opened


async def in_plan(pilot: ConsolePilot, rows: int) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, RetentionScreen))
    await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count == rows)


def title(pilot: ConsolePilot) -> str:
    return str(pilot.app.screen.query_one("#title", Static).render())


async def test_a_policy_shows_what_stays_and_why_and_what_goes(
    core: ScriptedCore, open_console: OpenConsole, album: Album
) -> None:
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("k")  # on a group: by its policy
        await in_plan(pilot, 4)
        assert "nightly" in title(pilot)
        assert "2 stay, 2 go" in title(pilot)
        assert "daily 1, weekly 1" in shown(pilot)
        album.compare("retention-80x24", await picture_of(pilot))
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: "Folders" in shown(pilot))
        album.compare("retention-120x36", await picture_of(pilot))
        await pilot.press("o")
        await in_plan(pilot, 2)
        assert "✗ goes" in shown(pilot)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RetentionScreen))
        assert core.asked("POST", "/v1/retention") == []
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        assert [job.kind for job in core.jobs.values()][-1] is JobKind.RETENTION
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
        await pilot.press("end", "k")  # a rule keeps nothing
        await pilot.pause()
        assert isinstance(pilot.app.screen, PoliciesScreen)


async def test_a_server_shows_its_own_by_the_policy_of_its_group(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("2", "end", "k")
        await in_plan(pilot, 3)
        assert "nightly · web1" in title(pilot)
        assert "2 stay, 1 go" in title(pilot)
        await pilot.press("escape", "home", "k")  # db1: hourly, of which nothing is known
        await until(pilot, lambda: "There is no snapshot that policy hourly says something of" in shown(pilot))
        core.config = Config()
        await pilot.press("ctrl+r", "escape", "k")
        await until(pilot, lambda: "No policy says what stays of db1" in shown(pilot))
        refused = ErrorView(code="internal", message="The catalog can't be read.", hint="See the log.")
        core.config = sample_policies.CONFIG
        core.refuse["/v1/policies/hourly/retention"] = refused
        await pilot.press("escape", "k")
        await until(pilot, lambda: refused.message in shown(pilot))


async def test_a_list_in_which_nothing_goes_offers_no_removal(core: ScriptedCore, open_console: OpenConsole) -> None:
    stays = msgspec.structs.replace(sample_policies.RETENTION[0], server_name=sample.WEB1.name)
    core.verdicts = {"nightly": (stays,)}
    async with open_console() as pilot:
        await pilot.press("2", "end", "k")
        await in_plan(pilot, 1)
        await pilot.press("p")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RetentionScreen)

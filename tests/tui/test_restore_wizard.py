"""Restore: source, files, destination, check, run."""

import msgspec
import pytest
from textual.widgets import Button, Input, Select

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import JobState
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.widgets.restore_files import RestoreFiles
from phoenix_tui.widgets.row_table import RowTable
from phoenix_tui.widgets.snapshot_tree import SnapshotTree
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_live_updates import shown

SNAPSHOT = sample.SNAPSHOTS[0].id


def screen_of(pilot: ConsolePilot) -> RestoreScreen:
    screen = pilot.app.screen
    assert isinstance(screen, RestoreScreen)
    return screen


async def open_files(pilot: ConsolePilot) -> SnapshotTree:
    """From the list of snapshots to the files of the newest."""
    await pilot.press("4")
    await until(pilot, lambda: pilot.app.screen.query("RowTable") and pilot.app.screen.query_one("RowTable").has_focus)
    await until(pilot, lambda: pilot.app.screen.query_one("#detail-part").display)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and screen_of(pilot).query("#tree"))
    tree = screen_of(pilot).query_one("#tree", SnapshotTree)
    await until(pilot, lambda: tree.row_count == 2 and tree.has_focus)
    return tree


async def end_check(
    pilot: ConsolePilot, core: ScriptedCore, state: JobState, error: ErrorView | None = None, **result: int | str
) -> None:
    await until(pilot, lambda: any(job.title.startswith("Check") for job in core.jobs.values()))
    job = next(job for job in core.jobs.values() if job.title.startswith("Check"))
    core.put_job(msgspec.structs.replace(job, state=state, error=error, result=job.result | result))
    await until(pilot, lambda: console_of(pilot).live.model.jobs[job.id].state is state)


@pytest.mark.parametrize("way", [("tab",), ()], ids=["after tab", "at once"])
async def test_selected_entries_are_checked_and_restored_to_another_folder(
    core: ScriptedCore, open_console: OpenConsole, way: tuple[str, ...]
) -> None:
    async with open_console() as pilot:
        tree = await open_files(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: tree.row_count > 2)
        await pilot.press("down", "down", "space", "end", "space", "ctrl+n")
        await until(pilot, lambda: screen_of(pilot).step == "target")
        await pilot.press("down", "enter", *way, "slash", *"srv", "slash", *"restored")
        assert screen_of(pilot).query_one("#folder", Input).value == "/srv/restored"
        screen_of(pilot).query_one("#rule", Select).value = "keep_both"
        await pilot.press("ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        await end_check(pilot, core, JobState.SUCCESSFUL)
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "begin")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    check, run = core.asked("POST", "/v1/restores")
    assert check == {
        "server": sample.WEB1.id,
        "snapshot": SNAPSHOT,
        "paths": ["/etc/hosts", "/srv"],
        "destination": "/srv/restored",
        "to_server": "",
        "conflict": "keep_both",
        "check_only": True,
    }
    assert run == check | {"check_only": False}


async def test_nothing_is_restored_when_the_check_finds_no_space(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("ctrl+n", "ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        await end_check(pilot, core, JobState.FAILED, sample.NO_SPACE)
        begin = screen_of(pilot).query_one("#begin", Button)
        await until(pilot, lambda: begin.disabled)
        assert pilot.app.focused is screen_of(pilot).query_one("#again")
        shown = str(screen_of(pilot).query_one("#verdict").render())
        assert sample.NO_SPACE.message in shown
        assert sample.NO_SPACE.hint in shown
    assert [body["check_only"] for body in core.asked("POST", "/v1/restores")] == [True]


async def test_the_check_says_what_gives_way(core: ScriptedCore, open_console: OpenConsole) -> None:
    removed = "1 folder with 2 entries is removed for a file of the same name: /r/f."
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("ctrl+n", "ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        await end_check(pilot, core, JobState.SUCCESSFUL, removed_folders=1, removed=removed)
        verdict = screen_of(pilot).query_one("#verdict")
        await until(pilot, lambda: removed in str(verdict.render()))


async def test_the_check_of_a_snapshot_that_went_says_so_in_place(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    gone = ErrorView(code="not_found", message="There is no snapshot named 1234.", hint="See phoenix snapshot list.")
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("ctrl+n")
        core.refuse["/v1/restores"] = gone
        await pilot.press("ctrl+n")
        verdict = screen_of(pilot).query_one("#verdict")
        await until(pilot, lambda: gone.message in str(verdict.render()) and gone.hint in str(verdict.render()))
        assert not screen_of(pilot).query_one("#begin").display
        again = screen_of(pilot).query_one("#again", Button)
        assert pilot.app.focused is again
        core.refuse.clear()
        await pilot.press("enter")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        await end_check(pilot, core, JobState.SUCCESSFUL)
        await until(pilot, lambda: screen_of(pilot).query_one("#begin").display)


async def test_the_chosen_server_keeps_a_sign_while_the_cursor_is_in_the_snapshots(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and screen_of(pilot).query("#servers"))
        servers = screen_of(pilot).query_one("#servers", RowTable)
        await until(pilot, lambda: servers.has_focus)
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen_of(pilot).query_one("#snapshots").has_focus)
        lines = [servers.render_line(y).text for y in range(1, 1 + servers.row_count)]
        assert [line[:1] for line in lines].count("›") == 1
        assert servers.render_line(1 + servers.cursor_at).text.startswith("›")


async def test_restore_to_another_server_needs_server_and_folder(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("ctrl+n", "end", "up", "down", "down", "down", "enter")
        screen = screen_of(pilot)
        await until(pilot, lambda: screen.query_one("#server-row").display)
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert screen.step == "target"
        screen.query_one("#to-server", Select).value = sample.DB1.id
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert screen.step == "target"
        screen.query_one("#folder", Input).value = "/restored"
        await pilot.press("ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
    (body,) = core.asked("POST", "/v1/restores")
    assert (body["to_server"], body["destination"]) == (sample.DB1.id, "/restored")


async def test_search_finds_and_selects_without_opening_folders(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("slash", *"*.mp4", "enter")
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "found")
        await pilot.press("space", "escape")
        files = screen_of(pilot).query_one(RestoreFiles)
        assert files.selected == ("/srv/www/media/teaser-4k.mp4",)
        assert pilot.app.focused is files.contents
        assert files.contents.model.mark("/srv") == "[-]"


async def test_large_folder_is_read_page_by_page_as_it_is_scrolled(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        tree = await open_files(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: tree.row_count == 4)
        await pilot.press("down", "enter")
        await until(pilot, lambda: len(tree.model.folders["/srv/mail"].entries) == 1000)
        pages = [body for body in core.asked("GET", f"/v1/snapshots/{SNAPSHOT}/entries") if body["path"] == "/srv/mail"]
        assert len(pages) == 1
        await pilot.press("end")
        await until(pilot, lambda: len(tree.model.folders["/srv/mail"].entries) == 1200)


async def test_folder_that_cannot_be_read_says_why_and_is_tried_again(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        tree = await open_files(pilot)
        core.refuse[f"/v1/snapshots/{SNAPSHOT}/entries"] = ErrorView(code="x", message="The vault is locked.", hint="")
        await pilot.press("enter")
        await until(pilot, lambda: tree.model.folders["/etc"].problem)
        core.refuse.clear()
        await pilot.press("down", "enter")
        await until(pilot, lambda: tree.model.folders["/etc"].entries)
        assert tree.row_count == 2 + len(core.tree.folders["/etc"])


async def test_escape_goes_back_step_by_step(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("ctrl+n")
        assert screen_of(pilot).step == "target"
        await pilot.press("escape")
        assert screen_of(pilot).step == "files"
        await pilot.press("escape")
        assert screen_of(pilot).step == "source"
        await pilot.press("escape")
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "snapshots")


async def test_selection_of_another_snapshot_starts_empty(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        tree = await open_files(pilot)
        await pilot.press("space", "escape")
        assert tree.model.selected == {"/etc"}
        await pilot.press("end", "enter")
        await until(pilot, lambda: screen_of(pilot).step == "files" and tree.row_count == 2)
        assert tree.model.selected == set()


async def test_the_plan_names_the_rule_that_the_setting_holds(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("ctrl+n", "ctrl+n")
        await until(pilot, lambda: screen_of(pilot).step == "check")
        plan = str(screen_of(pilot).query_one("#plan").render())
        assert f"{core.settings['restore.conflict'].value} (the setting restore.conflict)" in plan


async def test_the_rule_of_the_setting_is_named_where_it_is_chosen(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await open_files(pilot)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: "as the setting restore.conflict says: skip" in shown(pilot))

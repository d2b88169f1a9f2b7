"""What can't be undone wants a name typed, and every question rests on the harmless answer."""

import msgspec
from textual.widgets import Button

from phoenix_core.domain.states import JobKind, JobState
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.screens.job import JobScreen
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore


async def ask(pilot: ConsolePilot, *keys: str) -> TypedConfirm:
    await pilot.press(*keys)
    await until(pilot, lambda: isinstance(pilot.app.screen, TypedConfirm))
    dialog = pilot.app.screen
    assert isinstance(dialog, TypedConfirm)
    return dialog


def is_disabled(button: Button) -> bool:
    return button.disabled


async def test_server_goes_only_once_its_name_was_typed(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        dialog = await ask(pilot, "2", "x")
        yes = dialog.query_one("#yes", Button)
        await pilot.press(*"web1", "enter")
        assert is_disabled(yes)
        assert pilot.app.screen is dialog
        await pilot.press(*(["backspace"] * 4), *"db1", "enter")
        assert not is_disabled(yes)
        await pilot.press("enter")
        await until(pilot, lambda: console_of(pilot).live.model.servers[sample.DB1.id].revoked)
    assert core.asked("DELETE", f"/v1/servers/{sample.DB1.id}") == [{"typed": "db1"}]


async def test_snapshot_goes_only_once_its_id_was_typed(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("4")
        await until(pilot, lambda: pilot.app.screen.query_one("#detail-part").display)
        await ask(pilot, "x")
        await pilot.press("escape")
        await ask(pilot, "x")
        await pilot.press(*sample.SNAPSHOTS[0].id[:12], "enter", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    removed = [(path, body) for verb, path, body in core.requests if verb == "DELETE"]
    gone = sample.SNAPSHOTS[0].id
    assert removed == [(f"/v1/snapshots/{gone}", {"typed": gone[:12]})]


async def test_prune_shows_its_plan_before_it_deletes(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("5", "p")
        await until(pilot, lambda: core.asked("POST", "/v1/vault/prune"))
        plan = next(job for job in core.jobs.values() if job.kind is JobKind.PRUNE)
        result: dict[str, int | float | str | bool] = {"unused_packs": 12, "unused_bytes": 380 * sample.MIB}
        core.put_job(msgspec.structs.replace(plan, state=JobState.SUCCESSFUL, result=result))
        await until(pilot, lambda: isinstance(pilot.app.screen, TypedConfirm))
        text = str(pilot.app.screen.query_one(".dialog-text").render())
        assert "12 packs with 380.0 MiB" in text
        await pilot.press(*"prune", "enter", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    assert [body["execute"] for body in core.asked("POST", "/v1/vault/prune")] == [False, True]


async def test_prune_with_nothing_to_delete_asks_nothing(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("5", "p")
        await until(pilot, lambda: core.asked("POST", "/v1/vault/prune"))
        plan = next(job for job in core.jobs.values() if job.kind is JobKind.PRUNE)
        result: dict[str, int | float | str | bool] = {"unused_packs": 0, "rewrite_packs": 0}
        core.put_job(msgspec.structs.replace(plan, state=JobState.SUCCESSFUL, result=result))
        await until(pilot, lambda: any("nothing to prune" in each.message for each in pilot.app._notifications))
        assert not isinstance(pilot.app.screen, TypedConfirm)


async def test_cancel_of_a_job_rests_on_letting_it_run(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "c")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, Confirm))
        assert core.asked("POST", f"/v1/jobs/{sample.RUNNING.id}/cancel") == []
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        model = console_of(pilot).live.model
        await until(pilot, lambda: model.jobs[sample.RUNNING.id].state is JobState.CANCELLED)


async def test_a_repair_shows_what_can_be_saved_before_it_does_it(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press("5", "m")
        await until(pilot, lambda: core.asked("POST", "/v1/vault/repair"))
        plan = next(job for job in core.jobs.values() if job.kind is JobKind.REPAIR)
        core.put_job(
            msgspec.structs.replace(
                plan,
                state=JobState.SUCCESSFUL_WITH_ERRORS,
                result={"rescue_chunks": 3, "rescue_bytes": 4096, "damaged_index_objects": 1},
            )
        )
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(core.asked("POST", "/v1/vault/repair")) == 2)
    assert [body["execute"] for body in core.asked("POST", "/v1/vault/repair")] == [False, True]


async def test_a_repair_with_nothing_to_save_asks_nothing(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("5", "m")
        await until(pilot, lambda: core.asked("POST", "/v1/vault/repair"))
        plan = next(job for job in core.jobs.values() if job.kind is JobKind.REPAIR)
        core.put_job(msgspec.structs.replace(plan, state=JobState.SUCCESSFUL, result={"rescue_chunks": 0}))
        await until(pilot, lambda: any("would save nothing" in each.message for each in pilot.app._notifications))

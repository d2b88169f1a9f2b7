"""What the console says of the vault and its snapshots is so."""

import msgspec
import pytest

from phoenix_core.domain.states import JobKind, JobState
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.screens.restore import RestoreScreen
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore

IN_ORDER = "The vault is in order"


def shown(pilot: ConsolePilot) -> str:
    """The screen as text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def vault_screen(core: ScriptedCore, open_console: OpenConsole, **values: object) -> str:
    core.vault = msgspec.structs.replace(sample.VAULT, **values)
    async with open_console() as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "Last verify" in shown(pilot))
        return shown(pilot)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lost_snapshots": 1}, "Snapshots are lost"),
        ({"last_verify_state": JobState.FAILED}, "The last verify found damage"),
        ({"damaged_packs": 1}, "Packs are damaged or lost"),
        ({"problem": "Record 7 is gone."}, "Record 7 is gone."),
    ],
)
async def test_a_vault_that_lacks_something_is_not_in_order(
    core: ScriptedCore, open_console: OpenConsole, values: dict[str, object], said: str
) -> None:
    text = await vault_screen(core, open_console, **values)
    assert said in text
    assert IN_ORDER not in text


async def test_a_sound_vault_is_in_order_and_tells_how_deep_it_was_verified(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    text = await vault_screen(core, open_console)
    assert IN_ORDER in text
    assert "no damage, depth packs, 2026-11-21" in text


async def test_a_vault_that_was_never_verified_says_so(core: ScriptedCore, open_console: OpenConsole) -> None:
    never: dict[str, object] = {"last_verify_at": None, "last_verify_state": None, "last_verify_depth": None}
    text = await vault_screen(core, open_console, **never)
    assert "never of all snapshots" in text
    assert "never verified as a whole: press v" in text
    assert IN_ORDER not in text


async def test_a_prune_counts_packs_and_jobs_as_what_they_are(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("5", "p")
        await until(pilot, lambda: core.asked("POST", "/v1/vault/prune"))
        plan = next(job for job in core.jobs.values() if job.kind is JobKind.PRUNE)
        result: dict[str, int | float | str | bool] = {"unused_packs": 1, "rewrite_packs": 2, "held_by_leases": 1}
        core.put_job(msgspec.structs.replace(plan, state=JobState.SUCCESSFUL, result=result))
        await until(pilot, lambda: isinstance(pilot.app.screen, TypedConfirm))
        text = str(pilot.app.screen.query_one(".dialog-text").render())
    assert "1 pack with 0 B is needed by no snapshot and goes." in text
    assert "2 packs with 0 B are mostly unused" in text
    assert "1 job runs: what it may need stays." in text


async def test_a_lost_snapshot_is_shown_in_80_columns_and_not_restored(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    core.snapshots[0] = msgspec.structs.replace(core.snapshots[0], tier="lost", proved=False)
    async with open_console() as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "8b41d0f6a2c9" in shown(pilot))
        line = next(each for each in shown(pilot).splitlines() if "web1" in each)
        assert "✗ lost" in line
        await pilot.press("enter")
        await until(pilot, lambda: any("lost" in each.message for each in pilot.app._notifications))
        assert not isinstance(pilot.app.screen, RestoreScreen)


async def test_the_restore_shows_a_lost_snapshot_rather_than_the_one_before_it_as_the_newest(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    core.snapshots[0] = msgspec.structs.replace(core.snapshots[0], tier="lost", proved=False)
    async with open_console() as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "web1" in shown(pilot))
        await pilot.press("end", "r")
        await until(pilot, lambda: "✗ lost" in shown(pilot))
        screen = pilot.app.screen
        assert isinstance(screen, RestoreScreen)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: any("lost" in each.message for each in pilot.app._notifications))
        assert screen.step == "source"

"""Alerts in the console."""

import msgspec
from textual.widgets import Input, Static

from phoenix_core.domain.errors import ErrorView
from phoenix_tui.dialogs.acknowledge import Acknowledge
from phoenix_tui.screens.alerts import AlertsScreen
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.widgets.face import FaceView
from phoenix_tui.widgets.facts import Facts
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample, sample_policies
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore

CRITICAL, FAILED, AWAY, OVER = sample_policies.ALERTS


async def opened(pilot: ConsolePilot, core: ScriptedCore) -> RowTable[object]:
    for alert in sample_policies.ALERTS:
        core.put_alert(alert)
    await until(pilot, lambda: len(console_of(pilot).live.model.alerts) == 3)
    await pilot.press("8")
    await until(pilot, lambda: isinstance(pilot.app.screen, AlertsScreen))
    table: RowTable[object] = pilot.app.screen.query_one(RowTable)
    await until(pilot, lambda: table.row_count == 4)
    return table


def detail(pilot: ConsolePilot) -> str:
    return str(pilot.app.screen.query_one(Facts).render())


async def test_the_worst_is_first_what_is_over_last_and_each_says_what_to_do(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        table = await opened(pilot, core)
        assert table.keys == [CRITICAL.id, FAILED.id, AWAY.id, OVER.id]
        assert "phoenix vault verify" in detail(pilot)
        await pilot.press("down", "down")
        assert "mara: new power supply on Monday" in detail(pilot)
        await pilot.press("down")
        assert OVER.resolved_why in detail(pilot)
        assert "What to do" not in detail(pilot)


async def test_an_alert_is_on_the_dashboard_until_it_is_over(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        table = pilot.app.screen.query_one("#attention", RowTable)
        key, own = f"alert-{AWAY.id}", f"{AWAY.server_id}-away"
        assert (key in table.keys, own in table.keys) == (False, True)
        core.put_alert(AWAY)
        await until(pilot, lambda: key in table.keys)
        assert own not in table.keys  # the alert says it
        assert pilot.app.screen.query_one("#attention-part").border_title == f"Needs attention ({table.row_count})"
        core.put_alert(msgspec.structs.replace(AWAY, resolved_at=sample.NOW, resolved_why="It is connected again."))
        await until(pilot, lambda: key not in table.keys and own in table.keys)


async def test_alerts_that_can_t_be_read_stay_as_known_and_say_their_age(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        table = await opened(pilot, core)
        core.refuse["/v1/alerts"] = ErrorView(code="internal", message="The catalog is busy.", hint="")
        await pilot.press("ctrl+r")
        line = pilot.app.screen.query_one("#old", Static)
        await until(pilot, lambda: line.display)
        assert "they can't be read now; those that show are of 2026-" in str(line.render())
        assert "The catalog is busy." in str(line.render())
        assert table.row_count == 4
        await pilot.press("1")
        attention = pilot.app.screen.query_one("#attention", RowTable)
        await until(pilot, lambda: {"alerts-old", f"alert-{FAILED.id}"} <= set(attention.keys))
        core.refuse.clear()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "alerts-old" not in attention.keys)


async def test_where_no_alert_could_ever_be_read_none_is_said_to_be(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    unknown = ErrorView(code="unknown_resource", message="The operators' API has no resource /v1/alerts.", hint="")
    core.refuse["/v1/alerts"] = unknown
    async with open_console() as pilot:
        await pilot.press("8")
        face = pilot.app.screen.query_one(FaceView)
        await until(pilot, lambda: face.display and unknown.message in str(face.query_one(Static).render()))


async def test_an_alert_leads_to_its_job(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot, core)
        await pilot.press("j")  # the vault's has none
        assert isinstance(pilot.app.screen, AlertsScreen)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))


async def test_an_alert_is_acknowledged_with_a_note(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot, core)
        await pilot.press("down", "a")
        await until(pilot, lambda: isinstance(pilot.app.screen, Acknowledge))
        pilot.app.screen.query_one(Input).value = "I am on it"
        await pilot.press("enter")
        await until(pilot, lambda: "mara: I am on it" in detail(pilot))
        assert core.asked("POST", f"/v1/alerts/{FAILED.id}/acknowledge") == [{"note": "I am on it"}]
        await pilot.press("end", "a")  # it is over
        assert isinstance(pilot.app.screen, AlertsScreen)


async def test_without_alerts_that_is_said_and_so_is_what_keeps_them_from_being_read(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press("8")
        await until(
            pilot, lambda: "Nothing wants you" in str(pilot.app.screen.query_one(FaceView).query_one(Static).render())
        )
    core.refuse["/v1/alerts"] = ErrorView(code="internal", message="It broke.", hint="Run `phoenix doctor`.")
    async with open_console() as pilot:
        await pilot.press("8")
        await until(pilot, lambda: "It broke." in str(pilot.app.screen.query_one(FaceView).query_one(Static).render()))

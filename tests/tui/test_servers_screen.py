"""The list of servers: whose agent is behind its core, and what is done with one."""

from datetime import timedelta

import msgspec
from textual.widgets import Input

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.versions import Standing
from phoenix_tui.dialogs.choose import Choose
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.new_drill import NewDrill
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.widgets.facts import Facts
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, picture_of, until
from tests.tui.pictures import Album
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_live_updates import shown


def detail(pilot: ConsolePilot) -> str:
    return str(pilot.app.screen.query_one(Facts).render())


async def test_agents_of_older_versions_are_told_apart(core: ScriptedCore, open_console: OpenConsole) -> None:
    behind = msgspec.structs.replace(sample.WEB1, agent_version="0.0.9", version_standing=Standing.BEHIND)
    too_old = msgspec.structs.replace(sample.DB1, agent_version="0.0.1", version_standing=Standing.TOO_OLD)
    core.servers = {server.id: server for server in (behind, too_old)}
    async with open_console() as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "too old" in shown(pilot))
        assert "0.0.1 (too old: not let in)" in shown(pilot)
        await pilot.press("end")
        await until(pilot, lambda: "0.0.9 (behind the core)" in shown(pilot))
        assert "● connected" in shown(pilot)


async def test_a_removed_server_is_brought_back_after_a_question(core: ScriptedCore, open_console: OpenConsole) -> None:
    gone = msgspec.structs.replace(sample.WEB1, revoked=True, connected=False)
    core.servers = {gone.id: gone}
    path = f"/v1/servers/{gone.id}/undelete"
    async with open_console() as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "Bring back" in shown(pilot))
        await pilot.press("z")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, Confirm))
        assert core.asked("POST", path) == []
        await pilot.press("z")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: not console_of(pilot).live.model.servers[gone.id].revoked)
        await until(pilot, lambda: "Bring back" not in shown(pilot))
        assert len(core.asked("POST", path)) == 1


async def test_why_a_server_cannot_be_brought_back_is_said(core: ScriptedCore, open_console: OpenConsole) -> None:
    gone = msgspec.structs.replace(sample.WEB1, revoked=True, connected=False)
    core.servers = {gone.id: gone}
    said = ErrorView(code="removal_final", message="The removal of web1 is final.", hint="Enrol it anew.")
    core.refuse[f"/v1/servers/{gone.id}/undelete"] = said
    async with open_console() as pilot:
        await pilot.press("2", "z")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: said.message in shown(pilot))


async def test_a_removed_server_says_until_when_it_can_be_brought_back(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    """One without snapshots too: the core lists it that long."""
    until_when = sample.NOW + timedelta(days=6)
    gone = msgspec.structs.replace(sample.NAS, revoked=True, connected=False, undo_until=until_when)
    final = msgspec.structs.replace(sample.WEB1, revoked=True, connected=False)
    core.servers = {each.id: each for each in (gone, final)}
    async with open_console() as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "can be brought back (z) until about 2026-11-29 21:02:11 CET" in shown(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "is final" in shown(pilot))


async def test_a_drill_is_tried_out_now(core: ScriptedCore, open_console: OpenConsole, album: Album) -> None:
    async with open_console() as pilot:
        await pilot.press("2", "end", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, NewDrill))
        album.compare("dialog-drill-80x24", await picture_of(pilot))
        form = {str(each.name): each for each in pilot.app.screen.query(Input)}
        form["max_bytes"].value = "much"
        await pilot.press("enter")
        await until(pilot, lambda: "At most: 'much' is no size" in shown(pilot))
        assert core.asked("POST", "/v1/drills") == []
        form["max_bytes"].value = "1G"
        form["sample"].value = "2G"
        form["on"].value = "db1"
        core.refuse["/v1/drills"] = ErrorView(code="no_snapshot", message="web1 has no snapshot.", hint="Make one.")
        await pilot.press("enter")
        await until(pilot, lambda: "web1 has no snapshot. Make one." in shown(pilot))
        core.refuse.clear()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        await pilot.press("escape", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, NewDrill))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    _refused, typed, plain = core.asked("POST", "/v1/drills")
    assert typed == {"server": sample.WEB1.id, "snapshot": "latest", "sample": "2G", "max_bytes": 1 << 30, "on": "db1"}
    assert plain == {"server": sample.WEB1.id, "snapshot": "latest", "sample": "", "max_bytes": -1, "on": ""}


async def test_an_agent_that_is_behind_is_upgraded_and_says_how_that_goes(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    behind = msgspec.structs.replace(sample.WEB1, agent_version="0.0.9", version_standing=Standing.BEHIND)
    too_old = msgspec.structs.replace(sample.DB1, agent_version="0.0.1", version_standing=Standing.TOO_OLD)
    core.servers = {server.id: server for server in (behind, too_old, sample.NAS)}
    away = ErrorView(code="peer_away", message="db1 isn't connected.", hint="Start its agent.")
    core.refuse[f"/v1/servers/{too_old.id}/upgrade"] = away
    async with open_console() as pilot:
        await pilot.press("2", "u")  # db1
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: away.message in shown(pilot))
        await pilot.press("down", "u")  # has the core's version
        await pilot.pause()
        assert not isinstance(pilot.app.screen, Confirm)
        await pilot.press("end", "u")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: core.servers[behind.id].upgrade)
        await until(pilot, lambda: "Upgrade" in detail(pilot) and "upgrade ordered 2026-11-23" in detail(pilot))


async def test_all_agents_that_are_behind_are_upgraded_at_once(core: ScriptedCore, open_console: OpenConsole) -> None:
    behind = [
        msgspec.structs.replace(each, agent_version="0.0.9", version_standing=Standing.BEHIND, connected=True)
        for each in (sample.WEB1, sample.DB1)
    ]
    core.servers = {server.id: server for server in behind}
    denied = ErrorView(code="upgrade_not_allowed", message="Its administrator allows none.", hint="Upgrade it there.")
    core.refuse[f"/v1/servers/{sample.DB1.id}/upgrade"] = denied
    async with open_console() as pilot:
        await pilot.press("2", "u")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "db1: Its administrator allows none." in shown(pilot))
        assert core.servers[sample.WEB1.id].upgrade
        assert len(core.asked("POST", f"/v1/servers/{sample.WEB1.id}/upgrade")) == 1

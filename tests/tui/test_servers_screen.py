"""The list of servers: whose agent is behind its core, and whose isn't let in any more."""

import msgspec

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.versions import Standing
from phoenix_tui.dialogs.confirm import Confirm
from tests.tui import sample
from tests.tui.conftest import OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_live_updates import shown


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

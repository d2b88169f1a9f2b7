"""The list of servers: whose agent is behind its core, and whose isn't let in any more."""

import msgspec

from phoenix_core.domain.versions import Standing
from tests.tui import sample
from tests.tui.conftest import OpenConsole, until
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

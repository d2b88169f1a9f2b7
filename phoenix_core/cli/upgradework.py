"""What `agent upgrade` does."""

import asyncio
from pathlib import Path

from phoenix_core.agent.errors import AgentRunning
from phoenix_core.agent.state import AgentLock
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.cli.output import print_json, say, warn
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.rollout.errors import UpgradeRolledBack
from phoenix_core.rollout.onserver.versions import Versions
from phoenix_core.rollout.program import running_program
from phoenix_core.rollout.services import AGENT_DATA
from phoenix_core.rollout.system import System
from phoenix_core.rollout.upgrade import Upgraded, upgrade

LOOK_S = 0.5


async def upgrade_agent(data: Path | None, *, wait: bool, as_json: bool) -> None:
    """Raises NotEnrolled, NotInstalledHere, NotNewer, UpgradeFailed, UpgradeRolledBack."""
    place = DataDirectory(data or AGENT_DATA)
    tell = warn if as_json else say
    state = await asyncio.to_thread(PeerState.load, place.agent)
    ca_pem = await asyncio.to_thread(state.tls.ca.read_text, "ascii")
    program = running_program()
    done = await asyncio.to_thread(upgrade, program, state.current_urls(), ca_pem, place.root, tell, system=System())
    assert program.versions is not None
    versions = Versions(program.versions.prefix)
    running = await asyncio.to_thread(_is_running, place.agent)
    if wait and running and versions.trial() is not None:
        tell("The agent restarts as soon as it works on no job. Waiting for its core to greet the new version ...")
        await _confirmed(versions, done)
    if as_json:
        print_json(done)
    else:
        say(_told(done, running=running, waited=wait))


async def _confirmed(versions: Versions, done: Upgraded) -> None:
    while True:
        if await asyncio.to_thread(versions.rolled_back) == done.name:
            raise UpgradeRolledBack(version=done.version, previous=versions.current)
        if await asyncio.to_thread(versions.trial) is None:
            return
        await asyncio.sleep(LOOK_S)


def _told(done: Upgraded, *, running: bool, waited: bool) -> str:
    if done.previous == done.name:
        return f"Version {done.version} is in use already."
    if not running:
        return f"Version {done.version} is in use from the agent's next start on; it doesn't run now."
    if not waited:
        return f"Version {done.version} is in place; the agent restarts with it as soon as it works on no job."
    return f"The agent runs version {done.version}."


def _is_running(state: Path) -> bool:
    lock = AgentLock(state)
    try:
        lock.acquire()
    except AgentRunning:
        return True
    lock.release()
    return False

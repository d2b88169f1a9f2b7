"""What `agent upgrade` does."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from phoenix_core.agent.state import AgentLock
from phoenix_core.agent.versionwatch import TRIAL_S
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.cli.output import print_json, say, warn
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.rollout.errors import UpgradeRolledBack, UpgradeUnconfirmed
from phoenix_core.rollout.onserver.versions import TRIES, Versions
from phoenix_core.rollout.program import running_program
from phoenix_core.rollout.services import AGENT_DATA
from phoenix_core.rollout.system import System
from phoenix_core.rollout.upgrade import Upgraded, upgrade


class Patience(msgspec.Struct, frozen=True):
    """How long a new version is waited for."""

    look_s: float = 0.5
    away_s: float = 60.0
    """So long the agent may be away before it starts with it; while it runs, its jobs take what they take."""
    start_s: float = TRIAL_S + 60.0
    """From one start with the new version to the next, or to the one before again."""


async def upgrade_agent(data: Path | None, *, wait: bool, as_json: bool) -> None:
    """Raises NotEnrolled, NotInstalledHere, NotNewer, UpgradeFailed, UpgradeRolledBack, UpgradeUnconfirmed."""
    place = DataDirectory(data or AGENT_DATA)
    tell = warn if as_json else say
    state = await asyncio.to_thread(PeerState.load, place.agent)
    ca_pem = await asyncio.to_thread(state.tls.ca.read_text, "ascii")
    program = running_program()
    done = await asyncio.to_thread(upgrade, program, state.current_urls(), ca_pem, place.root, tell, system=System())
    assert program.versions is not None
    versions = Versions(program.versions.prefix)
    lock = AgentLock(place.agent)
    running = bool(await asyncio.to_thread(lock.holder))
    if wait and running and versions.trial() is not None:
        tell("The agent restarts as soon as it works on no job. Waiting for its core to greet the new version ...")
        await confirmed(versions, done, lambda: bool(lock.holder()))
    if as_json:
        print_json(done)
    else:
        say(_told(done, running=running, waited=wait))


async def confirmed(
    versions: Versions, done: Upgraded, is_running: Callable[[], bool], patience: Patience | None = None
) -> None:
    """Wait until the core has greeted the version: as long as the agent's jobs take, and then as long as a trial may.

    `is_running`: whether there is an agent. Raises UpgradeRolledBack, UpgradeUnconfirmed."""
    patience = patience or Patience()
    loop = asyncio.get_running_loop()
    left, since_s = TRIES, loop.time()
    while True:
        trial = await asyncio.to_thread(versions.trial)
        if await asyncio.to_thread(versions.rolled_back) == done.name:
            raise UpgradeRolledBack(version=done.version, previous=versions.current)
        if trial is None:
            return
        if trial[0] != done.name:
            raise UpgradeUnconfirmed(version=done.version, detail=f"{trial[0]} was put in use in place of it meanwhile")
        if trial[2] != left:
            left, since_s = trial[2], loop.time()
        waited_s = loop.time() - since_s
        if left == TRIES and waited_s > patience.away_s:
            if not await asyncio.to_thread(is_running):
                raise UpgradeUnconfirmed(version=done.version, detail="there is no agent that would restart with it")
            since_s = loop.time()
        elif waited_s > patience.start_s:
            detail = f"for {waited_s:.0f} seconds its core has not greeted it, nor was it given up"
            raise UpgradeUnconfirmed(version=done.version, detail=detail)
        await asyncio.sleep(patience.look_s)


def _told(done: Upgraded, *, running: bool, waited: bool) -> str:
    if done.previous == done.name:
        return f"Version {done.version} is in use already."
    if not running:
        return f"Version {done.version} is in use from the agent's next start on; it doesn't run now."
    if not waited:
        return f"Version {done.version} is in place; the agent restarts with it as soon as it works on no job."
    return f"The agent runs version {done.version}."

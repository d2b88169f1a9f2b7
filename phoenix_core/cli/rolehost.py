"""Runs a role as a process: its log file, its signals, its end."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix_core.cli.output import print_error, print_json, say, warn
from phoenix_core.domain.errors import EXIT_DONE, EXIT_RESTART, PhoenixError, UsageError
from phoenix_core.host.datadir import CoreLock, DataDirectory
from phoenix_core.host.stopsignals import stop_on_signals

if TYPE_CHECKING:  # on Windows there are no versions side by side
    from phoenix_core.agent.versionwatch import VersionWatch


async def run_core(
    data: DataDirectory, *, quiet: bool, background: bool = False, take_over: bool = False, agent_pid: int = 0
) -> int:
    """Until a signal, or an operator's stop. `background`: it goes on for a console that was left; `agent_pid`: with
    this machine's agent, the process that the console had started, which ends with it."""
    from phoenix_core.cli.corehost import start_core
    from phoenix_core.cli.ownagent import end_agent

    signalled = stop_on_signals()
    core = await start_core(
        data, embedded=background, log_to_terminal=not quiet, take_over=take_over, may_be_stopped=True
    )
    try:
        say(f"The core runs on {data.root}; agents reach it at {', '.join(core.link_urls())}.")
        await _tell_of_vault(data)
        waits = [
            asyncio.create_task(signalled.wait(), name="stop by signal"),
            asyncio.create_task(core.stop_requested.wait(), name="stop by operator"),
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    finally:
        if agent_pid:
            await asyncio.to_thread(end_agent, data, agent_pid)
        await core.stop()
    return EXIT_DONE


async def _tell_of_vault(data: DataDirectory) -> None:
    """Why nothing can be backed up yet, where that is so, and what comes next."""
    from phoenix_core.cli.program import command_line
    from phoenix_core.client import CoreClient
    from phoenix_core.engine.vault_errors import NoVault

    async with CoreClient(data.core_socket) as client:
        try:
            vault = await client.vault()
        except PhoenixError as error:
            if error.view().code == NoVault.code:
                say(f"No vault yet. Stop this core, run {command_line(data, 'vault', 'init')}, and start it again.")
            else:
                warn(f"phoenix: {error.message}\n  {error.what_to_do}")
            return
    if vault.problem:
        warn(f"phoenix: {vault.problem}\n  {command_line(data, 'doctor')} says what to do.")


async def stop_core(data: DataDirectory, *, as_json: bool) -> int:
    """Ask the running core to stop and wait until it has let go of the data directory.

    Raises CoreNotRunning, and CoreEmbedded where it ends with a console or command only."""
    from phoenix_core.cli.attach import attached

    async with attached(data, embed=False) as client:
        pid = (await client.status()).pid
        await client.stop()
    await asyncio.to_thread(CoreLock(data).wait_free)
    if as_json:
        print_json({"stopped": True, "pid": pid})
    else:
        say("The core has stopped.")
    return EXIT_DONE


class _LinkWords:
    """Prints that the agent is connected, and each reason once why it isn't."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def connected(self, name: str) -> None:
        say(f"The agent is connected to its core, as {name}.")
        self._told.clear()

    def down(self, reason: PhoenixError) -> None:
        if reason.message not in self._told:
            self._told.add(reason.message)
            print_error(reason.view(), as_json=False)


async def run_agent_role(
    data: DataDirectory, state: Path | None, scripts: Path | None, *, quiet: bool, allow_upgrade: bool = False
) -> int:
    """`allow_upgrade`: the core's operators may have it upgraded."""
    from phoenix_core.agent.run import run_agent
    from phoenix_core.agent.scripts import DEFAULT_FOLDER
    from phoenix_core.agentlink.peerstate import PeerState
    from phoenix_core.host.logs import configure_logs
    from phoenix_core.host.process import IS_WINDOWS

    if allow_upgrade and state is not None:
        raise UsageError(detail="An agent with --state of its own can't be upgraded by its core.")
    folder = state or data.agent
    await asyncio.to_thread(PeerState.load, folder)  # before anything is made there
    logs = data.logs if state is None else folder / "logs"
    configure_logs(logs, "agent", also_to=sys.stderr if sys.stderr.isatty() and not quiet else None)
    news = None if quiet else _LinkWords()
    versions, upgrade = (None, ()) if IS_WINDOWS else _versions(data, allow_upgrade=allow_upgrade)
    await run_agent(
        folder,
        stop=stop_on_signals(),
        news=news,
        scripts=scripts or DEFAULT_FOLDER,
        versions=versions,
        upgrade_command=upgrade,
    )
    if versions is None or not versions.restart:
        return EXIT_DONE
    say("Another version was put in use: the service starts it.")
    return EXIT_RESTART


def _versions(data: DataDirectory, *, allow_upgrade: bool) -> "tuple[VersionWatch, tuple[str, ...]]":
    """What looks after other versions of this program, and the command that the core's operators may have run."""
    from phoenix_core.agent.versionwatch import VersionWatch
    from phoenix_core.rollout.program import running_program

    program = running_program()
    if not allow_upgrade or program.versions is None:
        return VersionWatch(program), ()
    command = (str(program.path), "agent", "upgrade", "--detach", "--json", "--data", str(data.root))
    return VersionWatch(program), command


async def run_storage_role(data: DataDirectory, *, take_over: bool) -> int:
    from phoenix_core.host.logs import configure_logs
    from phoenix_core.storage.nodeconfig import NodeConfig
    from phoenix_core.storage.run import run_storage_node

    await asyncio.to_thread(NodeConfig.load, data.node)  # before anything is made there
    data.create()
    configure_logs(data.logs, "storage", also_to=sys.stderr if sys.stderr.isatty() else None)
    await run_storage_node(
        data,
        stop_on_signals(),
        take_over=take_over,
        ready=lambda url: say(f"The storage node on {data.root} serves {url}."),
    )
    return EXIT_DONE

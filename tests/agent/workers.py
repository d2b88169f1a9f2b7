"""An agent's worker processes, seen from outside."""

from contextlib import suppress

import psutil


def workers_of(agent: int) -> list[psutil.Process]:
    """The worker processes of the agent with this process id: what its fork server has forked."""
    found: list[psutil.Process] = []
    for server in fork_servers_of(agent):
        with suppress(psutil.NoSuchProcess):
            found += server.children()
    return found


def fork_servers_of(agent: int) -> list[psutil.Process]:
    """One, but where it has died, or when it has not yet begun."""
    found: list[psutil.Process] = []
    for child in psutil.Process(agent).children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any("forkserver" in part for part in child.cmdline()):
                found.append(child)
    return found

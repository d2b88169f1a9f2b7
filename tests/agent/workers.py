"""An agent's worker processes, seen from outside."""

import psutil


def workers_of(agent: int) -> list[psutil.Process]:
    """The worker processes of the agent with this process id: what its fork server has forked."""
    found: list[psutil.Process] = []
    for child in psutil.Process(agent).children():
        try:
            if any("forkserver" in part for part in child.cmdline()):
                found += child.children()
        except psutil.NoSuchProcess:
            continue
    return found

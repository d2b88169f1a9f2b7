"""The agent as a service of Windows: what it is installed as, and the order in which that is done.

The service is this Python itself, not pywin32's `pythonservice.exe`: that one finds its libraries only where an
installer has put them beside it, not in a virtual environment. `sc.exe create` alone would not do, since a program
that doesn't talk to the service manager is ended after 30 s.
"""

import subprocess
from pathlib import Path
from typing import Protocol

import msgspec

from phoenix_core.agent.errors import AgentError

NAME = "PhoenixAgent"
HOST = "phoenix_core.agent.windows.native.servicehost"
RESTARTS_S = (10, 60, 300)
"""After the first, second and every further failure; counted anew after a day."""
FORGET_FAILURES_S = 86400
STOP_WAIT_S = 60
"""How long Windows is asked to wait for jobs to end when the service stops, and when the server shuts down."""
RUNNING, STOPPED = "running", "stopped"
FOLDER_RIGHTS = "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
"""SDDL: the agent's key and state are for the system and the administrators only."""


class ServiceSpec(msgspec.Struct, frozen=True):
    command: str
    """Program and arguments, quoted as Windows does."""
    name: str = NAME
    display: str = "Phoenix agent"
    description: str = "Backs this server up and restores it, as its Phoenix core orders."


class Services(Protocol):
    """What is asked of Windows' service manager. Each may raise `ServiceFailed`."""

    def state(self, name: str) -> str:
        """`running`, `stopped`, or another word; empty: there is no such service."""

    def create(self, spec: ServiceSpec) -> None:
        """With a delayed automatic start, as LocalSystem, and what is to be done when it fails."""

    def change(self, spec: ServiceSpec) -> None:
        """The same for one that is there."""

    def start(self, name: str) -> None:
        """Returns once it runs."""

    def stop(self, name: str) -> None:
        """Returns once it has stopped."""

    def remove(self, name: str) -> None: ...

    def protect(self, folder: Path, sddl: str) -> None:
        """Give a folder these rights, and all that is in it."""


class ServiceFailed(AgentError):
    code = "windows_service_failed"
    template = "The service {name} could not be {what}: {detail}."
    hint = "Run this in an administrator's PowerShell; `Get-WinEvent -LogName System -MaxEvents 20` tells more."


def agent_service(python: Path, state: Path) -> ServiceSpec:
    """`python`: the environment's python.exe. `state`: the agent's folder."""
    return ServiceSpec(subprocess.list2cmdline([str(python), "-m", HOST, str(state)]))


def install(services: Services, spec: ServiceSpec, state: Path, *, start: bool = True) -> list[str]:
    """Make the service what it is to be; what was done, in words. Again, it changes nothing that is right.

    Raises `ServiceFailed`."""
    done: list[str] = []
    services.protect(state, FOLDER_RIGHTS)
    before = services.state(spec.name)
    if before:
        services.change(spec)
        done.append(f"The service {spec.name} was there, and is set up as it should be.")
    else:
        services.create(spec)
        done.append(f"The service {spec.name} was made; it starts with the server.")
    if start and before == RUNNING:
        services.stop(spec.name)
    if start:
        services.start(spec.name)
        done.append("It runs.")
    return done


def uninstall(services: Services, name: str = NAME) -> list[str]:
    """Stop and remove the service; the agent's folder stays. Raises `ServiceFailed`."""
    state = services.state(name)
    if not state:
        return [f"There is no service {name}."]
    if state != STOPPED:
        services.stop(name)
    services.remove(name)
    return [f"The service {name} was stopped and removed."]

"""What `agent install|uninstall` do on a Windows server."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from phoenix_core.agent.windows.service import Services, agent_service, install, uninstall
from phoenix_core.cli.enrolling import enroll_agent
from phoenix_core.cli.output import print_json, say
from phoenix_core.domain.errors import UsageError
from phoenix_core.host.datadir import DataDirectory

DATA = Path("C:/ProgramData/Phoenix")
MakeServices = Callable[[], Services]


def native_services() -> Services:
    """Those of this Windows."""
    from phoenix_core.agent.windows.native.services import NativeServices

    return NativeServices()


async def install_agent(
    data: Path | None,
    *,
    token: str,
    dry_run: bool,
    start: bool,
    as_json: bool,
    services: MakeServices = native_services,
) -> None:
    """Raises ServiceFailed, and what enrolling does."""
    place = DataDirectory(data or DATA)
    spec = agent_service(Path(sys.executable), place.agent)
    if dry_run:
        _tell([f"{spec.name}: {spec.command}"], as_json=as_json)
        return
    if token:
        await enroll_agent(place, token, again=False, keep=True, as_json=False)
    _tell(await asyncio.to_thread(install, services(), spec, place.agent, start=start), as_json=as_json)


async def uninstall_agent(data: Path | None, *, as_json: bool, services: MakeServices = native_services) -> None:
    """The agent's folder stays. Raises ServiceFailed."""
    place = DataDirectory(data or DATA)
    done = await asyncio.to_thread(uninstall, services())
    _tell([*done, f"{place.agent} stays, with its enrolment."], as_json=as_json)


def _tell(done: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"done": done})
        return
    for each in done:
        say(each)


async def refuse_streams() -> None:
    """Raises UsageError."""
    raise UsageError(detail="On Windows no streams can be handed to an agent.")


async def refuse_own_restores() -> None:
    """Raises UsageError."""
    raise UsageError(
        detail="On Windows an agent can't be asked for a restore. Start it at the core: phoenix restore SERVER."
    )

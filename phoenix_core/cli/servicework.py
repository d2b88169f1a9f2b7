"""What `core install|uninstall` and `agent install|uninstall` do."""

import asyncio
import shlex
import sys
from pathlib import Path

from phoenix_core.cli.enrolling import enroll_agent
from phoenix_core.cli.errors import CoreRunning
from phoenix_core.cli.output import print_json, say
from phoenix_core.domain.errors import UsageError
from phoenix_core.host.datadir import CoreLock, DataDirectory
from phoenix_core.host.errors import DataDirectoryInUse
from phoenix_core.host.process import hostname
from phoenix_core.rollout.errors import NameMismatch, ProgramUnfit
from phoenix_core.rollout.program import Program, check_fit, running_program
from phoenix_core.rollout.services import (
    AGENT_DATA,
    AGENT_UNIT,
    CORE_DATA,
    CORE_UNIT,
    AgentService,
    CoreService,
    Installed,
    remove_data,
)
from phoenix_core.rollout.system import File, System


async def install_core(
    data: Path | None, *, root: Path | None, program: Path | None, dry_run: bool, start: bool, as_json: bool
) -> None:
    system = System(root)
    service = CoreService(system, _program(system, program, hidden_homes=True), _absolute(data, CORE_DATA))
    if dry_run:
        _show(system, CORE_UNIT, service.files(), as_json=as_json)
        return
    system.require_root(_typed())
    _tell(await asyncio.to_thread(service.install, start=start), as_json=as_json)


async def install_agent(
    data: Path | None,
    *,
    token: str,
    root: Path | None,
    program: Path | None,
    dry_run: bool,
    start: bool,
    allow_upgrade: bool | None,
    as_json: bool,
) -> None:
    system = System(root)
    place = _absolute(data, AGENT_DATA)
    found = _program(system, program, hidden_homes=False)
    service = AgentService(system, found, place, allow_upgrade=allow_upgrade)
    if dry_run:
        _show(system, AGENT_UNIT, service.files(), as_json=as_json)
        return
    system.require_root(_typed())
    if token:
        if system.root is not None:
            raise UsageError(detail="A host enrols itself: with --root no token can be given.")
        await enroll_agent(DataDirectory(place), token, again=False, keep=True, as_json=False)
    _tell(await asyncio.to_thread(service.install, start=start), as_json=as_json)


async def uninstall_core(data: Path | None, *, root: Path | None, remove_data: str, as_json: bool) -> None:
    system = System(root)
    place = _absolute(data, CORE_DATA)
    system.require_root(_typed())
    _check_name(remove_data)
    service = CoreService(system, Program(Path(sys.prefix)), place)
    gone = await asyncio.to_thread(service.uninstall)
    await _end(system, gone, place, remove=bool(remove_data), as_json=as_json, core=True)


async def uninstall_agent(data: Path | None, *, root: Path | None, remove_data: str, as_json: bool) -> None:
    system = System(root)
    place = _absolute(data, AGENT_DATA)
    system.require_root(_typed())
    _check_name(remove_data)
    service = AgentService(system, running_program(), place)
    gone = await asyncio.to_thread(service.uninstall)
    await _end(system, gone, place, remove=bool(remove_data), as_json=as_json, core=False)


async def _end(system: System, gone: list[str], data: Path, *, remove: bool, as_json: bool, core: bool) -> None:
    there = system.at(data).exists()
    if remove and there:
        if core:
            await asyncio.to_thread(_check_stopped, DataDirectory(system.at(data)))
        await asyncio.to_thread(remove_data, system, data)
        gone.append(str(data))
    if as_json:
        print_json({"removed": gone, "data": None if remove or not there else str(data)})
        return
    for each in gone:
        say(each if each.endswith(".") else f"Removed {each}")
    if not gone:
        say("There was nothing to remove.")
    if there and not remove:
        what = "its vault, catalog and certificates" if core else "its enrolment"
        say(f"{data} stays, with {what}. To delete it too: --remove-data {hostname()}")
    if not core:
        say("At the core, `phoenix server remove` takes the server's certificate back; its snapshots stay.")


def _check_stopped(data: DataDirectory) -> None:
    """Raises CoreRunning: a core that runs without the service has the data still."""
    lock = CoreLock(data)
    try:
        lock.acquire()
    except DataDirectoryInUse as error:
        raise CoreRunning(path=data.root, pid=error.fields["pid"], action="deleting its data") from error
    lock.release()


def _check_name(given: str) -> None:
    if given and given != hostname():
        raise NameMismatch(name=hostname(), given=given)


def _program(system: System, named: Path | None, *, hidden_homes: bool) -> Program:
    """Raises ProgramUnfit."""
    found = running_program()
    if named is not None:
        found = found if named == found.path else Program(named)
    if system.root is None:
        check_fit(found.path, hidden_homes=hidden_homes)
    elif not system.at(found.path).exists():
        raise ProgramUnfit(path=found.path, detail=f"it isn't there in {system.root}; name it with --program")
    return found


def _absolute(data: Path | None, default: Path) -> Path:
    return default if data is None else data.expanduser().absolute()


def _typed() -> str:
    """The command as it was given, as root."""
    return shlex.join(["sudo", str(Path(sys.argv[0]).absolute()), *sys.argv[1:]])


def _show(system: System, unit: str, files: list[File], *, as_json: bool) -> None:
    changes = system.changes(files)
    if as_json:
        print_json(Installed(unit, tuple(changes)))
        return
    for change in changes:
        say(f"{change.path} ({change.state})")
        if change.state != "same":
            for line in change.content.splitlines():
                say(f"    {line}")
    say("Nothing was written.")


def _tell(done: Installed, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for change in done.changes:
        if change.state != "same":
            say(f"{'Wrote' if change.state == 'new' else 'Replaced'} {change.path}")
    for text in done.done:
        say(text)
    if not done.changed:
        say(f"{done.unit} is installed; nothing was changed.")
    if done.left:
        say("Left to do:")
        for number, text in enumerate(done.left, 1):
            say(f"  {number}. {text}")

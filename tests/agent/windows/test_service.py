"""The agent as a service of Windows: installed, removed, and hosted; the service manager is stood in for."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from phoenix_core.agent.windows.native.servicehost import EventLog, Work, service_class
from phoenix_core.agent.windows.service import (
    FOLDER_RIGHTS,
    HOST,
    NAME,
    RUNNING,
    STOPPED,
    ServiceFailed,
    ServiceSpec,
    agent_service,
    install,
    uninstall,
)
from phoenix_core.cli import windowsservice
from phoenix_core.domain.errors import PhoenixError

STATE = Path("C:/ProgramData/Phoenix x/agent")


class MemoryServices:
    """A service manager with one service at most."""

    def __init__(self, state: str = "") -> None:
        self.now = state
        self.spec: ServiceSpec | None = None
        self.did: list[str] = []
        self.refuses = ""

    def _do(self, what: str) -> None:
        if what == self.refuses:
            raise ServiceFailed(name=NAME, what=what, detail="Access is denied (5)")
        self.did.append(what)

    def state(self, name: str) -> str:
        return self.now

    def create(self, spec: ServiceSpec) -> None:
        self._do("create")
        self.now, self.spec = STOPPED, spec

    def change(self, spec: ServiceSpec) -> None:
        self._do("change")
        self.spec = spec

    def start(self, name: str) -> None:
        self._do("start")
        self.now = RUNNING

    def stop(self, name: str) -> None:
        self._do("stop")
        self.now = STOPPED

    def remove(self, name: str) -> None:
        self._do("remove")
        self.now = ""

    def protect(self, folder: Path, sddl: str) -> None:
        assert sddl == FOLDER_RIGHTS
        self._do("protect")


def test_it_is_made_protected_and_started() -> None:
    services = MemoryServices()
    spec = agent_service(Path("C:/Phoenix/venv/Scripts/python.exe"), STATE)
    install(services, spec, STATE)
    assert services.did == ["protect", "create", "start"]
    assert services.spec is not None
    assert services.spec.command.split(" ")[1:3] == ["-m", HOST]
    assert services.spec.command.endswith('"C:/ProgramData/Phoenix x/agent"'), "a path with blanks is quoted"


def test_installed_again_it_is_set_up_and_runs_the_new_program() -> None:
    services = MemoryServices(RUNNING)
    install(services, agent_service(Path("py"), STATE), STATE)
    assert services.did == ["protect", "change", "stop", "start"]


def test_it_may_be_left_stopped() -> None:
    services = MemoryServices()
    install(services, agent_service(Path("py"), STATE), STATE, start=False)
    assert services.now == STOPPED


def test_it_is_stopped_before_it_is_removed_and_what_is_not_there_is_no_error() -> None:
    services = MemoryServices(RUNNING)
    uninstall(services)
    assert services.did == ["stop", "remove"]
    assert uninstall(services) == [f"There is no service {NAME}."]


def test_a_refusal_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    services = MemoryServices()
    services.refuses = "create"
    with pytest.raises(ServiceFailed, match="could not be create: Access is denied") as error:
        asyncio.run(
            windowsservice.install_agent(
                None, token="", dry_run=False, start=True, as_json=False, services=lambda: services
            )
        )
    assert "administrator" in error.value.what_to_do


def test_the_command_tells_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    services = MemoryServices()
    asyncio.run(
        windowsservice.install_agent(None, token="", dry_run=False, start=True, as_json=True, services=lambda: services)
    )
    assert json.loads(capsys.readouterr().out)["done"][-1] == "It runs."
    asyncio.run(windowsservice.uninstall_agent(None, as_json=False, services=lambda: services))
    assert "stays, with its enrolment" in capsys.readouterr().out
    asyncio.run(
        windowsservice.install_agent(None, token="", dry_run=True, start=True, as_json=False, services=lambda: services)
    )
    assert HOST in capsys.readouterr().out
    assert services.now == ""


class Events:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda text: self.told.append((name, text))


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    """In place of pywin32: a framework that does nothing by itself."""
    told = Events()

    class Framework:
        def __init__(self, arguments: Any) -> None:
            self.statuses: list[int] = []

        def GetAcceptedControls(self) -> int:  # noqa: N802
            return 1

        def ReportServiceStatus(self, status: int, wait_ms: int = 0) -> None:  # noqa: N802
            self.statuses.append(status)

    util, service = ModuleType("win32serviceutil"), ModuleType("win32service")
    util.ServiceFramework = Framework  # type: ignore[attr-defined]
    service.SERVICE_ACCEPT_PRESHUTDOWN = 0x100  # type: ignore[attr-defined]
    service.SERVICE_STOP_PENDING = 3  # type: ignore[attr-defined]
    service.SERVICE_CONTROL_PRESHUTDOWN = 15  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "win32serviceutil", util)
    monkeypatch.setitem(sys.modules, "win32service", service)
    monkeypatch.setitem(sys.modules, "servicemanager", told)
    monkeypatch.setattr(logging.getLogger(), "handlers", list(logging.getLogger().handlers))
    return told


@pytest.mark.parametrize("control", ["stop", "preshutdown"])
def test_the_service_runs_until_it_is_told_to_stop(events: Events, control: str) -> None:
    began = threading.Event()

    async def run(state: Path, stop: asyncio.Event) -> None:
        began.set()
        await stop.wait()

    host = service_class(STATE, run)([NAME])
    assert host.GetAcceptedControls() == 0x101
    thread = threading.Thread(target=host.SvcDoRun)
    thread.start()
    assert began.wait(30)
    host.SvcStop() if control == "stop" else host.SvcOther(15)
    thread.join(30)
    assert not thread.is_alive()
    assert host.statuses == [3]
    assert [name for name, _ in events.told] == ["LogInfoMsg", "LogInfoMsg"]


def test_an_agent_that_fails_ends_the_service_with_an_error(events: Events) -> None:
    async def run(state: Path, stop: asyncio.Event) -> None:
        raise PhoenixError(detail="broken")

    with pytest.raises(SystemExit):
        service_class(STATE, run)([NAME]).SvcDoRun()
    assert events.told[-1][0] == "LogErrorMsg"


def test_a_stop_that_comes_before_the_agent_began_is_heeded() -> None:
    async def run(state: Path, stop: asyncio.Event) -> None:
        async with asyncio.timeout(30):
            await stop.wait()

    work = Work(STATE, run)
    work.stop()
    work.run()


def test_warnings_go_into_the_event_log(events: Events) -> None:
    log = logging.getLogger("a test of the event log")
    log.propagate = False
    log.addHandler(EventLog(events))
    log.info("not this")
    log.warning("this %s", "one")
    log.error("and this")
    assert events.told == [("LogWarningMsg", "this one"), ("LogErrorMsg", "and this")]


def test_the_command_line_is_what_windows_takes_apart_again() -> None:
    spec = agent_service(Path('C:/a "b"/python.exe'), STATE)
    assert spec.command == subprocess.list2cmdline(['C:/a "b"/python.exe', "-m", HOST, str(STATE)])

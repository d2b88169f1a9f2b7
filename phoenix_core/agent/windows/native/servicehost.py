"""The program that Windows' service manager starts: `python -m … STATE_DIR` runs the agent until the service is
stopped.

Start, end and trouble go into the event log's Application part under the service's name; all else into the agent's
own log.
"""

import asyncio
import importlib
import logging
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from phoenix_core.agent.run import run_agent
from phoenix_core.agent.windows.service import NAME, STOP_WAIT_S
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.logs import configure_logs

LOGS = "logs"
RunAgent = Callable[[Path, asyncio.Event], Awaitable[None]]


class Work:
    """The agent on a loop of its own, stopped from another thread."""

    def __init__(self, state: Path, run: RunAgent) -> None:
        self._state = state
        self._run = run
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def run(self) -> None:
        """Blocks until `stop`. Raises what ended the agent."""
        asyncio.run(self._work())

    def stop(self) -> None:
        """Also before it runs."""
        with self._lock:
            self._stopped = True
            if self._loop is not None and self._event is not None:
                self._loop.call_soon_threadsafe(self._event.set)

    async def _work(self) -> None:
        with self._lock:
            self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()
            if self._stopped:
                self._event.set()
        try:
            await self._run(self._state, self._event)
        finally:
            with self._lock:
                self._loop = None


class EventLog(logging.Handler):
    """Warnings and errors of the agent, for who looks into the event log only."""

    def __init__(self, manager: Any) -> None:
        super().__init__(logging.WARNING)
        self._manager = manager

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            if record.levelno >= logging.ERROR:
                self._manager.LogErrorMsg(text)
            else:
                self._manager.LogWarningMsg(text)
        except Exception:  # a full event log must not stop a backup
            self.handleError(record)


def service_class(state: Path, run: RunAgent) -> Any:
    """What pywin32 hosts."""
    util, service = importlib.import_module("win32serviceutil"), importlib.import_module("win32service")
    manager = importlib.import_module("servicemanager")

    class Host(util.ServiceFramework):  # type: ignore[name-defined,misc]
        _svc_name_ = NAME
        _svc_display_name_ = NAME

        def __init__(self, arguments: Any) -> None:
            util.ServiceFramework.__init__(self, arguments)
            self.work = Work(state, run)

        def GetAcceptedControls(self) -> Any:  # noqa: N802 - pywin32's name
            return util.ServiceFramework.GetAcceptedControls(self) | service.SERVICE_ACCEPT_PRESHUTDOWN

        def SvcStop(self) -> None:  # noqa: N802
            self.ReportServiceStatus(service.SERVICE_STOP_PENDING, STOP_WAIT_S * 1000)
            self.work.stop()

        def SvcOther(self, control: int) -> None:  # noqa: N802
            if control == service.SERVICE_CONTROL_PRESHUTDOWN:
                self.SvcStop()

        def SvcDoRun(self) -> None:  # noqa: N802
            logging.getLogger().addHandler(EventLog(manager))
            manager.LogInfoMsg(f"The Phoenix agent begins, with its data in {state}.")
            try:
                self.work.run()
            except PhoenixError as error:
                manager.LogErrorMsg(f"The Phoenix agent ended: {error.message} {error.what_to_do}")
                raise SystemExit(1) from error  # so that the recovery actions apply
            manager.LogInfoMsg("The Phoenix agent has stopped.")

    return Host


def main(arguments: list[str]) -> None:
    """Called by the service manager only."""
    state = Path(arguments[0])
    configure_logs(state / LOGS, "agent")
    manager = importlib.import_module("servicemanager")
    manager.Initialize(NAME, None)
    manager.PrepareToHostSingle(service_class(state, lambda folder, stop: run_agent(folder, stop=stop)))
    manager.StartServiceCtrlDispatcher()


if __name__ == "__main__":
    main(sys.argv[1:])

"""The jobs of an agent on a Windows server, and what it does when it starts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from phoenix_core.agent.backup.backup_job import BackupJob
from phoenix_core.agent.jobs import Runnable, WorkOrder
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.ruletests import Pages
from phoenix_core.agent.windows.errors import (
    CompareNotOnWindows,
    DrillNotOnWindows,
    ScriptsNotOnWindows,
    WindowsCallFailed,
)
from phoenix_core.agent.windows.restore.job import WindowsRestoreJob
from phoenix_core.agent.windows.ruletest import run_test
from phoenix_core.agent.windows.running import RunningJobs
from phoenix_core.agent.windows.seam import Windows, WindowsFailure
from phoenix_core.agent.windows.shadows import remove_orphans
from phoenix_core.agent.windows.source import WindowsVolumes
from phoenix_core.agent.workerpool import Main
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import BackupResult, RestoreResult
from phoenix_core.agentlink.ruletest import RuleTestOrder

log = structlog.get_logger(__name__)


class WindowsJobs:
    """`make` is what the agent's `AgentJobs` take."""

    def __init__(self, windows: Windows, worker_main: Main, state_dir: Path) -> None:
        """`worker_main` is the function of the processes that read files through the same seam."""
        self._windows = windows
        self._worker_main = worker_main
        self._state_dir = state_dir
        self._running = RunningJobs()

    def make(self, order: WorkOrder, ports: JobPorts) -> Runnable:
        """Raises `CompareNotOnWindows`, `DrillNotOnWindows`, `ScriptsNotOnWindows`."""
        if not isinstance(order, BackupOrder):
            if order.drill is not None:
                raise DrillNotOnWindows
            if order.compare is not None:
                raise CompareNotOnWindows
            return _Told(WindowsRestoreJob(order, ports, self._windows))
        if order.stream is not None:
            raise ScriptsNotOnWindows(name=order.stream.script)
        if order.pre_script or order.post_script:
            raise ScriptsNotOnWindows(name=order.pre_script or order.post_script)
        files = WindowsVolumes(order, self._state_dir, self._windows, self._worker_main, self._running)
        return _Told(BackupJob(order, ports, files))

    def test_rules(self, order: RuleTestOrder, state_dir: Path, pages: Pages, stopping: threading.Event) -> None:
        """As those of other hosts; raises `WindowsCallFailed`, too."""
        with _told():
            run_test(order, state_dir, self._windows, pages, stopping)

    def started(self) -> None:
        """Nothing."""

    def sweep(self) -> None:
        """Delete the shadow copies that an agent which ended in the middle of a backup has left (WF4.8). Takes seconds;
        raises nothing."""
        try:
            removed = remove_orphans(self._windows, self._state_dir, self._running.names(), _tell)
        except (WindowsFailure, OSError) as error:
            log.warning("shadow copies of an interrupted backup could not be looked for", error=str(error))
        else:
            if removed:
                log.info("shadow copies that an interrupted backup left were deleted", count=removed)


class _Told:
    """A job whose failed calls of Windows come out as errors with words."""

    def __init__(self, job: Runnable) -> None:
        self._job = job

    def run(self) -> BackupResult | RestoreResult:
        with _told():
            return self._job.run()

    def after(self) -> None:
        self._job.after()


@contextmanager
def _told() -> Iterator[None]:
    """Failed calls of Windows come out as errors with words."""
    try:
        yield
    except WindowsFailure as failure:
        raise WindowsCallFailed(call=failure.call, number=failure.code, path=failure.path or "-") from failure


def _tell(level: str, text: str) -> None:
    log.warning(text) if level == "warning" else log.info(text)

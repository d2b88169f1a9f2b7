"""The seam on a real Windows server, and the agent's jobs over it."""

from multiprocessing.connection import Connection
from pathlib import Path

from phoenix_core.agent.windows.jobs import WindowsJobs
from phoenix_core.agent.windows.native.api import Api
from phoenix_core.agent.windows.native.files import NativeFiles
from phoenix_core.agent.windows.native.powershell import PowerShell
from phoenix_core.agent.windows.native.vss import NativeShadows
from phoenix_core.agent.windows.seam import Windows
from phoenix_core.agent.windows.workersetup import work_on_windows


class NativeWindows(NativeFiles, NativeShadows):
    """See `seam.Windows`."""

    def __init__(self) -> None:
        NativeFiles.__init__(self, Api())
        NativeShadows.__init__(self, PowerShell())


def native_windows() -> Windows:
    """Works on Windows only."""
    return NativeWindows()


def native_jobs(state_dir: Path) -> WindowsJobs:
    """The jobs of this Windows server's agent."""
    return WindowsJobs(native_windows(), worker_main, state_dir)


def worker_main(connection: Connection) -> None:
    """A worker process's main function."""
    work_on_windows(connection, native_windows())

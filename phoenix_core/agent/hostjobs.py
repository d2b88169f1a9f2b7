"""Which jobs this host's agent does: those of Linux, or those of Windows. Only the modules of its own system are
imported."""

from pathlib import Path

from phoenix_core.agent.handedstreams import HandedStreams
from phoenix_core.agent.jobs import JobMaker
from phoenix_core.host.process import IS_WINDOWS

if IS_WINDOWS:
    from phoenix_core.agent.windows.native.host import native_jobs
else:
    from phoenix_core.agent.linuxjobs import LinuxJobs


def jobs_of_this_host(state_dir: Path, scripts: Path, handed: HandedStreams) -> JobMaker:
    """`scripts`: the folder of the administrator's scripts; `handed`: streams that wait for their order."""
    return native_jobs(state_dir) if IS_WINDOWS else LinuxJobs(state_dir, scripts, handed)

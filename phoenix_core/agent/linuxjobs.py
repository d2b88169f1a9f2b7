"""The jobs of an agent on a Linux server."""

import threading
from pathlib import Path

import structlog

from phoenix_core.agent.backup.backup_job import BackupJob
from phoenix_core.agent.backup.livefiles import LiveFiles
from phoenix_core.agent.backup.patientnode import PATIENCE_S
from phoenix_core.agent.backup.scripted import ScriptedBackup
from phoenix_core.agent.backup.stream_job import OpenSource, StreamBackup
from phoenix_core.agent.comparejob import CompareJob
from phoenix_core.agent.drill import scratch
from phoenix_core.agent.drill.drill_job import DrillJob
from phoenix_core.agent.handedstreams import HandedStreams
from phoenix_core.agent.jobs import Runnable, WorkOrder
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.restore.journal import sweep_passing
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agent.ruletestrun import run_test
from phoenix_core.agent.ruletests import Pages
from phoenix_core.agent.scripts import DEFAULT_FOLDER, Scripts
from phoenix_core.agent.scriptstream import ScriptStream
from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds, host_kinds
from phoenix_core.agent.sourcesnapshots.marks import Marks
from phoenix_core.agent.sourcesnapshots.snapshots import sweep
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.ruletest import RuleTestOrder
from phoenix_core.agentlink.streamorder import StreamOrder

log = structlog.get_logger(__name__)


class LinuxJobs:
    def __init__(self, state_dir: Path, scripts: Path = DEFAULT_FOLDER, handed: HandedStreams | None = None) -> None:
        """`scripts`: the folder of the administrator's scripts; `handed`: streams that wait for their order."""
        self._handed = handed or HandedStreams()
        self._state_dir = state_dir
        self._scripts = scripts

    def make(self, order: WorkOrder, ports: JobPorts) -> Runnable:
        """The job that does what the order says. Raises `PatternInvalid`."""
        if not isinstance(order, BackupOrder):
            if order.compare is not None:
                return CompareJob(order, order.compare, ports)
            return RestoreJob(order, ports) if order.drill is None else DrillJob(order, ports)
        if order.stream is not None:
            return StreamBackup(order, ports, *self._source(order.job, order.stream))
        if not (order.pre_script or order.post_script):
            return live_backup(order, ports)
        return ScriptedBackup(order, ports, Scripts(self._scripts), lambda begun: live_backup(begun, ports))

    def _source(self, job: str, stream: StreamOrder) -> tuple[OpenSource, str]:
        if stream.handed:
            return lambda tick: self._handed.take(stream.handed, stream.name, tick), "what this server hands over"
        environment = {"PHOENIX_PHASE": "stream", "PHOENIX_JOB": job, "PHOENIX_STREAM": stream.name}
        scripts = Scripts(self._scripts)
        told = f"the output of the script {stream.script}"
        return lambda tick: ScriptStream(scripts, stream.script, environment, stream.timeout_s, tick), told

    def test_rules(self, order: RuleTestOrder, state_dir: Path, pages: Pages, stopping: threading.Event) -> None:
        """Say of each entry whether content rules take it. Raises a PhoenixError, and what `pages` raises."""
        run_test(order, state_dir, pages, stopping)

    def started(self) -> None:
        """Remove what a drill may have left: the journal of its restore, and its scratch space."""
        sweep_passing(self._state_dir)
        scratch.sweep(self._state_dir)

    def sweep(self) -> None:
        """Snapshots of file systems that backups have left."""
        sweep(Marks(self._state_dir), host_kinds(self._state_dir), lambda level, text: getattr(log, level)(text))


def live_backup(
    order: BackupOrder, ports: JobPorts, *, patience_s: float = PATIENCE_S, kinds: Kinds | None = None
) -> BackupJob:
    """Of this host's files. `kinds`: of snapshots; None: the host's."""
    return BackupJob(order, ports, LiveFiles(order, ports, kinds), patience_s=patience_s)

"""Makes the workflows of a core, by constructor: one for each kind of job."""

from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.annotations import Annotations
from phoenix_core.engine.assignment import StorageAssigner
from phoenix_core.engine.commit import Committer
from phoenix_core.engine.descriptor_copy import remembered
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.key_desk import KeyDesk
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.own_folders import OwnFolders
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.retention_plan import RetentionPlans
from phoenix_core.engine.reading.leases import ReadingLeases
from phoenix_core.engine.record_watch import RecordWatch
from phoenix_core.engine.removals import Removals
from phoenix_core.engine.rereads import Rereads
from phoenix_core.engine.restore_access import RestoreAccess
from phoenix_core.engine.runner import Runner
from phoenix_core.engine.servers import ServerNews
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_opening import VaultOpening
from phoenix_core.engine.workflow import Workflow
from phoenix_core.engine.workflows.file_backup import FileBackup
from phoenix_core.engine.workflows.file_compare import FileCompare
from phoenix_core.engine.workflows.restore_drill import RestoreDrill
from phoenix_core.engine.workflows.retention import ApplyRetention
from phoenix_core.engine.workflows.snapshot_remove import RemoveSnapshot
from phoenix_core.engine.workflows.vault_prune import PruneVault
from phoenix_core.engine.workflows.vault_rebuild import RebuildIndex
from phoenix_core.engine.workflows.vault_repair import RepairVault
from phoenix_core.engine.workflows.vault_verify import VerifyVault
from phoenix_core.engine.workflows.wf6_file_restore import FileRestore
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.storage.errors import StorageUnreachable
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.descriptor import VaultDescriptor


class WorkflowParts:
    """What `parts.Parts` inherits, which makes what is named here."""

    _data: DataDirectory
    _clock: Clock
    seat: VaultSeat
    opening: VaultOpening
    directory: PeerDirectory
    jobs: Jobs
    snapshots: Snapshots
    drills: Drills
    facts: Facts
    settings: Settings
    records: RecordWatch
    committer: Committer
    assigner: StorageAssigner
    agents: AgentJobs
    keys: KeyDesk
    lost: LostSnapshots
    sources: Sources
    attached: Attached
    own_folders: OwnFolders
    reading_leases: ReadingLeases
    annotations: Annotations
    removals: Removals
    expiry: Expiry
    retention_plans: RetentionPlans
    news: SnapshotNews
    server_news: ServerNews
    runner: Runner

    def _make_workflows(self) -> dict[JobKind, Workflow]:
        access = RestoreAccess(self.seat, self.settings, self.assigner, self.keys, self._open_job_node)
        workflows: tuple[Workflow, ...] = (
            FileBackup(
                self.seat,
                self.directory,
                self.snapshots,
                self.lost,
                self.records,
                self.jobs,
                self.settings,
                self.assigner,
                self.agents,
                self.committer,
                self.news,
                self.attached,
                self.own_folders,
                Rereads(self.jobs),
                self._clock,
                self.annotations,
            ),
            FileRestore(self.seat, self.directory, self.snapshots, self.sources, self.jobs, self.agents, access),
            FileCompare(
                self.seat,
                self.directory,
                self.snapshots,
                self.sources,
                self.jobs,
                self.settings,
                self.agents,
                access,
            ),
            RestoreDrill(
                self.seat,
                self.directory,
                self.snapshots,
                self.sources,
                self.jobs,
                self.drills,
                self.agents,
                access,
                self.server_news,
                self._clock,
            ),
            VerifyVault(
                self.seat,
                self.jobs,
                self.snapshots,
                self.facts,
                self.lost,
                self._known_descriptor,
                self.settings,
                self._clock,
                busy=lambda: any(job.kind is not JobKind.VERIFY for job in self.runner.running()),
                far=self._is_far,
            ),
            RepairVault(
                self.seat,
                self.jobs,
                self.snapshots,
                self.facts,
                self.lost,
                self._known_descriptor,
                self._open_job_node,
                self._clock,
            ),
            PruneVault(
                self.seat,
                self.records,
                self.jobs,
                self.reading_leases,
                self.snapshots,
                self.settings,
                self._open_job_node,
                self._clock,
            ),
            RebuildIndex(self.seat, self.jobs),
            RemoveSnapshot(self.seat, self.lost, self.removals, self.expiry, self.settings),
            ApplyRetention(self.seat, self.retention_plans, self.lost, self.removals, self.expiry, self.settings),
        )
        return {workflow.kind: workflow for workflow in workflows}

    def _is_far(self) -> bool:
        """Whether packs come over a network."""
        return self.opening.access is not None and self.opening.access.embedded is None

    def _known_descriptor(self, vault_id: str) -> VaultDescriptor | None:
        return remembered(self._data, vault_id)

    def _open_job_node(self, token: str) -> JobNode:
        if self.opening.access is None:
            raise StorageUnreachable(place=self.seat.location, detail="no storage node is open")
        return self.opening.access.job_node(token)

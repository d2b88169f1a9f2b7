"""Makes the parts of a core and hands them to each other, by constructor; nothing runs yet."""

import asyncio
import os
import secrets
from collections.abc import Callable
from functools import partial

from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.agentlink.enrolment import EnrolmentService
from phoenix_core.agentlink.errors import PeerAway
from phoenix_core.agentlink.hub import Hub
from phoenix_core.agentlink.messages import Message
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.alertparts import AlertParts
from phoenix_core.catalog.audit import AuditLog
from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.handed_dumps import HandedDumps
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts, StoredSettings
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.catalog.whole_config import WholeConfig
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.duties import make_duties
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.annotations import Annotations
from phoenix_core.engine.assignment import StorageAssigner, StoragePlace
from phoenix_core.engine.commit import Committer
from phoenix_core.engine.decisions import Decisions
from phoenix_core.engine.drills.desk import DrillDesk
from phoenix_core.engine.enrolment import Enrolments, machine_mark
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.key_desk import KeyDesk
from phoenix_core.engine.last_seen import LastSeen
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.own_folders import OwnFolders
from phoenix_core.engine.own_restores import OwnRestores
from phoenix_core.engine.own_streams import OwnStreams
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.peer_events import PeerConversation
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.config import ConfigDesk
from phoenix_core.engine.policies.desk import PolicyDesk
from phoenix_core.engine.policies.references import References
from phoenix_core.engine.policies.retention_plan import RetentionPlans
from phoenix_core.engine.policies.rule_tests import RuleTests
from phoenix_core.engine.policies.scheduler import Scheduler
from phoenix_core.engine.progress import ProgressBoard
from phoenix_core.engine.prove import Prover
from phoenix_core.engine.queue import JobQueue
from phoenix_core.engine.reading.leases import ReadingLeases
from phoenix_core.engine.reading.mounts import Mounts
from phoenix_core.engine.record_watch import RecordWatch
from phoenix_core.engine.removals import Removals
from phoenix_core.engine.runner import Runner
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.servers import ServerNews
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.snapshots_in_use import SnapshotsInUse
from phoenix_core.engine.soundness import Soundness
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.storage_nodes import check_choice, vault_for_node
from phoenix_core.engine.upgrades import UpgradeBoard, Upgrades
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_opening import VaultOpening
from phoenix_core.engine.vault_view import VaultNews, Views
from phoenix_core.host.config import CoreConfig
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.process import HostFacts
from phoenix_core.link_server import LinkServer
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.lines import InstallLines
from phoenix_core.rollout.script import ServedScript
from phoenix_core.rollout.service import InstallService
from phoenix_core.storage.service import add_storage_routes
from phoenix_core.workflowparts import WorkflowParts


class _Switch:
    """Breaks the one circle: the hub needs the engine's ear, the engine the hub's mouth."""

    hub: Hub | None = None

    async def send(self, peer_id: str, message: Message) -> None:
        if self.hub is None:
            raise PeerAway(peer=peer_id)
        await self.hub.send(peer_id, message)

    async def drop(self, peer_id: str) -> None:
        if self.hub is not None:
            await self.hub.drop(peer_id)


class Parts(WorkflowParts):
    """The parts of one core. `app.Core` starts and stops them."""

    def __init__(
        self,
        data: DataDirectory,
        config: CoreConfig,
        catalog: Catalog,
        ca: CertificateAuthority,
        host: HostFacts,
        clock: Clock,
        seat: VaultSeat,
        locked_by: PhoenixError | None,
        tls: TlsFiles,
        link_urls: Callable[[], tuple[str, ...]],
    ) -> None:
        """`tls`: the core's own identity. `link_urls`: where agents reach the core, once it listens."""
        self._data = data
        self._config = config
        self._ca = ca
        self._host = host
        self._clock = clock
        self._link_urls = link_urls
        self.seat = seat
        self._keep_records(catalog)
        self.records = RecordWatch(
            seat,
            self.snapshots,
            self.facts,
            self.settings,
            self.directory.name_of,
            self._vault_changed,
            clock,
            self.seen,
        )
        self.opening = VaultOpening(
            seat,
            data,
            config.vault_path or data.vault,
            locked_by,
            self.settings,
            self.directory,
            self.records,
            tls,
            clock,
            take_over=config.take_over,
        )
        self._catalog = catalog
        self._make_engine()
        self._make_link()

    def _keep_records(self, catalog: Catalog) -> None:
        self.jobs = Jobs(catalog)
        self.peers = Peers(catalog)
        self.snapshots = Snapshots(catalog)
        self.facts = Facts(catalog)
        self.seen = SeenTime(self.facts, self._clock)
        self.policies = Policies(catalog)
        self.drills = Drills(catalog)
        self.audit = AuditLog(catalog)
        self.settings = Settings(StoredSettings(catalog), self._clock)
        self.directory = PeerDirectory(self.peers)
        self.settings.guard("storage.node", partial(check_choice, self.directory))
        self.events = EventBus(self._clock)
        self.progress = ProgressBoard(self.events, self._clock)
        self.ledger = Ledger(self.jobs, self.events, self.progress, self.directory, self._clock, self.seen)
        self.upgrade_board = UpgradeBoard()
        self.attached = Attached(self.policies)
        self.views = Views(
            self.seat,
            self.directory,
            self.jobs,
            BackupEnds(catalog),
            self.snapshots,
            self.drills,
            self.attached,
            self.settings,
            self._clock,
            self._host.hostname,
            self.seen,
            self.upgrade_board.text,
        )

    def _make_engine(self) -> None:
        self.switch = _Switch()
        self.news = SnapshotNews(self.events, self.views.snapshot)
        self.server_news = ServerNews(self.directory, self.views, self.events)
        self.vault_news = VaultNews(self.views, self.events)
        self.committer = Committer(self.snapshots, self.facts, self.records)
        decisions = Decisions(self.snapshots, self.facts, self.records, self.seen, self.news)
        self.annotations = Annotations(decisions, self.seen, self._clock)
        self.mounts = Mounts(self._clock)
        in_use = SnapshotsInUse(self.jobs, self.mounts)
        self.expiry = Expiry(self.snapshots, self.seen)
        self.removals = Removals(decisions, in_use, self.expiry, self.seen, self._clock)
        self.assigner = StorageAssigner(self.settings, self._clock, self._storage_place)
        self.agents = AgentJobs(self.switch, self.settings, self.directory.name_of, self._clock)
        self.keys = KeyDesk()
        self.reading_leases = ReadingLeases()
        self.lost = LostSnapshots(self.seat, self.snapshots, self.directory.name_of, self._tell_of_loss, self.records)
        self.sources = Sources(self.seat, self.directory, self.snapshots, self.lost, self.seen, self._clock)
        self.handed = HandedDumps(self._catalog)
        self.retention_plans = RetentionPlans(
            self.policies, self.snapshots, self.handed, self.sources.is_held, Soundness(self.seat).damaged
        )
        self.own_folders = OwnFolders(self.directory, (os.fsencode(self._data.root), os.fsencode(self.seat.location)))
        self.bundle = BundleShelf(self._data.bundle)
        self.upgrades = Upgrades(
            self.upgrade_board,
            self.directory,
            self.bundle,
            self.agents.knows,
            self.agents.send,
            self.server_news.changed,
            self._clock,
        )
        self.rule_tests = RuleTests(
            self.agents, self.directory, self.own_folders, self.settings, self._clock, self.attached
        )
        self.workflows = self._make_workflows()
        self.runner = Runner(self.ledger, self.progress, self.workflows)
        self.queue = JobQueue(
            self.jobs,
            self.ledger,
            self.runner,
            self.workflows,
            self.directory.connected,
            lambda: self.settings.seconds("agent.grace_s"),
            lambda: self.settings.whole("jobs.at_once"),
            self.attached.groups_by_server,
            self._clock,
        )
        self.desk = JobDesk(
            self.seat,
            self.directory,
            self.sources,
            self.settings,
            self.ledger,
            self.queue,
            self.runner,
            self.attached,
            in_use,
        )
        turn = asyncio.Lock()
        self.alerts = self._make_alerts(turn)
        self.drill_desk = DrillDesk(
            self.seat,
            self.directory,
            self.sources,
            self.attached,
            self.ledger,
            self.queue,
            lambda: secrets.token_hex(8),
        )
        duties = make_duties(
            self.seat,
            self.policies,
            self.attached,
            self.retention_plans,
            self.directory,
            self.jobs,
            self.settings,
            self.facts,
            self.desk,
            self.drill_desk,
            self.snapshots,
            self.expiry,
            self.seen,
            self._clock,
        )
        self.scheduler = Scheduler((*duties, self.alerts.watch, self.alerts.digests), self._clock)
        references = References(self.directory)
        self.policy_desk = PolicyDesk(
            self.policies,
            self.directory,
            references,
            self._clock,
            self._policies_changed,
            turn,
            self.alerts.notification_desk.rules_of_group,
        )
        self.config_desk = ConfigDesk(
            self.policy_desk,
            self.alerts.notification_desk,
            self.policies,
            WholeConfig(self._catalog),
            references,
            self._clock,
        )
        self.prover = Prover(
            self.seat,
            self.snapshots,
            self.settings,
            self.news,
            busy=lambda: self.runner.busy,
            changed=self.vault_news.changed,
            far=self._is_far,
        )
        self.news.on_added(self.prover.poke)
        self.runner.on_freed(self.vault_news.changed)
        self.runner.on_freed(self.prover.poke)
        self.settings.on_change(lambda key: self.prover.poke())
        self.settings.on_change(lambda key: self.scheduler.poke())
        self.settings.on_change(lambda key: self.queue.poke())

    def _make_alerts(self, turn: asyncio.Lock) -> AlertParts:
        return AlertParts(
            self._catalog,
            self._data,
            self.events,
            self.directory,
            self.attached,
            self.policies,
            self.jobs,
            self.snapshots,
            self.lost,
            self.seat,
            self.views,
            self.settings,
            self.facts,
            self.seen,
            self._host.hostname,
            turn,
            self._rules_changed,
            self._clock,
            embedded=self._config.embedded,
        )

    def _rules_changed(self) -> None:
        self.scheduler.poke()

    def _policies_changed(self) -> None:
        self.retention_plans.changes += 1
        self.scheduler.poke()

    def _vault_changed(self) -> None:
        self.vault_news.changed()

    def _tell_of_loss(self, snapshot: SnapshotRow) -> None:
        self.news.changed(snapshot)
        self.vault_news.changed()

    def _make_link(self) -> None:
        conversation = PeerConversation(
            self.directory,
            self.agents,
            self.jobs,
            self.ledger,
            self.progress,
            self.queue,
            self.keys,
            self.seat,
            self.assigner,
            self.rule_tests,
            self.upgrades,
            OwnStreams(self.directory, self.seat, self.ledger, self.queue, self.handed, self.settings, self._clock),
            OwnRestores(self.seat, self.sources, self.desk, self.ledger, self.directory.name_of),
            self.server_news.changed,
            self._clock,
        )
        self.last_seen = LastSeen(self.directory, self._clock)
        script = ServedScript()
        self.installs = InstallService(self.bundle, script)
        self.lines = InstallLines(self.bundle, script, self._link_urls)
        self.hub = Hub(conversation, self._ca, self._clock, certificate_days=self._certificate_days)
        self.switch.hub = self.hub
        self.enrolments = Enrolments(
            self.peers,
            self.directory,
            self._clock,
            ca_fingerprint=self._ca.fingerprint,
            urls=self._link_urls,
            this_machine=machine_mark(self._host.hostname, self._host.machine_id),
            vault_for_node=lambda: vault_for_node(self.seat),
            changed=self.server_news.changed,
        )

    def link_server(self) -> LinkServer:
        """After `opening.prepare`, which tells whether the storage node is in this process."""
        enrolment = EnrolmentService(self._ca, self.enrolments, self._link_urls, self._certificate_days)
        routes = [self.hub.add_routes, enrolment.add_routes, self.installs.add_routes]
        node = self.opening.access.embedded if self.opening.access is not None else None
        if node is not None:
            routes.append(lambda app: add_storage_routes(app, node))
        return LinkServer(self._ca, routes)

    def _certificate_days(self) -> float:
        return self.settings.whole("certificate.days")

    def _storage_place(self, peer_id: str) -> StoragePlace:
        access = self.opening.access
        own = StoragePlace(
            url=self.agents.dialled(peer_id) or self._link_urls()[0], socket_path=str(self._data.storage_socket)
        )
        return own if access is None else access.place or own

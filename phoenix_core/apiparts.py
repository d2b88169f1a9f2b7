"""The operators' API of a core: its resources, each given the parts that it asks."""

from collections.abc import Awaitable, Callable

from phoenix_core.api.alerts import AlertResource
from phoenix_core.api.annotations import AnnotationResource
from phoenix_core.api.audit import AuditKeeper, AuditResource
from phoenix_core.api.backups import BackupResource
from phoenix_core.api.compares import CompareResource
from phoenix_core.api.config import ConfigResource
from phoenix_core.api.core import CoreResource
from phoenix_core.api.downloads import DownloadResource
from phoenix_core.api.drills import DrillResource
from phoenix_core.api.events import EventResource
from phoenix_core.api.find import FindResource
from phoenix_core.api.groups import GroupResource
from phoenix_core.api.jobs import JobResource
from phoenix_core.api.mounts import MountResource
from phoenix_core.api.notifications import ChannelResource, NotificationRuleResource
from phoenix_core.api.policies import PolicyResource
from phoenix_core.api.rules import RuleResource
from phoenix_core.api.ruletests import RuleTestResource
from phoenix_core.api.server import ApiServer
from phoenix_core.api.servers import ServerResource
from phoenix_core.api.settings import SettingResource
from phoenix_core.api.snapshots import SnapshotResource
from phoenix_core.api.vault import VaultResource
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.views import StatusView
from phoenix_core.engine.doctor import Doctor
from phoenix_core.engine.drills.proofs import Proofs
from phoenix_core.engine.reading.downloads import Downloads
from phoenix_core.engine.reading.readers import Readers
from phoenix_core.engine.servers import ServerRemoval
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.parts import Parts


def api_server(
    parts: Parts,
    data: DataDirectory,
    clock: Clock,
    status: Callable[[], Awaitable[StatusView]],
    stop: Callable[[], None],
) -> ApiServer:
    """`stop` is called when an operator asks the core to stop."""
    removal = ServerRemoval(
        parts.directory,
        parts.jobs,
        parts.desk,
        parts.agents,
        parts.switch.drop,
        parts.server_news.changed,
        parts.settings,
        parts.seen,
        clock,
    )
    doctor = Doctor(
        parts.seat,
        parts.views,
        parts.snapshots,
        parts.lost,
        parts.directory,
        parts.settings,
        clock,
        data.root,
        data.logs,
        parts.bundle,
        parts.expiry,
    )
    readers = Readers()
    return ApiServer(
        data.core_socket,
        (
            CoreResource(status, doctor, stop),
            ServerResource(parts.directory, parts.views, parts.enrolments, removal, parts.lines, parts.upgrades),
            BackupResource(parts.desk, parts.ledger),
            JobResource(parts.desk, parts.ledger, parts.jobs, parts.directory),
            SnapshotResource(parts.desk, parts.ledger, parts.sources, parts.seat, parts.views),
            AnnotationResource(parts.annotations, parts.removals, parts.sources, parts.seat, parts.views),
            CompareResource(parts.desk, parts.ledger, parts.jobs),
            FindResource(parts.sources, parts.seat),
            DownloadResource(parts.sources, parts.seat, readers, parts.reading_leases, Downloads()),
            MountResource(parts.sources, parts.seat, readers, parts.mounts),
            VaultResource(parts.desk, parts.ledger, parts.views, parts.lost),
            SettingResource(parts.settings),
            PolicyResource(parts.policy_desk, parts.retention_plans, clock),
            RuleResource(parts.policy_desk),
            RuleTestResource(parts.rule_tests),
            GroupResource(parts.policy_desk),
            ConfigResource(parts.config_desk),
            AlertResource(parts.alerts.desk, parts.directory),
            ChannelResource(parts.alerts.notification_desk),
            NotificationRuleResource(parts.alerts.notification_desk),
            DrillResource(parts.drill_desk, parts.ledger, Proofs(parts.drills, parts.sources)),
            AuditResource(parts.audit),
            EventResource(parts.events),
        ),
        AuditKeeper(parts.audit, clock).add,
    )

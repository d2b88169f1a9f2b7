"""Makes the duties of the scheduler: all that the core does by itself when its time has come."""

from collections.abc import Awaitable, Callable

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.drills.desk import DrillDesk
from phoenix_core.engine.drills.runs import DrillRuns
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.group_runs import GroupRuns
from phoenix_core.engine.policies.retention_plan import RetentionPlans
from phoenix_core.engine.policies.retries import Retries
from phoenix_core.engine.policies.scheduler import Duty
from phoenix_core.engine.policies.setting_runs import Queue, SettingRuns
from phoenix_core.engine.policies.undo_ends import UndoEnds
from phoenix_core.engine.policies.window_ends import WindowEnds
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import VaultSeat


def make_duties(
    seat: VaultSeat,
    policies: Policies,
    attached: Attached,
    plans: RetentionPlans,
    directory: PeerDirectory,
    jobs: Jobs,
    settings: Settings,
    facts: Facts,
    desk: JobDesk,
    drills: DrillDesk,
    snapshots: Snapshots,
    expiry: Expiry,
    seen: SeenTime,
    clock: Clock,
) -> tuple[Duty, ...]:
    async def has_vault() -> bool:
        return seat.descriptor is not None

    def on_schedule(kind: JobKind, queue: Queue, wanted: Callable[[], Awaitable[bool]]) -> SettingRuns:
        return SettingRuns(kind, queue, wanted, settings, facts, jobs, clock)

    return (
        GroupRuns(policies, desk, clock, directory.in_use),
        Retries(attached, jobs, desk, clock, seen),
        WindowEnds(attached, jobs, desk, clock),
        DrillRuns(policies, drills, facts, clock, directory.in_use),
        on_schedule(JobKind.RETENTION, desk.retention, plans.removes_any),
        on_schedule(JobKind.PRUNE, desk.prune_if_worth_it, has_vault),
        on_schedule(JobKind.VERIFY, desk.verify_in_turn, has_vault),
        seen,
        UndoEnds(snapshots, jobs, desk, expiry, seen, clock),
    )

"""What the console knows of the core at this moment: filled on connect, kept current by events."""

from datetime import datetime
from enum import Enum, StrEnum

import msgspec

from phoenix_core.domain.alerts import AlertView
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import Event, JobView, ServerView, SettingView, StatusView, VaultView
from phoenix_tui.formats import EPOCH

JOBS_KEPT = 500
"""Finished jobs held; older ones are read when the operator scrolls to them."""


class Connection(StrEnum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class Topic(Enum):
    """What a change is about; screens look only at what they show."""

    CONNECTION = "connection"
    STATUS = "status"
    SERVERS = "servers"
    JOBS = "jobs"
    PROGRESS = "progress"
    SNAPSHOTS = "snapshots"
    VAULT = "vault"
    LOG = "log"
    ALERTS = "alerts"
    RESET = "reset"
    """Everything was read anew; what a screen had read for itself may be stale."""


class CoreModel:
    def __init__(self) -> None:
        self.connection = Connection.CONNECTING
        self.problem: ErrorView | None = None
        """Why the core can't be reached or, while it is connected, what it failed to tell."""
        self.loaded = False
        self.status: StatusView | None = None
        self.vault: VaultView | None = None
        self.vault_problem: ErrorView | None = None
        """Why there is no vault to show."""
        self.servers: dict[str, ServerView] = {}
        self.jobs: dict[str, JobView] = {}
        self.alerts: dict[str, AlertView] = {}
        """Those that are active, by id."""
        self.alerts_read_at: datetime | None = None
        """When all of them were read last; events have changed single ones since."""
        self.alerts_problem: ErrorView | None = None
        """Why they could not be read since: what is known may be old."""
        self.settings: dict[str, str] = {}
        """Values by key."""

    # --- reading -----------------------------------------------------------------------------------------------------

    def servers_by_name(self) -> list[ServerView]:
        return sorted(self.servers.values(), key=lambda server: (server.revoked, server.name))

    def jobs_newest_first(self) -> list[JobView]:
        return sorted(self.jobs.values(), key=_age, reverse=True)

    def active_jobs(self) -> list[JobView]:
        """Running ones first, then those that wait, each oldest first."""
        active = [job for job in self.jobs.values() if not job.state.is_final]
        return sorted(active, key=lambda job: (job.state.is_waiting, _age(job)))

    def finished_jobs(self) -> list[JobView]:
        finished = [job for job in self.jobs.values() if job.state.is_final]
        return sorted(finished, key=lambda job: job.finished_at or EPOCH, reverse=True)

    def alerts_worst_first(self) -> list[AlertView]:
        return sorted(
            self.alerts.values(), key=lambda alert: (-alert.severity.rank, -alert.first_seen_at.timestamp(), alert.id)
        )

    def active_backup_of(self, server_id: str) -> JobView | None:
        return next(
            (job for job in self.active_jobs() if job.server_id == server_id and job.kind is JobKind.FILE_BACKUP), None
        )

    def active_work_of(self, server_id: str) -> JobView | None:
        """The job that runs, or waits longest."""
        return next((job for job in self.active_jobs() if job.server_id == server_id), None)

    def lost_agent(self, job: JobView) -> ServerView | None:
        """The server whose agent does this job's work, where the core has lost it."""
        if job.state is not JobState.RUNNING or not job.server_id:
            return None
        server = next((each for each in self.servers.values() if each.name == job.agent_name), None)
        server = server or self.servers.get(job.server_id)
        return server if server is not None and not server.connected else None

    # --- changing ----------------------------------------------------------------------------------------------------

    def put_settings(self, settings: list[SettingView]) -> None:
        self.settings = {setting.key: setting.value for setting in settings}

    def put_jobs(self, jobs: list[JobView], *, anew: bool = False) -> None:
        """Take jobs from a list; steps known from elsewhere stay. `anew`: what isn't in it is gone."""
        before = self.jobs
        if anew:
            self.jobs = {}
        for job in jobs:
            known = before.get(job.id)
            self.jobs[job.id] = msgspec.structs.replace(job, steps=known.steps) if known and not job.steps else job

    def put_alerts(self, alerts: list[AlertView], now: datetime) -> None:
        """All that are active now."""
        self.alerts = {alert.id: alert for alert in alerts}
        self.alerts_read_at, self.alerts_problem = now, None

    def put_alert(self, alert: AlertView) -> None:
        if alert.is_active:
            self.alerts[alert.id] = alert
        else:
            self.alerts.pop(alert.id, None)

    def apply(self, event: Event) -> set[Topic]:
        """Take in one event; what it changed."""
        if event.kind == "progress" and event.job is not None:
            return self._progress(event.job)
        if event.job is not None:
            self._job(event.job)
            return {Topic.JOBS}
        if event.server is not None:
            self.servers[event.server.id] = event.server
            return {Topic.SERVERS}
        if event.vault is not None:
            self.vault, self.vault_problem = event.vault, None
            return {Topic.VAULT}
        if event.alert is not None:
            self.put_alert(event.alert)
        told = {Topic.SNAPSHOTS: event.snapshot, Topic.ALERTS: event.alert, Topic.LOG: event.log}
        return {topic for topic, part in told.items() if part is not None}

    def _progress(self, job: JobView) -> set[Topic]:
        known = self.jobs.get(job.id)
        if known is None or known.state.is_final:
            return set()
        self.jobs[job.id] = msgspec.structs.replace(known, progress=job.progress)
        return {Topic.PROGRESS}

    def _job(self, job: JobView) -> None:
        known = self.jobs.get(job.id)
        if known is not None and job.progress is None and not job.state.is_final:
            job = msgspec.structs.replace(job, progress=known.progress)
        self.jobs[job.id] = job
        if len(self.jobs) > 2 * JOBS_KEPT:
            for old in self.finished_jobs()[JOBS_KEPT:]:
                del self.jobs[old.id]


def _age(job: JobView) -> tuple[object, str]:
    return (job.created_at or EPOCH, job.id)

"""Alerts: conditions that want an operator, each with how bad it is and what to do next."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad; the later, the worse."""

    WARNING = "warning"
    """Look at it within days."""
    ERROR = "error"
    """What is to be protected isn't, or not as it should be."""
    CRITICAL = "critical"
    """What was said to be safe is in danger, or nothing can be backed up or restored."""

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class AlertKind(StrEnum):
    """What an alert is about. With its subject it names the one alert there is."""

    BACKUP_FAILED = "backup_failed"
    BACKUP_WITH_ERRORS = "backup_with_errors"
    BACKUP_SKIPPED = "backup_skipped"
    BACKUP_STOPPED = "backup_stopped"
    STREAM_FLOODED = "stream_flooded"
    NO_BACKUP = "no_backup"
    AGENT_AWAY = "agent_away"
    CERTIFICATE_ENDING = "certificate_ending"
    VAULT_UNUSABLE = "vault_unusable"
    RECORDS_LOST = "records_lost"
    VAULT_DAMAGED = "vault_damaged"
    INDEX_UNUSABLE = "index_unusable"
    VERIFY_FAILED = "verify_failed"
    SNAPSHOTS_LOST = "snapshots_lost"
    SPACE_LOW = "space_low"
    PROOF_BEHIND = "proof_behind"
    DRILL_FAILED = "drill_failed"
    PROOF_OLD = "proof_old"
    UPKEEP_FAILED = "upkeep_failed"
    DISK_LOW = "disk_low"
    CLOCK_JUMPED = "clock_jumped"
    NOTIFICATION_FAILING = "notification_failing"

    @property
    def words(self) -> str:
        """In a few words, without its subject."""
        return _WORDS[self]


_WORDS = {
    AlertKind.BACKUP_FAILED: "backup failed",
    AlertKind.BACKUP_WITH_ERRORS: "backup with errors",
    AlertKind.BACKUP_SKIPPED: "backup skipped",
    AlertKind.BACKUP_STOPPED: "backup stopped by its window",
    AlertKind.STREAM_FLOODED: "unusually many dumps handed over",
    AlertKind.NO_BACKUP: "no backup for too long",
    AlertKind.AGENT_AWAY: "agent away",
    AlertKind.CERTIFICATE_ENDING: "certificate not renewed",
    AlertKind.VAULT_UNUSABLE: "vault can't be used",
    AlertKind.RECORDS_LOST: "records of the vault are lost",
    AlertKind.VAULT_DAMAGED: "vault is damaged",
    AlertKind.INDEX_UNUSABLE: "index can't be used",
    AlertKind.VERIFY_FAILED: "verify found damage",
    AlertKind.SNAPSHOTS_LOST: "snapshots are lost",
    AlertKind.SPACE_LOW: "little space in the vault",
    AlertKind.PROOF_BEHIND: "proof is behind",
    AlertKind.DRILL_FAILED: "restore drill failed",
    AlertKind.PROOF_OLD: "no recent proof of restore",
    AlertKind.UPKEEP_FAILED: "upkeep failed",
    AlertKind.DISK_LOW: "little space for the core",
    AlertKind.CLOCK_JUMPED: "clock was set",
    AlertKind.NOTIFICATION_FAILING: "notifications don't get through",
}


class AlertChange(StrEnum):
    """What is told of an alert."""

    RAISED = "raised"
    WORSE = "worse"
    RESOLVED = "resolved"


class AlertState(StrEnum):
    ACTIVE = "active"
    RESOLVED = "resolved"


class AlertView(msgspec.Struct, frozen=True):
    """One condition of one subject, from when it was first seen until it was gone."""

    id: str
    kind: AlertKind
    severity: Severity
    subject: str
    """What it is about, such as a server's name."""
    text: str
    """What happened, to what."""
    hint: str
    """What to do next."""
    first_seen_at: datetime
    last_seen_at: datetime
    count: int = 1
    """How often it happened: backups that failed in a row; of what lasts, how often it came back within an hour."""
    server_id: str = ""
    stream: str = ""
    """Of the server, what it is about; empty: none of its streams; `*`: several that its agent handed over."""
    job_id: str = ""
    """The newest job that it is about."""
    resolved_at: datetime | None = None
    """None: it is active."""
    resolved_why: str = ""
    acknowledged_at: datetime | None = None
    """When an operator said that they know; it stays active until it is gone."""
    acknowledged_by: str = ""
    note: str = ""

    @property
    def is_active(self) -> bool:
        return self.resolved_at is None


class AcknowledgeRequest(msgspec.Struct, frozen=True):
    note: str = ""
    """Such as who looks after it; up to 500 characters."""

"""Sentences that several places say of alerts."""

from datetime import datetime

from phoenix_core.domain.alerts import AlertKind
from phoenix_core.domain.names import shown

SUBJECT_CHARS = 100
TEXT_CHARS = 1000

_OVER = {
    AlertKind.BACKUP_FAILED: "A later backup made a snapshot.",
    AlertKind.BACKUP_WITH_ERRORS: "A later backup read every file.",
    AlertKind.BACKUP_SKIPPED: "A later backup ran.",
    AlertKind.BACKUP_STOPPED: "A later backup came to its end.",
    AlertKind.STREAM_FLOODED: "For a week no more were handed over than before.",
    AlertKind.NO_BACKUP: "No backup of it is missed any more.",
    AlertKind.AGENT_AWAY: "The agent is connected again.",
    AlertKind.CERTIFICATE_ENDING: "The certificate was renewed.",
    AlertKind.VAULT_UNUSABLE: "The vault can be used again.",
    AlertKind.RECORDS_LOST: "The records are right again, or their loss was accepted.",
    AlertKind.VAULT_DAMAGED: "No pack is known to be damaged or lost any more.",
    AlertKind.INDEX_UNUSABLE: "The index is complete again.",
    AlertKind.VERIFY_FAILED: "A later verify of all snapshots found no damage.",
    AlertKind.SNAPSHOTS_LOST: "No snapshot of it is lost any more.",
    AlertKind.SPACE_LOW: "There is enough space again.",
    AlertKind.PROOF_BEHIND: "All snapshots that were waiting are proved.",
    AlertKind.DRILL_FAILED: "A later restore drill proved all that it took.",
    AlertKind.PROOF_OLD: "A restore was proved.",
    AlertKind.UPKEEP_FAILED: "A later run went well.",
    AlertKind.DISK_LOW: "There is enough space again.",
    AlertKind.CLOCK_JUMPED: "It is more than a day ago by the clock.",
    AlertKind.NOTIFICATION_FAILING: "A message was delivered again.",
}


def over(kind: AlertKind) -> str:
    """Why an alert of this kind is over."""
    return _OVER[kind]


def moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "never"


def one_line(text: str, most: int = TEXT_CHARS) -> str:
    """Text of untrusted origin as one line without control characters, cut where it is long."""
    flat = shown(" ".join(text.split()).encode("utf-8", "surrogateescape")).replace("\\\\", "\\")
    return flat if len(flat) <= most else flat[: most - 1] + "…"

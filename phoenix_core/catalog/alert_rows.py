"""Rows of alerts and notifications."""

from datetime import datetime

import msgspec

from phoenix_core.domain.alerts import AlertChange, AlertKind, Severity
from phoenix_core.domain.notifications import Channel, MessageState, NotificationRule


class AlertRow(msgspec.Struct, frozen=True):
    """Of one kind and subject at most one is active."""

    id: str
    kind: AlertKind
    subject_id: str
    """A server's, channel's or storage node's id, or a word such as `vault`; of a server's stream, the server's id, a
    blank and the stream's name."""
    subject: str
    severity: Severity
    text: str
    hint: str
    first_seen_at: datetime
    last_seen_at: datetime
    count: int = 1
    server_id: str = ""
    job_id: str = ""
    resolved_at: datetime | None = None
    resolved_why: str = ""
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    note: str = ""


class ChannelRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    body: Channel
    secret_held_by: str = ""
    """`keyring` or `file`; empty: there is none."""


class NotificationRuleRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    body: NotificationRule
    """With ids in place of the names of channels and groups, so that those can be renamed."""
    considered_until: datetime
    """Digests that were due up to this time have been dealt with."""


class NoticeRow(msgspec.Struct, frozen=True):
    """A change of an alert that a channel is to tell at once."""

    id: str
    channel_id: str
    alert_id: str
    change: AlertChange
    at: datetime
    message_id: str = ""
    """The message that it went into; empty: it waits for one."""


class MessageRow(msgspec.Struct, frozen=True):
    id: str
    channel_id: str
    rule_id: str
    """Of a digest: its rule; empty: it tells at once."""
    body: str
    """What it tells, as JSON; each attempt sends the same."""
    state: MessageState
    created_at: datetime
    next_try_at: datetime
    attempts: int = 0
    ended_at: datetime | None = None
    answer: str = ""
    """What the other end said when it took it."""
    problem: str = ""
    """Why it wasn't delivered yet, or to whom it was not."""

"""Whom alerts are told to: channels, the rules that use them, and the messages that went out."""

from datetime import datetime
from enum import StrEnum

import msgspec

from phoenix_core.domain.alerts import AlertKind, Severity

AT_ONCE = "at once"
SECRET_PART = "{secret}"  # noqa: S105 (stands for one)
"""In a webhook's URL: where its secret is put in."""


class ChannelKind(StrEnum):
    MAIL = "mail"
    WEBHOOK = "webhook"


class Security(StrEnum):
    """How the connection to a mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to tell people or programs. Its password or secret is not in it."""

    name: str
    kind: ChannelKind = ChannelKind.MAIL
    host: str = ""
    """Mail: the mail server's name or address."""
    port: int = 0
    """Mail: 0 is 587 with STARTTLS, 465 with TLS, 25 without."""
    security: Security = Security.STARTTLS
    """Mail."""
    user: str = ""
    """Mail: to log in as; empty: without a log-in."""
    sender: str = ""
    """Mail: its address."""
    recipients: tuple[str, ...] = ()
    """Mail: their addresses."""
    url: str = ""
    """Webhook: where the messages are posted to. `{secret}` in it stands for the channel's secret; where that isn't in
    it, a secret signs the messages."""
    ca_file: str = ""
    """A file on the core's host with the authorities (PEM) that the server's certificate is checked against; empty:
    those of the host."""

    @property
    def port_in_use(self) -> int:
        return self.port or {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}[self.security]

    @property
    def needs_secret(self) -> bool:
        return bool(self.user) if self.kind is ChannelKind.MAIL else SECRET_PART in self.url

    @property
    def place(self) -> str:
        """Where its messages go, for people to read."""
        return f"{self.host}:{self.port_in_use}" if self.kind is ChannelKind.MAIL else self.url


class NotificationRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts are told, by which channels, and when."""

    name: str
    channels: tuple[str, ...] = ()
    """Names of channels."""
    kinds: tuple[AlertKind, ...] = ()
    """Empty: all."""
    severity: Severity = Severity.WARNING
    """At least so bad."""
    groups: tuple[str, ...] = ()
    """Names of server groups: only alerts of their servers. Empty: all alerts, those of no server too."""
    when: str = AT_ONCE
    """`at once`, or such words as `daily at 07:00`, or a cron expression: a digest of all that matters then."""
    time_zone: str = "UTC"
    """An IANA name: digests go by its wall clock."""
    resolved: bool = True
    """At once: tell too when it is over. Digests always do."""
    when_quiet: bool = False
    """Send a digest also where there is nothing to tell."""


FIRST_RULES = (
    NotificationRule("urgent", severity=Severity.ERROR),
    NotificationRule("daily", when="daily at 07:00"),
)
"""With the first channel: errors at once, and a digest of all each morning."""


class ChannelView(msgspec.Struct, frozen=True):
    """A channel, and how it goes."""

    channel: Channel
    secret_held_by: str = ""
    """`keyring` or `file`; empty: it has none."""
    waiting: int = 0
    """Messages that are not delivered yet."""
    gathering: int = 0
    """Changes of alerts that wait for more to come, to go into one message."""
    delivered_at: datetime | None = None
    answer: str = ""
    """What the server said to the newest that was."""
    problem: str = ""
    """Why the oldest that waits was not."""


class MessageState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class MessageView(msgspec.Struct, frozen=True):
    """One mail, or one call of a webhook. Tried again until it is delivered: it may come twice, with the same id."""

    id: str
    channel: str
    kind: str
    """`at_once` or `digest`."""
    subject: str
    state: MessageState
    created_at: datetime
    attempts: int = 0
    next_try_at: datetime | None = None
    ended_at: datetime | None = None
    answer: str = ""
    """What the server said when it took it."""
    problem: str = ""
    """Why it wasn't delivered yet, or to whom it was not."""


class SecretRequest(msgspec.Struct, frozen=True):
    """Never logged, audited or given back."""

    secret: str
    """Empty: forget the one there is."""


class DeliveryResult(msgspec.Struct, frozen=True):
    """A test message was delivered."""

    channel: str
    message_id: str
    answer: str
    """The mail server's own answer, such as `250 OK queued as 4711`; of a webhook its status and the first line of its
    body."""
    seconds: float
    sent_to: tuple[str, ...] = ()
    """Recipients that the mail server took, or the URL."""

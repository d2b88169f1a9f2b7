"""Fixed data for the console's tests: notification channels and rules, and what a test of a channel says."""

from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.notifications import Channel, ChannelKind, ChannelView, DeliveryResult, NotificationRule
from tests.tui.sample import ago

OPS = ChannelView(
    Channel(
        "ops",
        host="mail.example.org",
        user="phoenix",
        sender="phoenix@example.org",
        recipients=("ops@example.org", "night@example.org"),
    ),
    secret_held_by="file",
    delivered_at=ago(hours=13),
    answer="250 OK queued as 4711",
)
CHAT = ChannelView(
    Channel("chat", ChannelKind.WEBHOOK, url="https://chat.example.org/hooks/{secret}"),
    secret_held_by="keyring",
    waiting=2,
    problem="The webhook https://chat.example.org/hooks/{secret} did not take the message: HTTP 503: later.",
)
RULES = (
    NotificationRule("urgent", ("ops", "chat"), severity=Severity.ERROR),
    NotificationRule("daily", ("ops",), when="daily at 07:00", time_zone="Europe/Berlin"),
    NotificationRule("web", ("chat",), (AlertKind.BACKUP_FAILED, AlertKind.NO_BACKUP), groups=("web servers",)),
)
DELIVERED = DeliveryResult(
    "ops", "m3pfxvk4gf92dxewg", "250 OK queued as 4712", 0.214, ("ops@example.org", "night@example.org")
)
NOT_DELIVERED = ErrorView(
    code="notification_not_delivered",
    message="The mail server mail.example.org:587 did not take the message: 535 5.7.8 Authentication failed.",
    hint="See that user and password are right: `phoenix notification set ops --user USER`.",
)

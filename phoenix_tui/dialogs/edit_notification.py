"""A form for a notification channel or a notification rule. A password or secret is typed into it, and never shown."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label

from phoenix_core.client import CoreClient
from phoenix_core.domain.alerts import AlertKind
from phoenix_core.domain.notifications import Channel, ChannelKind, NotificationRule
from phoenix_tui.dialogs.edit_form import EditForm
from phoenix_tui.dialogs.fields import Field, Unfit, filled
from phoenix_tui.i18n import _
from phoenix_tui.widgets.controls import CheckMark

Item = Channel | NotificationRule

_NAME = Field("name", _("Name"))
_CA_FILE = Field("ca_file", _("Authorities"), _("PEM file on the core's host; empty: its own"))
_MAIL = (
    _NAME,
    Field("recipients", _("To"), "ops@example.org; night@example.org"),
    Field("sender", _("From"), "phoenix@example.org"),
    Field("host", _("Mail server"), "mail.example.org"),
    Field("port", _("Port"), _("0: 587, with tls 465, with none 25")),
    Field("security", _("Security"), "starttls, tls, none"),
    Field("user", _("Log in as"), _("empty: without a log-in")),
    _CA_FILE,
)
_WEBHOOK = (_NAME, Field("url", _("URL"), "https://chat.example.org/hooks/{secret}"), _CA_FILE)
_RULE = (
    _NAME,
    Field("channels", _("By channels"), "ops; chat"),
    Field("severity", _("At least"), "warning, error, critical"),
    Field("kinds", _("Kinds"), _("backup_failed; no_backup; empty: all"), of=AlertKind),
    Field("groups", _("Groups"), _("only of their servers; empty: all alerts")),
    Field("when", _("When"), _("at once, or a digest: daily at 07:00")),
    Field("time_zone", _("Time zone"), "Europe/Berlin"),
    Field("resolved", _("Tell the end"), _("yes, no: at once, tell too when it is over")),
    Field("when_quiet", _("When quiet"), _("yes, no: send a digest with nothing in it")),
)
SECRET = "secret"  # noqa: S105 (the name of its line)


class EditNotification(EditForm):
    def __init__(self, client: CoreClient, item: Item, *, is_new: bool, secret_held_by: str = "") -> None:
        """`secret_held_by`: who holds the channel's password or secret; empty: there is none."""
        super().__init__(_title(item), item, fields_of(item))
        self._client = client
        self._item = item
        self._is_new = is_new
        self._first = is_new
        self._held_by = secret_held_by

    def compose_more(self) -> ComposeResult:
        if isinstance(self._item, NotificationRule):
            return
        held = _("held by the {holder}; type a new one to replace it").format(holder=self._held_by)
        none = (
            _("with {secret} in the URL it stands there, else it signs") if _is_webhook(self._item) else _("none yet")
        )
        with Horizontal(classes="form-line"):
            yield Label(_("Secret") if _is_webhook(self._item) else _("Password"), classes="form-name")
            yield Input(password=True, placeholder=held if self._held_by else none, name=SECRET)
        if self._held_by:
            yield CheckMark(_("Forget the one that is held"), id="forget")

    async def put(self) -> None:
        if isinstance(self._item, NotificationRule):
            rule = filled(self._item, _RULE, self.typed())
            name = rule.name if self._is_new else self._item.name
            await self._client.put_notification_rule(name, rule, new=self._is_new)
            return
        channel = filled(self._item, fields_of(self._item), self.typed())
        secret = self._secret()
        await self._client.put_channel(channel.name if self._is_new else self._item.name, channel, new=self._is_new)
        self._item, self._is_new = channel, False  # it is there, whatever becomes of the rest
        if self._first:
            await self._client.first_notification_rules(channel.name)
            self._first = False
        if secret is not None:
            await self._client.put_channel_secret(channel.name, secret)

    def _secret(self) -> str | None:
        """None: left as it is. Raises Unfit."""
        typed = self.typed()[SECRET]
        forget = bool(self._held_by) and self.query_one("#forget", CheckMark).value
        if typed and forget:
            raise Unfit(_("Either a new one is typed, or the one that is held is forgotten."))
        return "" if forget else typed or None


def fields_of(item: Item) -> tuple[Field, ...]:
    if isinstance(item, NotificationRule):
        return _RULE
    return _WEBHOOK if _is_webhook(item) else _MAIL


def _is_webhook(channel: Channel) -> bool:
    return channel.kind is ChannelKind.WEBHOOK


def _title(item: Item) -> str:
    if isinstance(item, NotificationRule):
        return _("Notification rule")
    return _("Webhook") if _is_webhook(item) else _("Mail channel")

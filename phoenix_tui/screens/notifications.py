"""Notification channels and rules in one list: how each goes, forms to make and change them, and tests of channels."""

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content

from phoenix_core.domain.alerts import Severity
from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.notifications import AT_ONCE, Channel, ChannelKind, ChannelView, NotificationRule, Security
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.dialogs.channel_test import ChannelTest
from phoenix_tui.dialogs.choose import Choice, Choose
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.edit_notification import EditNotification
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.model import Topic
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.toast import toast_error
from phoenix_tui.tones import BAD, DIM
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.facts import Fact, Facts
from phoenix_tui.widgets.row_table import Cell, RowTable

Item = ChannelView | NotificationRule
_SECURITY = {Security.STARTTLS: "STARTTLS", Security.TLS: "TLS", Security.NONE: _("not encrypted")}


class NotificationsScreen(ReadingScreen, SearchableScreen):
    BINDINGS = bindings("notifications")
    place = "notifications"
    read_upon = frozenset({Topic.ALERTS})
    search_for = _("Text in the line, such as a channel's or a rule's name")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._items: list[Item] | None = None
        self._problem: ErrorView | None = None

    def compose_body(self) -> ComposeResult:
        yield from self.compose_search()
        with Container(classes="halves"):
            yield RowTable[Item](
                (Column(_("Kind"), 8), Column(_("Name"), 20), Column(_("What it says"))),
                key=lambda item: f"{_kind(item)} {_name(item)}",
                cells=self._cells,
            )
            with Vertical(id="detail-part", classes="part"):
                yield Facts(id="detail")

    async def fetch(self) -> None:
        try:
            self._items = [*await self.client.channels(), *await self.client.notification_rules()]
            self._problem = None
        except PhoenixError as error:
            self._problem = error.view()
        self.update_view()

    def face(self) -> Face | None:
        if self._problem is not None:
            return failed(self._problem)
        if self._items is None:
            return loading()
        if not self._items:
            return empty(
                _("Nobody is told of alerts"),
                _(
                    "A channel is a way to tell somebody, by mail or webhook; a rule says which alerts go by it, and "
                    "when. Press n to make one; the first channel comes with two rules."
                ),
            )
        return None

    def show_model(self) -> None:
        items = self._items or []
        self.query_one(RowTable).show([each for each in items if self.holds(_kind(each), _name(each), _text(each))])
        self._show_detail()

    def _cells(self, item: Item) -> list[Cell]:
        problem = item.problem if isinstance(item, ChannelView) else ""
        text = Content.styled(f"✗ {problem}", BAD) if problem else _text(item)
        return [Content.styled(_kind(item), DIM), _name(item), text]

    def _show_detail(self) -> None:
        item = self._item()
        if item is not None:
            self.query_one("#detail-part").border_title = _name(item).replace("[", r"\[")
            facts = self._of_channel(item) if isinstance(item, ChannelView) else _of_rule(item)
            self.query_one("#detail", Facts).show(facts)

    def _of_channel(self, view: ChannelView) -> list[Fact]:
        channel = view.channel
        delivered = (
            f"{self.formats.moment(view.delivered_at)}: {view.answer}" if view.delivered_at else _("nothing yet")
        )
        facts: list[Fact] = [(_("URL"), channel.url)]
        if channel.kind is ChannelKind.MAIL:
            log_in = _(", as {user}").format(user=channel.user) if channel.user else ""
            facts = [
                (_("To"), _("{to}, from {sender}").format(to=", ".join(channel.recipients), sender=channel.sender)),
                (_("Mail server"), f"{channel.place}, {_SECURITY[channel.security]}{log_in}"),
            ]
        if channel.ca_file:
            facts.append((_("Authorities"), channel.ca_file))
        facts += [
            (_("Secret"), _secret(view)),
            (_("Delivered"), delivered),
            (_("Waiting"), ngettext("{count} message", "{count} messages", view.waiting).format(count=view.waiting)),
        ]
        if view.problem:
            facts.append((_("Problem"), Content.styled(view.problem, BAD)))
        return facts

    # --- intentions --------------------------------------------------------------------------------------------------

    def _item(self) -> Item | None:
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, Item) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"change", "remove", "test"}:
            item = self._item() if self.is_whole and self._items is not None else None
            return item is not None and (action != "test" or isinstance(item, ChannelView))
        return super().check_action(action, parameters)

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self) -> None:
        self.action_change()

    def action_change(self) -> None:
        item = self._item()
        if isinstance(item, ChannelView):
            self._edit(item.channel, is_new=False, secret_held_by=item.secret_held_by)
        elif item is not None:
            self._edit(item, is_new=False)

    def action_test(self) -> None:
        item = self._item()
        if isinstance(item, ChannelView):
            self.app.push_screen(ChannelTest(self.client, item.channel.name))

    def action_new(self) -> None:
        choices = (
            Choice("mail", _("Mail channel"), _("Tells people by mail")),
            Choice("webhook", _("Webhook"), _("Tells a program or a chat: one POST for each message")),
            Choice("rule", _("Notification rule"), _("Which alerts go by which channels, and when")),
        )

        def chosen(kind: str | None) -> None:
            made: dict[str, Channel | NotificationRule] = {
                "mail": Channel(""),
                "webhook": Channel("", ChannelKind.WEBHOOK),
                "rule": NotificationRule(""),
            }
            if kind is not None:
                self._edit(made[kind], is_new=True)

        self.app.push_screen(Choose(_("Make which?"), choices), chosen)

    def _edit(self, item: Channel | NotificationRule, *, is_new: bool, secret_held_by: str = "") -> None:
        """Coming back from it, the list is read anew."""
        self.app.push_screen(EditNotification(self.client, item, is_new=is_new, secret_held_by=secret_held_by))

    def action_remove(self) -> None:
        item = self._item()
        if item is None:
            return
        is_channel, name = isinstance(item, ChannelView), _name(item)
        work = self.client.remove_channel if is_channel else self.client.remove_notification_rule
        text = _("Its secret and what waits for it go with it; rules no longer name it.")
        if not is_channel:
            text = _("What it tells is told by no other, unless another rule does.")

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(work(name), "remove a channel or rule", lambda done: self.read(), self._not_removed)

        question = _("Remove {kind} {name}?").format(kind=_kind(item), name=name)
        self.app.push_screen(Confirm(question, text, _("Remove it")), answered)

    def _not_removed(self, error: ErrorView) -> None:
        """A channel whose secret can't be deleted is gone all the same."""
        toast_error(self, error)
        self.read()


def _kind(item: Item) -> str:
    if isinstance(item, NotificationRule):
        return _("rule")
    return _("mail") if item.channel.kind is ChannelKind.MAIL else _("webhook")


def _name(item: Item) -> str:
    return item.name if isinstance(item, NotificationRule) else item.channel.name


def _text(item: Item) -> str:
    if isinstance(item, ChannelView):
        return ", ".join(item.channel.recipients) or item.channel.url
    return " · ".join((_tells(item), _when(item), _by(item)))


def _tells(rule: NotificationRule) -> str:
    kinds = ", ".join(kind.words for kind in rule.kinds) or _("all alerts")
    if rule.severity is Severity.WARNING:
        return kinds
    return _("{kinds}, {severity} or worse").format(kinds=kinds, severity=rule.severity)


def _when(rule: NotificationRule) -> str:
    if rule.when == AT_ONCE:
        return _("at once")
    return _("digest {when} ({zone})").format(when=rule.when, zone=rule.time_zone)


def _by(rule: NotificationRule) -> str:
    return _("by {channels}").format(channels=", ".join(rule.channels) or _("nobody"))


def _of_rule(rule: NotificationRule) -> list[Fact]:
    groups = ", ".join(rule.groups)
    end = (_("When over"), _("is told too") if rule.resolved else _("is not told"))
    quiet = (_("When quiet"), _("is sent all the same") if rule.when_quiet else _("is not sent"))
    return [
        (_("Tells"), _tells(rule)),
        (_("Of"), _("servers of {groups}").format(groups=groups) if groups else _("everything")),
        (_("When"), _when(rule)),
        (_("By"), ", ".join(rule.channels) or _("nobody: name a channel")),
        end if rule.when == AT_ONCE else quiet,
    ]


def _secret(view: ChannelView) -> str | Content:
    if view.secret_held_by:
        return _("held by the {holder}").format(holder=view.secret_held_by)
    if view.channel.needs_secret:
        return Content.styled(_("none, and it needs one: press e to give it"), BAD)
    return _("none")

"""Notification channels and rules in the console."""

from textual.widgets import Input, Static

from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.notifications import FIRST_RULES, ChannelKind, NotificationRule, Security
from phoenix_tui.dialogs.channel_test import ChannelTest
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.edit_notification import EditNotification
from phoenix_tui.screens.notifications import NotificationsScreen
from phoenix_tui.widgets.controls import CheckMark
from phoenix_tui.widgets.facts import Facts
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample_notifications
from tests.tui.conftest import ConsolePilot, OpenConsole, picture_of, until
from tests.tui.scripted_core import ScriptedCore

SECRET = "tr0ub4dor3"


async def opened(pilot: ConsolePilot, core: ScriptedCore) -> None:
    """With the samples: ops, chat, urgent, daily, web."""
    core.notifications.fill()
    await pilot.press("9")
    await until(pilot, lambda: isinstance(pilot.app.screen, NotificationsScreen))
    await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count == 5)


async def in_form(pilot: ConsolePilot) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, EditNotification))


async def in_list(pilot: ConsolePilot) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, NotificationsScreen))


def field(pilot: ConsolePilot, name: str) -> Input:
    return next(each for each in pilot.app.screen.query(Input) if each.name == name)


def wrong(pilot: ConsolePilot) -> str:
    return str(pilot.app.screen.query_one("#wrong", Static).render())


def detail(pilot: ConsolePilot) -> str:
    return str(pilot.app.screen.query_one(Facts).render())


async def test_each_says_how_it_goes(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot, core)
        assert "ops@example.org, night@example.org, from phoenix@example.org" in detail(pilot)
        assert "mail.example.org:587, STARTTLS, as phoenix" in detail(pilot)
        assert "250 OK queued as 4711" in detail(pilot)
        assert "held by the file" in detail(pilot)
        await pilot.press("down")
        await until(pilot, lambda: "HTTP 503: later" in detail(pilot))
        assert "2 messages" in detail(pilot)
        await pilot.press("down")
        await until(pilot, lambda: "all alerts, error or worse" in detail(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "servers of web servers" in detail(pilot))


async def test_a_mail_channel_is_made_with_its_password_and_the_first_rules(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press("9")
        await until(pilot, lambda: core.asked("GET", "/v1/channels"))
        await until(pilot, lambda: pilot.app.screen.query_one(".face").display)
        await pilot.press("n", "enter")
        await in_form(pilot)
        typed = {
            "name": "ops",
            "recipients": "ops@example.org; night@example.org",
            "sender": "phoenix@example.org",
            "host": "mail.example.org",
            "security": "tls",
            "user": "phoenix",
            "secret": SECRET,
        }
        for name, text in typed.items():
            field(pilot, name).value = text
        assert SECRET not in await picture_of(pilot)
        await pilot.press("enter")
        await in_list(pilot)
        made = core.notifications.channels["ops"].channel
        assert (made.kind, made.security, made.port) == (ChannelKind.MAIL, Security.TLS, 0)
        assert made.recipients == ("ops@example.org", "night@example.org")
        assert core.notifications.secrets == {"ops": SECRET}
        assert [rule.name for rule in core.notifications.rules.values()] == [rule.name for rule in FIRST_RULES]
        assert {rule.channels for rule in core.notifications.rules.values()} == {("ops",)}
        await until(pilot, lambda: "held by the file" in detail(pilot))
        assert SECRET not in await picture_of(pilot)


async def test_a_secret_is_kept_replaced_or_forgotten_and_never_shown(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await opened(pilot, core)
        await pilot.press("e")
        await in_form(pilot)
        secret = field(pilot, "secret")
        assert (secret.value, secret.password) == ("", True)
        assert "held by the file" in secret.placeholder
        field(pilot, "port").value = "2525"
        await pilot.press("enter")
        await in_list(pilot)
        assert core.notifications.channels["ops"].channel.port == 2525
        assert core.notifications.secrets == {}
        await until(pilot, lambda: pilot.app.screen.query_one(RowTable).cursor_item is not None)
        pilot.app.screen.query_one(RowTable).put_cursor("mail ops")
        await pilot.press("e")
        await in_form(pilot)
        field(pilot, "secret").value = SECRET
        pilot.app.screen.query_one("#forget", CheckMark).value = True
        await pilot.press("enter")
        await until(pilot, lambda: "Either a new one" in wrong(pilot))
        assert core.notifications.secrets == {}
        field(pilot, "secret").value = ""
        await pilot.press("enter")
        await in_list(pilot)
        assert core.notifications.secrets == {"ops": ""}
        assert core.notifications.rules == {rule.name: rule for rule in sample_notifications.RULES}


async def test_what_the_core_refuses_stands_in_the_form_and_what_it_took_is_not_made_twice(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    refused = "Notification hook: url: https is wanted."
    core.refuse["/v1/channels/hook"] = ErrorView(code="field_invalid", message=refused, hint="")
    async with open_console() as pilot:
        await opened(pilot, core)
        await pilot.press("n", "down", "enter")
        await in_form(pilot)
        field(pilot, "name").value = "hook"
        field(pilot, "url").value = "https://hooks.example.org/{secret}"
        field(pilot, "secret").value = SECRET
        await pilot.press("enter")
        await until(pilot, lambda: refused in wrong(pilot))
        core.refuse = {"/v1/channels/hook/secret": ErrorView(code="x", message="It can't be kept.", hint="")}
        await pilot.press("enter")
        await until(pilot, lambda: "can't be kept" in wrong(pilot))
        assert core.notifications.channels["hook"].channel.kind is ChannelKind.WEBHOOK
        core.refuse.clear()
        await pilot.press("enter")
        await in_list(pilot)
        assert core.notifications.secrets == {"hook": SECRET}
        assert len(core.asked("PUT", "/v1/channels/hook")) == 3


async def test_a_rule_is_made_changed_and_removed(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot, core)
        await pilot.press("n", "down", "down", "enter")
        await in_form(pilot)
        field(pilot, "name").value = "night"
        field(pilot, "channels").value = "ops"
        field(pilot, "severity").value = "worst"
        field(pilot, "kinds").value = "backup_failed; agent_away"
        await pilot.press("enter")
        await until(pilot, lambda: "one of warning, error, critical is wanted" in wrong(pilot))
        field(pilot, "severity").value = "critical"
        field(pilot, "kinds").value = "backup_failed; no_such"
        await pilot.press("enter")
        await until(pilot, lambda: "Kinds: one of backup_failed" in wrong(pilot))
        field(pilot, "kinds").value = "backup_failed; agent_away"
        await pilot.press("enter")
        await in_list(pilot)
        kinds = (AlertKind.BACKUP_FAILED, AlertKind.AGENT_AWAY)
        assert core.notifications.rules["night"] == NotificationRule("night", ("ops",), kinds, Severity.CRITICAL)
        table = pilot.app.screen.query_one(RowTable)
        await until(pilot, lambda: "rule night" in table.keys)
        await pilot.press("end", "enter")
        await in_form(pilot)
        field(pilot, "name").value = "nights"
        field(pilot, "when").value = "daily at 22:00"
        field(pilot, "when_quiet").value = "yes"
        await pilot.press("enter")
        await until(pilot, lambda: "rule nights" in table.keys)
        changed = core.notifications.rules["nights"]
        assert (changed.when, changed.when_quiet) == ("daily at 22:00", True)
        await pilot.press("end", "x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "rule nights" not in table.keys)
        assert "nights" not in core.notifications.rules


async def test_a_channel_is_removed_though_its_secret_is_left(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot, core)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        left = "The password or secret of ops, which is removed, is still held: it is locked."
        core.refuse["/v1/channels/ops"] = ErrorView(code="channel_secret_left", message=left, hint="Delete it.")
        del core.notifications.channels["ops"]
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "mail ops" not in pilot.app.screen.query_one(RowTable).keys)
        assert any(left in each.message for each in pilot.app._notifications)


async def test_a_test_shows_the_server_s_own_answer(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot, core)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChannelTest))
        outcome = pilot.app.screen.query_one("#outcome", Static)
        await until(pilot, lambda: "The answer: 250 OK queued as 4712" in str(outcome.render()))
        assert "Delivered to ops@example.org, night@example.org in 0.2 s" in str(outcome.render())
        await pilot.press("escape")
        await in_list(pilot)
        core.refuse["/v1/channels/ops/test"] = sample_notifications.NOT_DELIVERED
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChannelTest))
        refusal = pilot.app.screen.query_one("#outcome", Static)
        await until(pilot, lambda: "535 5.7.8 Authentication failed" in str(refusal.render()))
        assert "phoenix notification set ops --user USER" in str(refusal.render())
        await pilot.press("escape")
        await in_list(pilot)
        await pilot.press("end", "t")  # a rule has none
        await pilot.pause()
        assert isinstance(pilot.app.screen, NotificationsScreen)
        assert len(core.asked("POST", "/v1/channels/ops/test")) == 2


async def test_a_rule_without_channels_says_that_it_tells_nobody(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.notifications.rules = {"lost": NotificationRule("lost")}
    async with open_console() as pilot:
        await pilot.press("9")
        await until(pilot, lambda: isinstance(pilot.app.screen, NotificationsScreen))
        await until(pilot, lambda: "nobody: name a channel" in detail(pilot))

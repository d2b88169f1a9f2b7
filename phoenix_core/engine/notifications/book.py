"""The channels and rules in force, in memory, and which of them tell of an alert."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from phoenix_core.catalog.alert_rows import AlertRow, ChannelRow, NoticeRow, NotificationRuleRow
from phoenix_core.catalog.messages import Messages
from phoenix_core.catalog.notifications import Notifications
from phoenix_core.domain.alerts import AlertChange, AlertKind
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.notifications import AT_ONCE
from phoenix_core.engine.alerts.board import Changed
from phoenix_core.engine.policies.attached import Attached


class NotificationBook:
    """`load` first, and whenever one was changed."""

    def __init__(self, stored: Notifications, messages: Messages, attached: Attached) -> None:
        self._stored = stored
        self._messages = messages
        self._attached = attached
        self.channels: dict[str, ChannelRow] = {}
        """By id."""
        self.rules: list[NotificationRuleRow] = []

    async def load(self) -> None:
        self.channels = {row.id: row for row in await self._stored.channels()}
        self.rules = await self._stored.rules()

    def has(self, channel_id: str) -> bool:
        return channel_id in self.channels

    async def notices(self, changes: Sequence[Changed], now: datetime) -> list[NoticeRow]:
        """What is to be told at once of these changes. That an alert is over is told where it was told of before."""
        rules = [rule for rule in self.rules if rule.body.when == AT_ONCE and rule.body.channels]
        told_about = [each for each in changes if each.change is not None]
        if not rules or not told_about:
            return []
        groups = await self._attached.groups_by_server()
        over = [each.alert.id for each in told_about if each.change is AlertChange.RESOLVED]
        told = await self._messages.told(over)
        return [
            NoticeRow(new_id("t"), channel_id, each.alert.id, each.change, now)
            for each in told_about
            for channel_id in self._channels_for(each, rules, groups)
            if each.change is not None
            and (each.change is not AlertChange.RESOLVED or (each.alert.id, channel_id) in told)
        ]

    def _channels_for(
        self, changed: Changed, rules: Iterable[NotificationRuleRow], groups: dict[str, str]
    ) -> list[str]:
        """Each once, whatever number of rules names it."""
        named: dict[str, None] = {}
        for rule in rules:
            wants_end = rule.body.resolved or changed.change is not AlertChange.RESOLVED
            if wants_end and tells_of(rule, changed.alert, groups):
                named |= dict.fromkeys(rule.body.channels)
        return [each for each in named if each in self.channels and not _about_itself(changed.alert, each)]


def tells_of(rule: NotificationRuleRow, alert: AlertRow, groups: dict[str, str]) -> bool:
    """`groups`: ids of the groups, by server's id."""
    body = rule.body
    return (
        alert.severity.rank >= body.severity.rank
        and (not body.kinds or alert.kind in body.kinds)
        and (not body.groups or groups.get(alert.server_id, "") in body.groups)
    )


def _about_itself(alert: AlertRow, channel_id: str) -> bool:
    """That a channel fails isn't told by that channel."""
    return alert.kind is AlertKind.NOTIFICATION_FAILING and alert.subject_id == channel_id

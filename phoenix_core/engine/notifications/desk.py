"""Operators' changes of channels and rules, and what they ask of them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import structlog

from phoenix_core.catalog.alert_rows import ChannelRow, MessageRow, NotificationRuleRow
from phoenix_core.catalog.messages import Messages
from phoenix_core.catalog.notifications import Notifications
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import GroupRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.notifications import (
    Channel,
    ChannelView,
    DeliveryResult,
    MessageState,
    MessageView,
    NotificationRule,
)
from phoenix_core.engine.notifications.book import NotificationBook
from phoenix_core.engine.notifications.checks import CHANNEL, RULE, check_channel, check_rule, check_secret
from phoenix_core.engine.notifications.content import TEST, Content
from phoenix_core.engine.notifications.delivery import Delivery
from phoenix_core.engine.notifications.errors import SecretLeft
from phoenix_core.engine.policies.errors import FieldInvalid
from phoenix_core.engine.policies.references import named, row_for
from phoenix_core.host.channelsecrets import ChannelSecrets
from phoenix_core.host.errors import SecretUnavailable

log = structlog.get_logger(__name__)


class NotificationDesk:
    def __init__(
        self,
        stored: Notifications,
        messages: Messages,
        policies: Policies,
        book: NotificationBook,
        secrets: ChannelSecrets,
        delivery: Delivery,
        core: str,
        changed: Callable[[], None],
        clock: Clock,
        turn: asyncio.Lock,
    ) -> None:
        """`core`: its host name. `changed` is called after each change. `turn`: held by who changes policies, groups or
        these, since they refer to each other."""
        self._stored = stored
        self._messages = messages
        self._policies = policies
        self._book = book
        self._secrets = secrets
        self._delivery = delivery
        self._core = core
        self._changed = changed
        self._clock = clock
        self._turn = turn

    # --- channels ----------------------------------------------------------------------------------------------------

    async def channels(self) -> list[ChannelView]:
        waiting = await self._messages.waiting()
        ended = await self._messages.newest_ended()
        gathering = {channel_id: count for channel_id, (count, _) in (await self._messages.pending()).items()}
        return [
            _view(
                row,
                [each for each in waiting if each.channel_id == row.id],
                gathering.get(row.id, 0),
                ended.get((row.id, MessageState.DELIVERED)),
            )
            for row in await self._stored.channels()
        ]

    async def channel(self, name: str) -> ChannelView:
        """Raises NotFound."""
        row = named("notification", await self._stored.channels(), name)
        return next(view for view in await self.channels() if view.channel.name == row.name)

    async def put_channel(self, name: str, channel: Channel, who: str, *, new: bool = False) -> ChannelView:
        """Make the channel, or change the one of this name; its own name may be a new one. `new`: only make it. What
        waits is tried anew. Raises FieldInvalid."""
        await asyncio.to_thread(check_channel, channel)
        async with self._turn:
            row = row_for(CHANNEL, await self._stored.channels(), name, channel.name, new=new)
            channel_id = row.id if row else new_id("c")
            held = row.secret_held_by if row else ""
            await self._stored.put_channel(ChannelRow(channel_id, channel.name, channel, held))
            await self._done("channel changed", channel.name, who)
        await self._messages.try_now(channel_id, self._clock.now())
        return await self.channel(channel.name)

    async def put_secret(self, name: str, secret: str, who: str) -> ChannelView:
        """Keep the channel's password or secret; empty: forget it. Raises NotFound, FieldInvalid, SecretUnavailable."""
        check_secret(name, secret)
        async with self._turn:
            row = named("notification", await self._stored.channels(), name)
            if secret:
                held = str(await asyncio.to_thread(self._secrets.put, row.id, secret))
            else:
                await asyncio.to_thread(self._secrets.forget, row.id, row.secret_held_by)
                held = ""
            await self._stored.put_channel(msgspec.structs.replace(row, secret_held_by=held))
            await self._done("channel's secret changed", name, who)
        await self._messages.try_now(row.id, self._clock.now())
        return await self.channel(name)

    async def remove_channel(self, name: str, who: str) -> None:
        """With its secret, and with what waits; rules no longer name it. Raises NotFound; SecretLeft where it is
        gone and its secret is not."""
        async with self._turn:
            row = named("notification", await self._stored.channels(), name)
            await self._stored.remove_channel(row.id)
            await self._done("channel removed", name, who)
        await self.forget_secrets([row])

    async def test(self, name: str) -> DeliveryResult:
        """Deliver a test message now. Raises NotFound, NotDelivered, ChannelSecretMissing."""
        row = named("notification", await self._stored.channels(), name)
        content = Content(id=new_id("m", 16), kind=TEST, at=self._clock.now(), core=self._core)
        began = time.monotonic()
        delivered = await self._delivery.send(row, content)
        answer = delivered.answer + (f"; not taken for {delivered.refused}" if delivered.refused else "")
        return DeliveryResult(
            channel=row.name,
            message_id=content.id,
            answer=answer,
            seconds=round(time.monotonic() - began, 3),
            sent_to=delivered.to,
        )

    async def messages(self, name: str, limit: int) -> list[MessageView]:
        """Of a channel, newest first. Raises NotFound."""
        row = named("notification", await self._stored.channels(), name)
        return [_message(each, row.name) for each in await self._messages.listed(row.id, limit)]

    # --- rules -------------------------------------------------------------------------------------------------------

    async def rules(self) -> list[NotificationRule]:
        """With names in place of ids."""
        channels = {row.id: row.name for row in await self._stored.channels()}
        groups = {row.id: row.name for row in await self._policies.groups()}
        return [_with_names(row, channels, groups) for row in await self._stored.rules()]

    async def rule(self, name: str) -> NotificationRule:
        """Raises NotFound."""
        found = next((rule for rule in await self.rules() if rule.name == name), None)
        if found is None:
            raise NotFound(what="notification rule", name=name)
        return found

    async def put_rule(self, name: str, rule: NotificationRule, who: str, *, new: bool = False) -> NotificationRule:
        """As `put_channel`. Raises FieldInvalid also for what isn't there."""
        await asyncio.to_thread(check_rule, rule)
        async with self._turn:
            row = row_for(RULE, await self._stored.rules(), name, rule.name, new=new)
            wanted = rule_row(
                rule, row, await self._stored.channels(), await self._policies.groups(), self._clock.now()
            )
            await self._stored.put_rule(wanted)
            await self._done("notification rule changed", rule.name, who)
        return await self.rule(rule.name)

    async def remove_rule(self, name: str, who: str) -> None:
        """Raises NotFound."""
        async with self._turn:
            await self._stored.remove_rule(named("notification rule", await self._stored.rules(), name).id)
            await self._done("notification rule removed", name, who)

    async def rules_of_group(self, group_id: str) -> list[str]:
        """Names of the rules that tell of this group's servers only."""
        return [row.name for row in await self._stored.rules() if group_id in row.body.groups]

    # --- as part of a whole configuration ----------------------------------------------------------------------------

    async def channels_for(self, wanted: Sequence[Channel]) -> tuple[list[ChannelRow], list[ChannelRow]]:
        """The rows of these channels, with the secrets of those that are there, and the rows that go."""
        known = {row.name: row for row in await self._stored.channels()}
        rows = [
            ChannelRow(known[each.name].id, each.name, each, known[each.name].secret_held_by)
            if each.name in known
            else ChannelRow(new_id("c"), each.name, each)
            for each in wanted
        ]
        names = {each.name for each in wanted}
        return rows, [row for row in known.values() if row.name not in names]

    async def rules_for(
        self, wanted: Sequence[NotificationRule], channels: Sequence[ChannelRow], groups: Sequence[GroupRow]
    ) -> list[NotificationRuleRow]:
        """The rows of these rules, which name these channels and groups. Raises FieldInvalid."""
        known = {row.name: row for row in await self._stored.rules()}
        now = self._clock.now()
        return [rule_row(rule, known.get(rule.name), channels, groups, now) for rule in wanted]

    async def applied(self) -> None:
        """A whole configuration is in force."""
        await self._book.load()
        self._changed()

    async def forget_secrets(self, gone: Sequence[ChannelRow]) -> None:
        """Delete the secrets of channels that are gone. After all else: one that can't be deleted keeps nothing
        from being told. Raises SecretLeft."""
        left: dict[str, str] = {}
        for row in gone:
            try:
                await asyncio.to_thread(self._secrets.forget, row.id, row.secret_held_by)
            except SecretUnavailable as error:
                left[row.name] = str(error.fields["detail"])
        if left:
            log.warning("secrets of removed channels are still held", channels=list(left), why=list(left.values()))
            raise SecretLeft(channel=", ".join(left), detail="; ".join(dict.fromkeys(left.values())))

    async def _done(self, what: str, name: str, who: str) -> None:
        log.info(what, name=name, who=who)
        await self._book.load()
        self._changed()


def rule_row(
    rule: NotificationRule,
    before: NotificationRuleRow | None,
    channels: Sequence[ChannelRow],
    groups: Sequence[GroupRow],
    now: datetime,
) -> NotificationRuleRow:
    """The rule by ids. What it would have had due before it was made, or before its times were changed, is not due.
    Raises FieldInvalid for what isn't there."""
    body = msgspec.structs.replace(
        rule,
        channels=_ids(rule, "channels", "notification", channels),
        groups=_ids(rule, "groups", "group", groups),
    )
    same = before is not None and (before.body.when, before.body.time_zone) == (rule.when, rule.time_zone)
    considered = before.considered_until if before is not None and same else now
    return NotificationRuleRow(before.id if before else new_id("q"), rule.name, body, considered)


def _ids(
    rule: NotificationRule, field: str, what: str, rows: Sequence[ChannelRow] | Sequence[GroupRow]
) -> tuple[str, ...]:
    by_name = {row.name: row.id for row in rows}
    names: tuple[str, ...] = getattr(rule, field)
    for name in names:
        if name not in by_name:
            raise FieldInvalid(what=RULE, name=rule.name, field=field, detail=f"there is no {what} named {name}")
    return tuple(dict.fromkeys(by_name[name] for name in names))


def _with_names(row: NotificationRuleRow, channels: dict[str, str], groups: dict[str, str]) -> NotificationRule:
    return msgspec.structs.replace(
        row.body,
        name=row.name,
        channels=tuple(channels[each] for each in row.body.channels if each in channels),
        groups=tuple(groups.get(each, each) for each in row.body.groups),
    )


def _view(row: ChannelRow, waiting: Sequence[MessageRow], gathering: int, taken: MessageRow | None) -> ChannelView:
    return ChannelView(
        channel=row.body,
        secret_held_by=row.secret_held_by,
        waiting=len(waiting),
        gathering=gathering,
        delivered_at=taken.ended_at if taken else None,
        answer=taken.answer if taken else "",
        problem=(waiting[0].problem if waiting else "") or (taken.problem if taken else ""),
    )


def _message(row: MessageRow, channel: str) -> MessageView:
    try:
        content = msgspec.json.decode(row.body, type=Content)
        kind, subject = content.kind, content.subject
    except msgspec.MsgspecError:  # another release wrote it
        kind, subject = "", "(what it says can't be read)"
    return MessageView(
        id=row.id,
        channel=channel,
        kind=kind,
        subject=subject,
        state=row.state,
        created_at=row.created_at,
        attempts=row.attempts,
        next_try_at=row.next_try_at if row.state is MessageState.WAITING else None,
        ended_at=row.ended_at,
        answer=row.answer,
        problem=row.problem,
    )

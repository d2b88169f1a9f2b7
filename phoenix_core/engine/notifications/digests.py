"""Makes the digests of rules that don't tell at once: how things are, and what happened since the one before."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from phoenix_core.catalog.alert_rows import MessageRow, NotificationRuleRow
from phoenix_core.catalog.alerts import Alerts
from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.messages import Messages
from phoenix_core.domain.alerts import AlertChange
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.notifications import AT_ONCE, MessageState
from phoenix_core.engine.alerts.board import AlertBoard, view_of
from phoenix_core.engine.notifications.book import NotificationBook, tells_of
from phoenix_core.engine.notifications.checks import digest_times
from phoenix_core.engine.notifications.content import DIGEST, Content, Told, worst_first
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.due import due_now

LONGEST = timedelta(days=31)
"""A digest looks back no longer."""

log = structlog.get_logger(__name__)


class Digests:
    """A duty of the scheduler. A digest that was missed while the core was not running is made up for, once."""

    def __init__(
        self,
        book: NotificationBook,
        alerts: Alerts,
        board: AlertBoard,
        ends: BackupEnds,
        messages: Messages,
        attached: Attached,
        core: str,
        made: Callable[[], None],
        clock: Clock,
    ) -> None:
        """`core`: its host name. `made` is called when there is one to deliver."""
        self._book = book
        self._alerts = alerts
        self._board = board
        self._ends = ends
        self._messages = messages
        self._attached = attached
        self._core = core
        self._made = made
        self._clock = clock

    async def turn(self) -> datetime | None:
        now = self._clock.now()
        coming: list[datetime] = []
        for rule in list(self._book.rules):
            if rule.body.when == AT_ONCE:
                continue
            try:
                timetable = await asyncio.to_thread(digest_times, rule.body)  # it reads the time zone from the disk
                due = due_now(timetable, rule.considered_until, now)
                if due.considered_until != rule.considered_until:
                    await self._serve(rule, due.at, due.considered_until, now)
                following = timetable.due_after(now)
            except PhoenixError as error:
                log.warning("a digest could not be made", rule=rule.name, error=error.message)
                continue
            if following is not None:
                coming.append(following)
        return min(coming, default=None)

    async def _serve(
        self, rule: NotificationRuleRow, due: datetime | None, considered_until: datetime, now: datetime
    ) -> None:
        made: list[MessageRow] = []
        if due is not None:
            since = max(rule.considered_until, now - LONGEST)
            made = [
                await self._message(rule, channel_id, since, now)
                for channel_id in rule.body.channels
                if channel_id in self._book.channels
            ]
            made = [each for each in made if rule.body.when_quiet or _tells(each)]
        await self._messages.add_digests(rule.id, made, considered_until)
        await self._book.load()
        if made:
            self._made()

    async def _message(self, rule: NotificationRuleRow, channel_id: str, since: datetime, now: datetime) -> MessageRow:
        groups = await self._attached.groups_by_server()
        active = [row for row in self._board.active() if tells_of(rule, row, groups)]
        over = [row for row in await self._alerts.resolved_since(since) if tells_of(rule, row, groups)]
        told = [
            *(Told(AlertChange.RAISED if row.first_seen_at > since else None, view_of(row)) for row in active),
            *(Told(AlertChange.RESOLVED, view_of(row)) for row in over),
        ]
        counts = await self._ends.counts_since(since)
        content = Content(
            id=new_id("m", 16),
            kind=DIGEST,
            at=now,
            core=self._core,
            alerts=tuple(sorted(told, key=worst_first)),
            rule=rule.name,
            since=since,
            backups={str(state): count for state, count in counts.items()},
        )
        return MessageRow(
            id=content.id,
            channel_id=channel_id,
            rule_id=rule.id,
            body=msgspec.json.encode(content).decode(),
            state=MessageState.WAITING,
            created_at=now,
            next_try_at=now,
        )


def _tells(message: MessageRow) -> bool:
    return bool(msgspec.json.decode(message.body, type=Content).alerts)

"""Queries on what is to be told: notices that wait for a message, and messages that wait for delivery."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.catalog.alert_rows import AlertRow, MessageRow, NoticeRow
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.tables import alerts, messages, notices, notification_rules
from phoenix_core.domain.notifications import MessageState


class Messages:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    # --- notices -----------------------------------------------------------------------------------------------------

    async def pending(self) -> dict[str, tuple[int, datetime]]:
        """By channel: how many notices wait for a message, and since when the oldest does."""
        query = (
            sa.select(notices.c.channel_id, sa.func.count(), sa.func.min(notices.c.at))
            .where(notices.c.message_id == "")
            .group_by(notices.c.channel_id)
        )
        async with self._catalog.reading() as connection:
            return {row[0]: (row[1], row[2]) for row in await connection.execute(query)}

    async def pending_of(self, channel_id: str) -> list[tuple[NoticeRow, AlertRow]]:
        """Oldest first, each with its alert as it is now."""
        query = sa.select(notices).where(notices.c.channel_id == channel_id, notices.c.message_id == "")
        async with self._catalog.reading() as connection:
            found = await connection.execute(query.order_by(notices.c.at, notices.c.id))
            waiting = [NoticeRow(**row) for row in found.mappings()]
            named = sa.select(notices.c.alert_id).where(notices.c.channel_id == channel_id, notices.c.message_id == "")
            of = await connection.execute(sa.select(alerts).where(alerts.c.id.in_(named)))
            by_id = {row["id"]: AlertRow(**row) for row in of.mappings()}
        return [(notice, by_id[notice.alert_id]) for notice in waiting if notice.alert_id in by_id]

    async def told(self, alert_ids: Collection[str]) -> set[tuple[str, str]]:
        """Of these alerts, the pairs of alert and channel of which a notice was made."""
        if not alert_ids:
            return set()
        query = sa.select(notices.c.alert_id, notices.c.channel_id).where(notices.c.alert_id.in_(list(alert_ids)))
        async with self._catalog.reading() as connection:
            return {(row[0], row[1]) for row in await connection.execute(query)}

    # --- messages ----------------------------------------------------------------------------------------------------

    async def waiting(self) -> list[MessageRow]:
        """Oldest first."""
        query = sa.select(messages).where(messages.c.state == MessageState.WAITING)
        return await self._found(query.order_by(messages.c.created_at, messages.c.id))

    async def listed(self, channel_id: str, limit: int) -> list[MessageRow]:
        """Newest first."""
        query = sa.select(messages).where(messages.c.channel_id == channel_id)
        return await self._found(query.order_by(messages.c.created_at.desc(), messages.c.id.desc()).limit(limit))

    async def newest_ended(self) -> dict[tuple[str, MessageState], MessageRow]:
        """By channel, the newest message that was delivered, and the newest that was given up."""
        ends = (
            sa.select(messages.c.channel_id, messages.c.state, sa.func.max(messages.c.ended_at).label("ended_at"))
            .where(messages.c.ended_at.is_not(None))
            .group_by(messages.c.channel_id, messages.c.state)
            .subquery()
        )
        same = sa.and_(
            messages.c.channel_id == ends.c.channel_id,
            messages.c.state == ends.c.state,
            messages.c.ended_at == ends.c.ended_at,
        )
        found = await self._found(sa.select(messages).join(ends, same))
        return {(row.channel_id, row.state): row for row in found}

    async def at_once_since(self, channel_id: str, after: datetime) -> list[datetime]:
        """When the messages were made that told at once, oldest first."""
        query = sa.select(messages.c.created_at).where(
            messages.c.channel_id == channel_id, messages.c.rule_id == "", messages.c.created_at > after
        )
        async with self._catalog.reading() as connection:
            return list(await connection.scalars(query.order_by(messages.c.created_at)))

    async def add(self, message: MessageRow, joined: Sequence[str]) -> None:
        """Add a message that these notices go into, in one transaction."""
        async with self._catalog.writing() as connection:
            await _insert(connection, message)
            await connection.execute(
                sa.update(notices).where(notices.c.id.in_(list(joined))).values(message_id=message.id)
            )

    async def add_digests(self, rule_id: str, made: Sequence[MessageRow], considered_until: datetime) -> None:
        """Add a rule's digests, in the same transaction as up to when it was dealt with. Older ones that still wait are
        given up: each says how things are."""
        async with self._catalog.writing() as connection:
            old = sa.and_(messages.c.rule_id == rule_id, messages.c.state == MessageState.WAITING)
            if made:
                given_up = {"state": MessageState.GIVEN_UP, "ended_at": made[0].created_at}
                await connection.execute(sa.update(messages).where(old).values(**given_up))
            for message in made:
                await _insert(connection, message)
            await connection.execute(
                sa.update(notification_rules)
                .where(notification_rules.c.id == rule_id)
                .values(considered_until=considered_until)
            )

    async def update(self, message_id: str, **values: object) -> None:
        """Of a message that still waits."""
        own = sa.and_(messages.c.id == message_id, messages.c.state == MessageState.WAITING)
        async with self._catalog.writing() as connection:
            await connection.execute(sa.update(messages).where(own).values(**values))

    async def try_now(self, channel_id: str, at: datetime) -> None:
        """Have what waits for a channel tried again at once."""
        own = sa.and_(messages.c.channel_id == channel_id, messages.c.state == MessageState.WAITING)
        async with self._catalog.writing() as connection:
            await connection.execute(sa.update(messages).where(own).values(next_try_at=at))

    async def forget(self, ended_before: datetime) -> None:
        """Drop messages that were over before this time."""
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(messages).where(messages.c.ended_at < ended_before))

    async def _found(self, query: sa.Select[tuple[object, ...]]) -> list[MessageRow]:
        async with self._catalog.reading() as connection:
            return [MessageRow(**row) for row in (await connection.execute(query)).mappings()]


async def _insert(connection: AsyncConnection, message: MessageRow) -> None:
    values = {name: getattr(message, name) for name in message.__struct_fields__}
    await connection.execute(sa.insert(messages).values(**values))

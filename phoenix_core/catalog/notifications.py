"""Queries on channels and on the rules that use them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.catalog.alert_rows import ChannelRow, NotificationRuleRow
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.tables import channels, notification_rules


class Notifications:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def channels(self) -> list[ChannelRow]:
        """By name."""
        async with self._catalog.reading() as connection:
            found = await connection.execute(sa.select(channels).order_by(channels.c.name))
            return [ChannelRow(**row) for row in found.mappings()]

    async def rules(self) -> list[NotificationRuleRow]:
        """By name."""
        async with self._catalog.reading() as connection:
            found = await connection.execute(sa.select(notification_rules).order_by(notification_rules.c.name))
            return [NotificationRuleRow(**row) for row in found.mappings()]

    async def put_channel(self, row: ChannelRow) -> None:
        """Add the channel, or replace the one of its id."""
        async with self._catalog.writing() as connection:
            await _put(connection, channels, row)

    async def put_rule(self, row: NotificationRuleRow) -> None:
        """Add the rule, or replace the one of its id."""
        async with self._catalog.writing() as connection:
            await _put(connection, notification_rules, row)

    async def remove_channel(self, channel_id: str) -> None:
        """With what waits to be told by it; rules no longer name it."""
        async with self._catalog.writing() as connection:
            found = await connection.execute(sa.select(notification_rules))
            for each in found.mappings().all():
                row = NotificationRuleRow(**each)
                if channel_id in row.body.channels:
                    left = tuple(named for named in row.body.channels if named != channel_id)
                    body = msgspec.structs.replace(row.body, channels=left)
                    await _put(connection, notification_rules, msgspec.structs.replace(row, body=body))
            await connection.execute(sa.delete(channels).where(channels.c.id == channel_id))

    async def remove_rule(self, rule_id: str) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(notification_rules).where(notification_rules.c.id == rule_id))

    async def considered(self, rule_id: str, until: datetime) -> None:
        """Digests of the rule that were due up to this time have been dealt with."""
        async with self._catalog.writing() as connection:
            own = notification_rules.c.id == rule_id
            await connection.execute(sa.update(notification_rules).where(own).values(considered_until=until))


async def replace_notifications(
    connection: AsyncConnection, wanted_channels: Sequence[ChannelRow], wanted_rules: Sequence[NotificationRuleRow]
) -> None:
    """Have these and no others."""
    for table, rows in ((channels, wanted_channels), (notification_rules, wanted_rules)):
        await connection.execute(sa.delete(table).where(table.c.id.not_in([row.id for row in rows])))
        for row in rows:
            await _put(connection, table, row)


async def _put(connection: AsyncConnection, table: sa.Table, row: ChannelRow | NotificationRuleRow) -> None:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    done = await connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
    if done.rowcount == 0:
        await connection.execute(sa.insert(table).values(**values))

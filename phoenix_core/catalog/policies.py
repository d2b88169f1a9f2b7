"""Queries on backup policies, content rules and server groups."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import GroupRow, PolicyRow, RuleRow
from phoenix_core.catalog.tables import group_rules, group_servers, groups, policies, rules


class AllPolicies(NamedTuple):
    """Each by name."""

    policies: list[PolicyRow]
    rules: list[RuleRow]
    groups: list[GroupRow]


class Policies:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    # --- reading -----------------------------------------------------------------------------------------------------

    async def policies(self) -> list[PolicyRow]:
        """By name."""
        async with self._catalog.reading() as connection:
            return await _policies(connection)

    async def rules(self) -> list[RuleRow]:
        """By name."""
        async with self._catalog.reading() as connection:
            return await _rules(connection)

    async def groups(self) -> list[GroupRow]:
        """By name."""
        async with self._catalog.reading() as connection:
            return await _groups(connection)

    async def all(self) -> AllPolicies:
        """As they are at one time: what a group refers to is there."""
        async with self._catalog.reading() as connection:
            return AllPolicies(await _policies(connection), await _rules(connection), await _groups(connection))

    # --- changing ----------------------------------------------------------------------------------------------------

    async def put_policy(self, policy: PolicyRow, anew_from: datetime | None = None) -> None:
        """Add the policy, or replace the one of its id. `anew_from`: its times are other ones, and what was due for
        its groups by the old ones up to this time has been dealt with; whoever reads the one reads the other."""
        async with self._catalog.writing() as connection:
            await _put(connection, policies, {"id": policy.id, "name": policy.name, "body": policy.body})
            if anew_from is not None:
                of_policy = sa.update(groups).where(groups.c.policy_id == policy.id)
                await connection.execute(of_policy.values(considered_until=anew_from))

    async def put_rule(self, rule: RuleRow) -> None:
        """Add the rule, or replace the one of its id."""
        async with self._catalog.writing() as connection:
            await _put(connection, rules, {"id": rule.id, "name": rule.name, "body": rule.body})

    async def put_group(self, group: GroupRow) -> None:
        """Add the group, or replace the one of its id with all that it refers to."""
        async with self._catalog.writing() as connection:
            await _put_group(connection, group)

    async def considered(self, group: GroupRow, until: datetime) -> None:
        """What was due for the group up to this time has been dealt with. Nothing is changed where somebody did so
        since it was read."""
        as_read = sa.and_(groups.c.id == group.id, groups.c.considered_until == group.considered_until)
        async with self._catalog.writing() as connection:
            await connection.execute(sa.update(groups).where(as_read).values(considered_until=until))

    async def remove_policy(self, policy_id: str) -> None:
        """One that no group has."""
        await self._remove(policies, policy_id)

    async def remove_rule(self, rule_id: str) -> None:
        """One that no group has."""
        await self._remove(rules, rule_id)

    async def remove_group(self, group_id: str) -> None:
        await self._remove(groups, group_id)

    async def _remove(self, table: sa.Table, row_id: str) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(table).where(table.c.id == row_id))


async def _policies(connection: AsyncConnection) -> list[PolicyRow]:
    found = await connection.execute(sa.select(policies).order_by(policies.c.name))
    return [PolicyRow(**row) for row in found.mappings()]


async def _rules(connection: AsyncConnection) -> list[RuleRow]:
    found = await connection.execute(sa.select(rules).order_by(rules.c.name))
    return [RuleRow(**row) for row in found.mappings()]


async def _groups(connection: AsyncConnection) -> list[GroupRow]:
    found = (await connection.execute(sa.select(groups).order_by(groups.c.name))).mappings().all()
    of_rules = await connection.execute(sa.select(group_rules).order_by(group_rules.c.position))
    of_servers = await connection.execute(sa.select(group_servers).order_by(group_servers.c.server_id))
    rule_ids: defaultdict[str, list[str]] = defaultdict(list)
    for row in of_rules.mappings():
        rule_ids[row["group_id"]].append(row["rule_id"])
    server_ids: defaultdict[str, list[str]] = defaultdict(list)
    for row in of_servers.mappings():
        server_ids[row["group_id"]].append(row["server_id"])
    return [
        GroupRow(**row, rule_ids=tuple(rule_ids[row["id"]]), server_ids=tuple(server_ids[row["id"]])) for row in found
    ]


async def replace_policies(
    connection: AsyncConnection,
    wanted_policies: Sequence[PolicyRow],
    wanted_rules: Sequence[RuleRow],
    wanted_groups: Sequence[GroupRow],
) -> None:
    """Have these and no others. Those of ids that are there keep their names."""
    await connection.execute(sa.delete(group_rules))
    await connection.execute(sa.delete(group_servers))
    await _keep_only(connection, groups, [row.id for row in wanted_groups])
    for policy in wanted_policies:
        await _put(connection, policies, {"id": policy.id, "name": policy.name, "body": policy.body})
    for rule in wanted_rules:
        await _put(connection, rules, {"id": rule.id, "name": rule.name, "body": rule.body})
    for group in wanted_groups:
        await _put_group(connection, group)
    await _keep_only(connection, policies, [row.id for row in wanted_policies])
    await _keep_only(connection, rules, [row.id for row in wanted_rules])


async def _put(connection: AsyncConnection, table: sa.Table, row: dict[str, object]) -> None:
    done = await connection.execute(sa.update(table).where(table.c.id == row["id"]).values(**row))
    if done.rowcount == 0:
        await connection.execute(sa.insert(table).values(**row))


async def _put_group(connection: AsyncConnection, group: GroupRow) -> None:
    row: dict[str, object] = {
        "id": group.id,
        "name": group.name,
        "policy_id": group.policy_id,
        "considered_until": group.considered_until,
    }
    await _put(connection, groups, row)
    await connection.execute(sa.delete(group_rules).where(group_rules.c.group_id == group.id))
    await connection.execute(sa.delete(group_servers).where(group_servers.c.group_id == group.id))
    if group.rule_ids:
        await connection.execute(
            sa.insert(group_rules),
            [
                {"group_id": group.id, "position": position, "rule_id": rule_id}
                for position, rule_id in enumerate(group.rule_ids)
            ],
        )
    if group.server_ids:
        await connection.execute(
            sa.insert(group_servers),
            [{"group_id": group.id, "server_id": server_id} for server_id in group.server_ids],
        )


async def _keep_only(connection: AsyncConnection, table: sa.Table, ids: list[str]) -> None:
    await connection.execute(sa.delete(table).where(table.c.id.not_in(ids)))

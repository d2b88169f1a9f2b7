"""Which group each server is in, and which policy it has through it."""

from phoenix_core.catalog.policies import Policies
from phoenix_core.domain.policies import BackupPolicy, ContentRule


class Attached:
    def __init__(self, stored: Policies) -> None:
        self._stored = stored

    async def groups_by_server(self) -> dict[str, str]:
        """Ids of the groups, by server's id."""
        return {server_id: group.id for group in await self._stored.groups() for server_id in group.server_ids}

    async def policies_by_server(self) -> dict[str, BackupPolicy]:
        """By server's id; servers without a policy are not in it."""
        there = await self._stored.all()
        policies = {row.id: row.body for row in there.policies}
        return {
            server_id: policies[group.policy_id]
            for group in there.groups
            if group.policy_id
            for server_id in group.server_ids
        }

    async def rules_by_server(self) -> dict[str, tuple[ContentRule, ...]]:
        """By server's id, the content rules of its group, in their order; servers without any are not in it."""
        found: dict[str, tuple[ContentRule, ...]] = {}
        there = await self._stored.all()
        rules = {row.id: row.body for row in there.rules}
        for group in there.groups:
            if group.rule_ids:
                found |= dict.fromkeys(group.server_ids, tuple(rules[rule_id] for rule_id in group.rule_ids))
        return found

    async def rules_of(self, server_id: str) -> tuple[ContentRule, ...]:
        """The content rules of the server's group, in their order; none where it is in no group."""
        return (await self.rules_by_server()).get(server_id, ())

"""Operators' changes of policies, rules and groups: checked, kept, and told to the scheduler."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
import structlog

from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import GroupRow, PolicyRow, RuleRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.checks import check_name, check_policy
from phoenix_core.engine.policies.errors import StillUsed
from phoenix_core.engine.policies.references import References, named, row_for, with_ready_made
from phoenix_core.engine.policies.rule_checks import check_rule
from phoenix_core.engine.policies.timetable import same_times

log = structlog.get_logger(__name__)


class PolicyDesk:
    """Names are for people; inside, ids refer to each other, so that all can be renamed."""

    def __init__(
        self,
        stored: Policies,
        directory: PeerDirectory,
        references: References,
        clock: Clock,
        changed: Callable[[], None],
        turn: asyncio.Lock,
        told_of: Callable[[str], Awaitable[Sequence[str]]],
    ) -> None:
        """`changed` is called after each change. `turn`: changes are checked against what is there, so one comes after
        the other. `told_of`: names of the notification rules that are about a group of this id only."""
        self._stored = stored
        self._directory = directory
        self._references = references
        self._clock = clock
        self.changed = changed
        self.turn = turn
        self._told_of = told_of

    # --- policies ----------------------------------------------------------------------------------------------------

    async def policies(self) -> list[BackupPolicy]:
        return [row.body for row in await self._stored.policies()]

    async def policy(self, name: str) -> BackupPolicy:
        """Raises NotFound."""
        return named("policy", await self._stored.policies(), name).body

    async def put_policy(self, name: str, policy: BackupPolicy, who: str, *, new: bool = False) -> BackupPolicy:
        """Make the policy, or change the one of this name; its own name may be a new one. `new`: only make it. Raises
        FieldInvalid."""
        await asyncio.to_thread(check_policy, policy)  # it reads the time zone from the disk
        self._references.check_policy(policy)
        async with self.turn:
            row = row_for("Policy", await self._stored.policies(), name, policy.name, new=new)
            users = [group for group in await self._stored.groups() if row and group.policy_id == row.id]
            self._references.abilities.check_policy(policy, users)
            anew = row is not None and not same_times(row.body, policy)
            wanted = PolicyRow(row.id if row else new_id("p"), policy.name, policy)
            await self._stored.put_policy(wanted, self._clock.now() if anew else None)
        self._done("policy changed", policy.name, who)
        return policy

    async def remove_policy(self, name: str, who: str) -> None:
        """Raises NotFound, StillUsed."""
        async with self.turn:
            row = named("policy", await self._stored.policies(), name)
            _check_unused("Policy", name, (group for group in await self._stored.groups() if group.policy_id == row.id))
            await self._stored.remove_policy(row.id)
        self._done("policy removed", name, who)

    # --- rules -------------------------------------------------------------------------------------------------------

    async def rules(self) -> list[ContentRule]:
        return [row.body for row in await self._stored.rules()]

    async def rule(self, name: str) -> ContentRule:
        """Raises NotFound."""
        return named("rule", await self._stored.rules(), name).body

    async def put_rule(self, name: str, rule: ContentRule, who: str, *, new: bool = False) -> ContentRule:
        """As `put_policy`."""
        rule = check_rule(rule)
        async with self.turn:
            row = row_for("Rule", await self._stored.rules(), name, rule.name, new=new)
            users = [group for group in await self._stored.groups() if row and row.id in group.rule_ids]
            self._references.abilities.check_rule(rule, users)
            await self._stored.put_rule(RuleRow(row.id if row else new_id("r"), rule.name, rule))
        self._done("rule changed", rule.name, who)
        return rule

    async def remove_rule(self, name: str, who: str) -> None:
        """Raises NotFound, StillUsed."""
        async with self.turn:
            row = named("rule", await self._stored.rules(), name)
            _check_unused("Rule", name, (group for group in await self._stored.groups() if row.id in group.rule_ids))
            await self._stored.remove_rule(row.id)
        self._done("rule removed", name, who)

    # --- groups ------------------------------------------------------------------------------------------------------

    async def groups(self) -> list[ServerGroup]:
        there = await self._stored.all()
        policies = {row.id: row.name for row in there.policies}
        rules = {row.id: row.name for row in there.rules}
        return [
            ServerGroup(
                name=row.name,
                policy=policies.get(row.policy_id or "", ""),
                rules=tuple(rules[rule_id] for rule_id in row.rule_ids),
                servers=tuple(sorted(map(self._directory.name_of, filter(self._directory.in_use, row.server_ids)))),
            )
            for row in there.groups
        ]

    async def group(self, name: str) -> ServerGroup:
        """Raises NotFound."""
        found = next((group for group in await self.groups() if group.name == name), None)
        if found is None:
            raise NotFound(what="group", name=name)
        return found

    async def put_group(self, name: str, group: ServerGroup, who: str, *, new: bool = False) -> ServerGroup:
        """As `put_policy`; a ready-made rule that it names becomes a rule. Raises FieldInvalid also for what isn't
        there, and for a server of another group or that can't do what is wanted."""
        check_name("Group", group.name)
        async with self.turn:
            rows = await self._stored.groups()
            row = row_for("Group", rows, name, group.name, new=new)
            now = self._clock.now()
            rules = await self._stored.rules()
            added = [RuleRow(new_id("r"), rule.name, rule) for rule in with_ready_made((), [group])]
            added = [rule for rule in added if all(rule.name != known.name for known in rules)]
            policies = await self._stored.policies()
            wanted = GroupRow(
                id=row.id if row else new_id("g"),
                name=group.name,
                policy_id=self._references.policy_id(group, policies),
                considered_until=row.considered_until if row else now,
                rule_ids=self._references.rule_ids(group, [*rules, *added]),
                server_ids=self._references.server_ids(
                    group, [other for other in rows if row is None or other.id != row.id]
                ),
            )
            self._references.abilities.check_group(wanted, policies, [*rules, *added])
            if row is None or row.policy_id != wanted.policy_id:
                wanted = msgspec.structs.replace(wanted, considered_until=now)
            for rule in added:
                await self._stored.put_rule(rule)
            await self._stored.put_group(wanted)
        self._done("group changed", group.name, who)
        return await self.group(group.name)

    async def remove_group(self, name: str, who: str) -> None:
        """Its servers stay, and what was backed up of them. Raises NotFound, StillUsed."""
        async with self.turn:
            row = named("group", await self._stored.groups(), name)
            rules = await self._told_of(row.id)
            if rules:  # without its groups such a rule would tell of all
                raise StillUsed(what="Group", name=name, users="notification rule " + ", ".join(rules))
            await self._stored.remove_group(row.id)
        self._done("group removed", name, who)

    def _done(self, what: str, name: str, who: str) -> None:
        log.info(what, name=name, who=who)
        self.changed()


def _check_unused(what: str, name: str, groups: Iterable[GroupRow]) -> None:
    users = [group.name for group in groups]
    if users:
        raise StillUsed(what=what, name=name, users="group " + ", ".join(users))

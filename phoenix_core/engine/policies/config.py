"""All policies, rules, groups and notifications as one thing that can be written out, compared and put in force."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
import structlog

from phoenix_core.catalog.alert_rows import ChannelRow
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import GroupRow, PolicyRow, RuleRow
from phoenix_core.catalog.whole_config import WholeConfig
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.notifications import Channel, NotificationRule
from phoenix_core.domain.policies import BackupPolicy, Config, ConfigChange, ContentRule, ServerGroup
from phoenix_core.engine.notifications.checks import CHANNEL, RULE, check_channel
from phoenix_core.engine.notifications.checks import check_rule as check_notification_rule
from phoenix_core.engine.notifications.desk import NotificationDesk
from phoenix_core.engine.policies.checks import check_name, check_policy
from phoenix_core.engine.policies.desk import PolicyDesk
from phoenix_core.engine.policies.errors import FieldInvalid
from phoenix_core.engine.policies.references import References, with_ready_made
from phoenix_core.engine.policies.rule_checks import check_rule
from phoenix_core.engine.policies.timetable import same_times

Item = TypeVar("Item", BackupPolicy, ContentRule, ServerGroup, Channel, NotificationRule)

log = structlog.get_logger(__name__)


class ConfigDesk:
    """What has a name that is there is changed, whatever isn't in the wanted configuration is removed. All of it is
    checked before any of it is put in force, in one transaction."""

    def __init__(
        self,
        desk: PolicyDesk,
        notifications: NotificationDesk,
        stored: Policies,
        whole: WholeConfig,
        references: References,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._notifications = notifications
        self._stored = stored
        self._whole = whole
        self._references = references
        self._clock = clock

    async def current(self) -> Config:
        return Config(
            policies=tuple(await self._desk.policies()),
            rules=tuple(await self._desk.rules()),
            groups=tuple(await self._desk.groups()),
            channels=tuple(view.channel for view in await self._notifications.channels()),
            notifications=tuple(await self._notifications.rules()),
        )

    async def diff(self, wanted: Config) -> list[ConfigChange]:
        """What `apply` would change. Raises FieldInvalid."""
        wanted = await self._checked(wanted)
        _, _, groups = await self._rows(wanted)
        channels, _ = await self._notifications.channels_for(wanted.channels)
        await self._notifications.rules_for(wanted.notifications, channels, groups)
        return changes_between(await self.current(), wanted)

    async def apply(self, wanted: Config, who: str) -> list[ConfigChange]:
        """Put it in force; returns what changed. Raises FieldInvalid; SecretLeft where it is in force, and the secret
        of a channel that went is still held."""
        wanted = await self._checked(wanted)
        gone: Sequence[ChannelRow] = ()
        async with self._desk.turn:
            changes = changes_between(await self.current(), wanted)
            if changes:
                policies, rules, groups = await self._rows(wanted)
                channels, gone = await self._notifications.channels_for(wanted.channels)
                notifications = await self._notifications.rules_for(wanted.notifications, channels, groups)
                await self._whole.replace(policies, rules, groups, channels, notifications)
                await self._notifications.applied()
        if changes:
            log.info("configuration applied", changes=len(changes), who=who)
            self._desk.changed()
            await self._notifications.forget_secrets(gone)
        return changes

    async def _checked(self, wanted: Config) -> Config:
        for policy in wanted.policies:
            await asyncio.to_thread(check_policy, policy)  # it reads the time zone from the disk
            self._references.check_policy(policy)
        rules = with_ready_made([check_rule(rule) for rule in wanted.rules], wanted.groups)
        for group in wanted.groups:
            check_name("Group", group.name)
        for channel in wanted.channels:
            await asyncio.to_thread(check_channel, channel)
        for notification in wanted.notifications:
            await asyncio.to_thread(check_notification_rule, notification)
        for what, names in (
            ("Policy", [policy.name for policy in wanted.policies]),
            ("Rule", [rule.name for rule in rules]),
            ("Group", [group.name for group in wanted.groups]),
            (CHANNEL, [channel.name for channel in wanted.channels]),
            (RULE, [notification.name for notification in wanted.notifications]),
        ):
            _check_once(what, names)
        groups = tuple(self._references.with_server_names(group) for group in wanted.groups)
        return msgspec.structs.replace(wanted, rules=rules, groups=groups)

    async def _rows(self, wanted: Config) -> tuple[list[PolicyRow], list[RuleRow], list[GroupRow]]:
        known = {row.name: row for row in await self._stored.policies()}
        policies = [
            PolicyRow(known[policy.name].id if policy.name in known else new_id("p"), policy.name, policy)
            for policy in wanted.policies
        ]
        rule_ids = {row.name: row.id for row in await self._stored.rules()}
        rules = [RuleRow(rule_ids.get(rule.name) or new_id("r"), rule.name, rule) for rule in wanted.rules]
        anew = {row.id for row in policies if row.name not in known or not same_times(known[row.name].body, row.body)}
        groups: list[GroupRow] = []
        before = {row.name: row for row in await self._stored.groups()}
        for group in wanted.groups:
            row = before.get(group.name)
            made = GroupRow(
                id=row.id if row else new_id("g"),
                name=group.name,
                policy_id=self._references.policy_id(group, policies),
                considered_until=row.considered_until if row else self._clock.now(),
                rule_ids=self._references.rule_ids(group, rules),
                server_ids=self._references.server_ids(group, groups),
            )
            self._references.abilities.check_group(made, policies, rules)
            groups.append(self._dated(made, row, anew, self._clock.now()))
        return policies, rules, groups

    @staticmethod
    def _dated(made: GroupRow, before: GroupRow | None, anew: set[str], now: datetime) -> GroupRow:
        """See `same_times`."""
        if before is not None and before.policy_id == made.policy_id and made.policy_id not in anew:
            return made
        return msgspec.structs.replace(made, considered_until=now)


def _check_once(what: str, names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FieldInvalid(what=what, name=twice, field="name", detail="another one has this name")


def changes_between(current: Config, wanted: Config) -> list[ConfigChange]:
    """What putting the wanted one in force changes."""
    return [
        *_differences("policy", current.policies, wanted.policies),
        *_differences("rule", current.rules, wanted.rules),
        *_differences("group", current.groups, wanted.groups),
        *_differences("channel", current.channels, wanted.channels),
        *_differences("notification", current.notifications, wanted.notifications),
    ]


def _differences(what: str, current: Iterable[Item], wanted: Iterable[Item]) -> list[ConfigChange]:
    before = {item.name: item for item in current}
    after = {item.name: item for item in wanted}
    found: list[ConfigChange] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            found.append(ConfigChange(what, name, "added", _fields(type(after[name])(name=name), after[name])))
        elif name not in after:
            found.append(ConfigChange(what, name, "removed"))
        elif before[name] != after[name]:
            found.append(ConfigChange(what, name, "changed", _fields(before[name], after[name])))
    return found


def _fields(before: msgspec.Struct, after: msgspec.Struct) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (field, _text(getattr(before, field)), _text(getattr(after, field)))
        for field in before.__struct_fields__
        if getattr(before, field) != getattr(after, field)
    )


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
